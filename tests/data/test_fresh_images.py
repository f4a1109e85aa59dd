"""Trainings whose images are new in each epoch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sampling import exhaustive
from small_faces import SETTINGS, drawn

from deblur.blur import Box
from deblur.choices import DataColor
from deblur.config.schema import DataSettings
from deblur.data import DeblurDataModule, ImageSource, SyntheticData
from deblur.errors import UserError
from deblur.image_io.decoding import luma
from deblur.synthesis import faces, leaves


def epochs(data: DeblurDataModule, count: int = 2) -> list[list[torch.Tensor]]:
    """Return the sharp patches of some epochs."""
    loader = data.train_dataloader()
    found = []
    for epoch in range(count):
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined] # an EpochSampler
        found.append([batch["sharp"] for batch in loader])
    return found


def test_fresh_images_are_of_no_set_of_named_ones() -> None:
    source = SyntheticData(max_images=10, leaves=0.4, fresh=True, seed=3)
    np.testing.assert_array_equal(source.fresh_image(0, 2, "gray"), faces.draw(3, 2**31 + 2))
    np.testing.assert_array_equal(source.fresh_image(4, 7, "gray"), leaves.draw(3, 2**31 + 4 * 4 + 1))
    assert source.cache_key() == SyntheticData(max_images=10, leaves=0.4, seed=3).cache_key()


def test_fresh_images_in_color_have_the_luma_of_the_gray_ones() -> None:
    source = SyntheticData(max_images=10, leaves=0.5, fresh=True)
    for index in (0, 9):
        colors = source.fresh_image(1, index, "rgb")
        np.testing.assert_array_equal(luma(colors), source.fresh_image(1, index, "gray"))


@pytest.mark.parametrize("color", [exhaustive("gray"), "rgb"])
def test_patches_are_of_new_images_in_each_epoch_and_the_same_again(cache_root: Path, color: DataColor) -> None:
    # A blur that draws nothing, whose results would be kept otherwise
    data = drawn(cache_root, Box(3), fresh=True, flips=False, patch_size=None, color=color)
    source = data.source
    (first, second), again = epochs(data), epochs(data)
    assert all(torch.equal(one, other) for one, other in zip([*first, *second], [*again[0], *again[1]], strict=True))
    expected = {source.fresh_image(1, index, color).tobytes() for index in data.splits.train}
    found = {np.ascontiguousarray(image.movedim(0, -1)).tobytes() for batch in second for image in batch}
    assert found == expected


def test_loader_processes_draw_the_same_images(cache_root: Path) -> None:
    one, other = (epochs(drawn(cache_root, Box(3), fresh=True, num_workers=workers), 1)[0] for workers in (0, 2))
    assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))


def test_validation_and_test_images_stay_the_same(cache_root: Path) -> None:
    fresh, same = (drawn(cache_root, Box(3), fresh=is_fresh) for is_fresh in (True, False))
    for one, other in zip(fresh.test_dataloader(), same.test_dataloader(), strict=True):
        assert torch.equal(one["sharp"], other["sharp"])
    assert not torch.equal(epochs(fresh, 1)[0][0], epochs(same, 1)[0][0])


class Squares(ImageSource):
    """Gray squares, and fresh ones that a test gives."""

    is_fresh = True

    def __init__(self, made: object = None) -> None:
        self._made = made

    @property
    def names(self) -> Sequence[str]:
        return [str(index) for index in range(8)]

    def cache_key(self) -> str:
        return "squares"

    def decode(self, index: int) -> NDArray[np.uint8]:
        return np.full((40, 40), 10 * index, np.uint8)


class Given(Squares):
    """Squares whose fresh images are what a test gives."""

    def fresh_image(self, epoch: int, index: int, color: DataColor) -> NDArray[np.uint8]:  # noqa: ARG002 # always the same
        return self._made  # type: ignore[return-value] # of any type


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (Squares(), "data: Squares.is_fresh is true, and it has no fresh_image(epoch, index, color): define it."),
        (Given(), "fresh_image of Given returns NoneType in place of"),
        (Given(np.zeros((40, 41), np.uint8)), "returns uint8 of shape (40, 41) in place of"),
        (Given(np.zeros((40, 40))), "returns float64 of shape (40, 40) in place of"),
        (Given(np.zeros((40, 40, 3), np.uint8)), ": it must be uint8 of shape (40, 40)."),
    ],
)
def test_fresh_images_of_another_kind_are_refused(cache_root: Path, source: ImageSource, sentence: str) -> None:
    settings = DataSettings(**{key: value for key, value in SETTINGS.items() if key != "context"})
    data = DeblurDataModule(source, Box(3), settings, cache_root=str(cache_root))
    data.setup()
    with pytest.raises(UserError) as refused:
        epochs(data, 1)
    assert sentence in str(refused.value)
