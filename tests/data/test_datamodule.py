from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from data_settings import module_of
from PIL import Image
from small_faces import SETTINGS, drawn

from deblur.blur import Box, NoBlur
from deblur.config.schema import DataSettings
from deblur.data import DeblurDataModule, FolderData, ImageSource
from deblur.errors import UserError


def folder(root: Path, shapes: list[tuple[int, int]]) -> Path:
    rng = np.random.default_rng(0)
    root.mkdir()
    for index, shape in enumerate(shapes):
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(root / f"{index}.png")
    return root


def test_loaders_give_what_the_device_turns_into_unit_range(cache_root: Path) -> None:
    data = drawn(cache_root, Box(7))
    batches = list(data.train_dataloader())
    assert [batch["sharp"].shape[0] for batch in batches] == [8, 8, 8, 6]
    batch = data.on_after_batch_transfer(batches[0], 0)
    assert batch["sharp"].shape == (8, 1, 32, 32)
    assert batch["blurred"].shape == (8, 1, 42, 42)
    for key in ("sharp", "blurred"):
        assert batch[key].dtype == torch.float32
        assert 0 <= batch[key].min() < batch[key].max() <= 1
    tested = [name for batch in data.test_dataloader() for name in batch["name"]]
    assert tested == [data.images.names[index] for index in data.splits.test]
    assert next(iter(data.val_dataloader()))["blurred"].shape == (2, 1, 48, 48)


def test_splits_depend_on_the_data_seed_alone(cache_root: Path) -> None:
    one, two = drawn(cache_root, Box(7), training_seed=1), drawn(cache_root, Box(7), training_seed=2)
    assert one.splits == two.splits
    first, second = (next(iter(data.train_dataloader()))["sharp"] for data in (one, two))
    assert not torch.equal(first, second)


def test_mixed_sizes_are_evaluated_in_batches_of_one_shape(tmp_path: Path, cache_root: Path) -> None:
    root = folder(tmp_path / "images", [(40 + index % 3, 60) for index in range(20)])
    data = module_of(FolderData, Box(7), root=str(root), max_images=None, cache_root=str(cache_root), **SETTINGS)
    data.setup()
    names = [name for batch in data.test_dataloader() for name in batch["name"]]
    assert names == [data.images.names[index] for index in data.splits.test]
    assert sum(batch["sharp"].shape[0] for batch in data.train_dataloader()) == 2 * len(data.splits.train)


def test_whole_images_of_several_sizes_need_batches_of_one(tmp_path: Path, cache_root: Path) -> None:
    root = folder(tmp_path / "images", [(40 + index, 60) for index in range(20)])
    settings = SETTINGS | {"patch_size": None}
    data = module_of(FolderData, Box(7), root=str(root), max_images=None, cache_root=str(cache_root), **settings)
    with pytest.raises(UserError, match=r"data\.batch_size=1"):
        data.setup()
    data = module_of(
        FolderData, Box(7), root=str(root), max_images=None, cache_root=str(cache_root), **settings | {"batch_size": 1}
    )
    data.setup()
    assert len(list(data.train_dataloader())) == len(data.splits.train)


def test_validation_and_test_can_be_capped_without_another_training_set(cache_root: Path) -> None:
    whole = drawn(cache_root, Box(7), max_val_images=None)
    capped = drawn(cache_root, Box(7), max_val_images=1, max_test_images=2)
    assert capped.splits.train == whole.splits.train
    assert len(capped.splits.val) == 1
    assert len(capped.splits.test) == 2
    assert set(capped.splits.val) <= set(whole.splits.val)
    assert [len(batch["name"]) for batch in capped.test_dataloader()] == [2]


class Stripes(ImageSource):
    """Images that are made in memory, as a notebook has them; with pairs, and groups of two."""

    kind = "stripes"

    @property
    def names(self) -> list[str]:
        return [f"{index:02d}" for index in range(24)]

    def cache_key(self) -> str:
        return "stripes1"

    def decode(self, index: int) -> np.ndarray:
        return np.full((40, 40), index, np.uint8)

    def groups(self, names: Sequence[str]) -> list[str]:
        return [str(int(name) // 2) for name in names]


class Lines(Stripes):
    @property
    def blurred(self) -> Stripes:
        return Stripes()

    def cache_key(self) -> str:
        return "lines1"

    def decode(self, index: int) -> np.ndarray:
        return np.full((40, 40), 100 + index, np.uint8)


def test_a_custom_source_is_given_to_the_data_module(cache_root: Path) -> None:
    settings = DataSettings(**{key: value for key, value in SETTINGS.items() if key != "context"} | {"eval_crop": 20})
    data = DeblurDataModule(Stripes(), Box(5), settings, cache_root=str(cache_root))
    data.setup()
    assert data.images.names == tuple(Stripes().names)
    assert data.source.description == "Stripes"
    for split in (data.splits.train, data.splits.val, data.splits.test):
        assert {index ^ 1 for index in split} == set(split)
    pairs = DeblurDataModule(Lines(), NoBlur(), settings, cache_root=str(cache_root))
    pairs.setup()
    sample = pairs.evaluation_dataset([3])[0]
    assert (sample["sharp"].max(), sample["blurred"].max()) == (103, 3)
