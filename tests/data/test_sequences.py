"""Frames of sequences: folders that stay in one set, and pairs in one tree."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_settings import SETTINGS, module_of
from image_files import noise
from PIL import Image
from small_trainings import SMALLEST

from deblur.blur import Box, NoBlur
from deblur.config.identity import config_without_paths, data_settings, what_matters
from deblur.data import FolderData, PairsData
from deblur.data.pairs import find_pairs_in_tree, without_folder
from deblur.data.sizes import refuse_too_large_patch
from deblur.errors import UserError
from deblur.train import main

Compose = Callable[..., dict[str, Any]]


def write(path: Path, seed: int, side: int = 40) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(side, side, seed=seed)).save(path)


@pytest.fixture
def sequences(tmp_path: Path) -> Path:
    """Ten sequences of four frames each in folders of their own."""
    for index in range(40):
        write(tmp_path / "crops" / f"part{index // 20}" / f"{index // 4:03d}" / f"{index:06d}.png", index)
    return tmp_path / "crops"


@pytest.fixture
def gopro(tmp_path: Path) -> Path:
    """Eight sequences of three pairs, sharp and blurred in one tree as GoPro's data set has them."""
    root = tmp_path / "GOPRO_Large" / "train"
    for index in range(24):
        sequence = root / f"GOPR03{index // 3:02d}_11_00"
        for kind in ("sharp", "blur", "blur_gamma"):
            write(sequence / kind / f"{index:06d}.png", index if kind == "sharp" else 100 + index)
    return root


def data_of(cls: Callable[..., Any], cache_root: Path, **settings: Any) -> Any:
    """Return a data module, set up; pairs are not blurred further."""
    blur = NoBlur() if cls is PairsData else Box(3)
    data = module_of(cls, blur, cache_root=str(cache_root), **{"max_images": None, **SETTINGS, **settings})
    data.setup()
    return data


def names_of(data: Any, kind: str) -> set[str]:
    return {data.images.names[index] for index in getattr(data.splits, kind)}


def folders_of(data: Any) -> list[set[str]]:
    return [{name.rpartition("/")[0] for name in names_of(data, kind)} for kind in ("train", "val", "test")]


# Groups


def test_the_frames_of_a_folder_stay_in_one_set(sequences: Path, cache_root: Path) -> None:
    singly = data_of(FolderData, cache_root, root=str(sequences))
    train, val, test = folders_of(singly)
    assert train & val
    assert train & test
    grouped = data_of(FolderData, cache_root, root=str(sequences), group_by="folder")
    train, val, test = folders_of(grouped)
    assert not train & val
    assert not train & test
    assert not val & test
    assert len(train | val | test) == 10
    assert [len(part) for part in (train, val, test)] == [8, 1, 1]
    assert not grouped.images.was_built
    assert grouped.images.fingerprint == singly.images.fingerprint


def test_too_few_folders_are_a_sentence(tmp_path: Path, cache_root: Path) -> None:
    for index in range(20):
        write(tmp_path / "images" / f"{index % 2}" / f"{index}.png", index)
    with pytest.raises(UserError, match=r"^data.group_by=folder: the 20 images are in 2 folders and cannot be divided"):
        data_of(FolderData, cache_root, root=str(tmp_path / "images"), group_by="folder")


def test_the_grouping_decides_the_test_images(compose: Compose, sequences: Path) -> None:
    overrides = ("data=folder", f"data.root={sequences}")
    singly, grouped = compose(*overrides).plain(), compose(*overrides, "data.group_by=folder").plain()
    assert (singly["data"]["group_by"], grouped["data"]["group_by"]) == (None, "folder")
    assert data_settings(singly) != data_settings(grouped)
    assert what_matters(singly) != what_matters(grouped)
    with pytest.raises(UserError) as caught:
        compose(*overrides, "data.group_by=name")
    assert str(caught.value) == "data.group_by=name is not allowed: give folder, or null for images one by one."


# Pairs in one tree


@pytest.mark.parametrize(
    ("name", "folder", "left"),
    [
        ("a/sharp/1.png", "sharp", "a/1.png"),
        ("sharp/a/1.png", "sharp", "a/1.png"),
        ("sharp/sharp/1.png", "sharp", "sharp/1.png"),
        ("sharp/a/sharp/b/1.png", "sharp", "sharp/a/b/1.png"),
        ("sharp/1.png", "sharp", "1.png"),
        ("a/1.png", "sharp", "a/1.png"),
        ("sharp", "sharp", "sharp"),
        ("a/sharp/1.png", None, "a/sharp/1.png"),
    ],
)
def test_the_innermost_folder_of_the_kind_is_no_part_of_a_sequence(name: str, folder: str | None, left: str) -> None:
    assert without_folder(name, folder) == left


def test_pairs_of_one_tree_are_matched(gopro: Path, caplog: pytest.LogCaptureFixture) -> None:
    pairs = find_pairs_in_tree(gopro, "sharp", "blur")
    assert len(pairs) == 24
    assert pairs["GOPR0300_11_00/sharp/000002.png"] == "GOPR0300_11_00/blur/000002.png"
    assert list(pairs) == sorted(pairs)
    assert caplog.messages == [
        f"data.root: 24 images of {gopro} are in no folder called sharp or blur and are left out: 24 in blur_gamma."
    ]
    assert set(find_pairs_in_tree(gopro, "sharp", "blur_gamma").values()) != set(pairs.values())


def test_pairs_below_the_folders_of_their_kind(tmp_path: Path) -> None:
    for name in ("sharp/x/1.png", "blur/x/1.jpg", "y/blur/z/2.png", "y/sharp/z/2.png", "blur/y/sharp/z/3.png"):
        write(tmp_path / name, 0)
    write(tmp_path / "blur/y/blur/z/3.png", 0)
    assert find_pairs_in_tree(tmp_path, "sharp", "blur") == {
        "blur/y/sharp/z/3.png": "blur/y/blur/z/3.png",
        "sharp/x/1.png": "blur/x/1.jpg",
        "y/sharp/z/2.png": "y/blur/z/2.png",
    }


def test_a_tree_without_one_kind_is_a_sentence(gopro: Path) -> None:
    with pytest.raises(UserError) as caught:
        find_pairs_in_tree(gopro, "gt", "blur")
    assert str(caught.value) == (
        f"data.sharp_folder=gt: no image of data.root={gopro} is in a folder of that name; those that hold images are "
        "called blur, blur_gamma, sharp. Give another name."
    )
    with pytest.raises(UserError, match=r"^data.blurred_folder=blurry: no image of "):
        find_pairs_in_tree(gopro, "sharp", "blurry")


def test_a_tree_with_a_frame_of_one_kind_alone_is_a_sentence(gopro: Path) -> None:
    (gopro / "GOPR0301_11_00" / "blur" / "000004.png").unlink()
    with pytest.raises(
        UserError, match=r"^data.sharp_folder=sharp: 1 of 24 images have no partner .*/sharp/000004.png"
    ):
        find_pairs_in_tree(gopro, "sharp", "blur")


def test_pairs_of_a_sequence_stay_in_one_set(gopro: Path, cache_root: Path) -> None:
    data = data_of(PairsData, cache_root, root=str(gopro), group_by="folder")
    train, val, test = folders_of(data)
    assert not train & val
    assert not (train | val) & test
    assert len(train | val | test) == 8
    for index, name in enumerate(data.images.names):
        number = int(Path(name).stem)
        np.testing.assert_array_equal(data.images[index], noise(40, 40, seed=number))
        np.testing.assert_array_equal(data.inputs[index], noise(40, 40, seed=100 + number))


def test_a_sequence_with_folders_of_its_kind_at_the_top_stays_in_one_set(tmp_path: Path, cache_root: Path) -> None:
    for index in range(24):
        for kind, seed in (("sharp", index), ("blur", 100 + index)):
            write(tmp_path / kind / f"{index // 3:03d}" / f"{index}.png", seed)
    one = data_of(PairsData, cache_root, root=str(tmp_path), group_by="folder")
    two = data_of(
        PairsData, cache_root, sharp=str(tmp_path / "sharp"), blurred=str(tmp_path / "blur"), group_by="folder"
    )
    assert one.division == two.division
    assert len(folders_of(two)[0] & folders_of(two)[2]) == 0


# The command line


def test_a_run_on_sequences_of_pairs(gopro: Path, tmp_path: Path) -> None:
    places = (f"paths.output_root={tmp_path / 'outputs'}", f"paths.cache_root={tmp_path / 'cache'}")
    overrides = ("data=pairs", f"data.root={gopro}", "data.group_by=folder", "trainer.max_epochs=1", *SMALLEST)
    assert main([*overrides, *places]) == 0
    (metrics,) = (tmp_path / "outputs").rglob("metrics.json")
    assert sum(json.loads(metrics.read_text())["data"]["counts"].values()) == 24
    names = {line.split(",")[0].partition("/")[0] for line in (metrics.parent / "images.csv").read_text().split()[1:]}
    log = (metrics.parent / "train.log").read_text()
    assert len(names) in (1, 2)
    assert log.count("are in no folder called sharp or blur") == 1
    assert "GOPRO_Large" not in (metrics.parent / "metrics.json").read_text()


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ((), "data.sharp is missing: give a folder with sharp images: data.sharp=DIR, or data.root=DIR for one folder"),
        (("data.sharp=ROOT",), "data.blurred is missing: give a folder with the same images, blurred: "),
        (("data.root=ROOT", "data.sharp=ROOT"), "data.root=ROOT is one folder that holds both kinds of images: leave"),
        (("data.root=ROOT", "data.blurred=ROOT"), "data.root=ROOT is one folder that holds both kinds of images: "),
        (("data.root=ROOT/absent",), "data.root=ROOT/absent does not exist: give a folder with images."),
        (("data.root=ROOT", "data.sharp_folder=blur"), "data.blurred_folder=blur is data.sharp_folder as well: give"),
        (("data.root=ROOT", "data.sharp_folder=a/b"), "data.sharp_folder=a/b is not allowed: give the name of folders"),
        (("data.root=ROOT", "data.blurred_folder="), "data.blurred_folder= is not allowed: give the name of folders"),
        (("data.root=ROOT", "data.group_by=sequence"), "data.group_by=sequence is not allowed: give folder, or null"),
    ],
)
def test_what_fits_no_tree_of_pairs_is_a_sentence(
    compose: Compose, gopro: Path, overrides: tuple[str, ...], said: str
) -> None:
    with pytest.raises(UserError) as caught:
        compose("data=pairs", *(word.replace("ROOT", str(gopro)) for word in overrides))
    assert str(caught.value).startswith(said.replace("ROOT", str(gopro)))


def test_the_tree_of_pairs_is_made_absolute_and_stays_out_of_checkpoints(
    compose: Compose, gopro: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(gopro.parent)
    config = compose("data=pairs", "data.root=train", "data.blurred_folder=blur gamma, 2")
    assert config.data.root == str(gopro)
    assert config.data.blurred_folder == "blur gamma, 2"
    assert "root" not in config_without_paths(config.data.plain())


def test_patches_larger_than_all_pairs_of_a_tree_are_refused_early(compose: Compose, gopro: Path) -> None:
    with pytest.raises(UserError, match=r"^data.patch_size=64 is larger than all images, .* 40x40 px. Set .*=40 or"):
        refuse_too_large_patch(compose("data=pairs", f"data.root={gopro}"))
    refuse_too_large_patch(compose("data=pairs", f"data.root={gopro}", "data.patch_size=40"))
