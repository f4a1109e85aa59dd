"""The options of the data group from the command line: what is composed, refused, and trained on."""

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from image_files import write_images
from PIL import Image
from small_trainings import SMALLEST

from deblur.blur import Degradation
from deblur.config.build import build
from deblur.config.identity import config_without_paths, what_matters
from deblur.data import DeblurDataModule
from deblur.data.datamodule import build_data_module
from deblur.errors import UserError
from deblur.train import main

Compose = Callable[..., dict[str, Any]]

SMALL = (*SMALLEST, "trainer.max_epochs=1", "+trainer.limit_train_batches=2")


@pytest.fixture
def trees(tmp_path: Path) -> tuple[str, str]:
    """The words that choose twelve pairs, in folders whose names Hydra's grammar would refuse."""
    sharp, blurred = tmp_path / "the sharp, ones", tmp_path / "[blurred] = é"
    write_images(sharp, 12, height=70, width=81)
    blurred.mkdir()
    for path in sharp.iterdir():
        Image.fromarray(255 - np.asarray(Image.open(path))).save(blurred / f"{path.stem}.tif")
    return f"data.sharp={sharp}", f"data.blurred={blurred}"


def trained(tmp_path: Path, cache_root: Path, *overrides: str) -> Path:
    """Train and return the folder of the run."""
    root = tmp_path / "outputs"
    assert main([f"paths.output_root={root}", f"paths.cache_root={cache_root}", *SMALL, *overrides]) == 0
    (status,) = root.rglob("status.json")
    assert json.loads(status.read_text())["state"] == "done"
    return status.parent


def built(config: dict[str, Any], cache_root: Path | None) -> DeblurDataModule:
    root = None if cache_root is None else str(cache_root)
    return build_data_module(config.data, build(config.blur, Degradation), cache_root=root)


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "images.csv").open(newline="") as file:
        return list(csv.DictReader(file))


# Pairs


def test_a_run_on_pairs(tmp_path: Path, cache_root: Path, trees: tuple[str, str]) -> None:
    run = trained(tmp_path, cache_root, "data=pairs", *trees, "data.max_images=10")
    metrics = json.loads((run / "metrics.json").read_text())
    assert sum(metrics["data"]["counts"].values()) == 10
    for row in rows(run):
        assert (row["blur"], row["noise_sigma"]) == ("none", "0.0")
        assert float(row["input_psnr"]) < 10  # the given image, not the sharp one
    settings = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["hyper_parameters"]
    assert settings["data"]["name"] == "pairs"
    assert str(tmp_path) not in json.dumps(settings)


def test_noise_on_pairs(tmp_path: Path, cache_root: Path, trees: tuple[str, str]) -> None:
    run = trained(tmp_path, cache_root, "data=pairs", *trees, "blur.noise_sigma=5")
    assert {row["noise_sigma"] for row in rows(run)} == {"5.0"}


@pytest.mark.parametrize(
    ("overrides", "blur"),
    [((), "none"), (("blur=box",), "box"), (("experiment=quick",), "none"), (("debug=overfit",), "none")],
)
def test_pairs_choose_no_blur_unless_one_is_chosen(
    compose: Compose, trees: tuple[str, str], overrides: tuple[str, ...], blur: str
) -> None:
    for order in (("data=pairs", *overrides), (*overrides, "data=pairs")):
        config = compose(*order, *trees)
        assert (config.data.name, config.blur.name) == ("pairs", blur)
        assert "defaults" not in config.data.plain()


def test_the_folders_of_pairs_are_made_absolute_and_stay_out_of_checkpoints(
    compose: Compose, tmp_path: Path, trees: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = compose("data=pairs", *(word.replace(f"{tmp_path}/", "") for word in trees))
    for word in trees:
        key, _, place = word.removeprefix("data.").partition("=")
        assert config.data.plain()[key] == place
    assert not {"sharp", "blurred"} & config_without_paths(config.data.plain()).keys()


@pytest.mark.parametrize("key", ["sharp", "blurred"])
def test_wrong_folders_of_pairs_are_sentences(
    compose: Compose, tmp_path: Path, trees: tuple[str, str], key: str
) -> None:
    def refusal(*overrides: str) -> str:
        with pytest.raises(UserError) as caught:
            compose("data=pairs", *overrides)
        return str(caught.value)

    (other,) = (word for word in trees if not word.startswith(f"data.{key}="))
    assert refusal(other).startswith(f"data.{key} is missing: give a folder with ")
    assert refusal(other, f"data.{key}=").startswith(f"data.{key}= is not allowed: give a folder with ")
    (tmp_path / "file.png").touch()
    for name, state in (("absent", "does not exist"), ("file.png", "is a file"), ("x" * 300, "does not exist")):
        place = tmp_path / name
        assert refusal(other, f"data.{key}={place}") == f"data.{key}={place} {state}: give a folder with images."
    same = other.partition("=")[2]
    assert (
        refusal(other, f"data.{key}={same}/")
        == f"data.blurred={same}{'/' if key == 'blurred' else ''} is data.sharp as well: give two folders."
    )


def test_a_refused_pair_leaves_no_cache(
    tmp_path: Path, trees: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (Path(trees[0].partition("=")[2]) / "alone.png").touch()
    overrides = (f"paths.output_root={tmp_path / 'outputs'}", f"paths.cache_root={tmp_path / 'cache'}", "data=pairs")
    assert main([*overrides, *SMALL, *trees]) == 2
    assert "data.sharp: 1 of 13 images have no partner of the same name" in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()


# The others


def test_a_run_on_photographs(tmp_path: Path, cache_root: Path) -> None:
    run = trained(tmp_path, cache_root, "data=photos")
    assert json.loads((run / "metrics.json").read_text())["data"]["counts"] == {"train": 8, "val": 1, "test": 2}
    assert all(row["name"].endswith((".png", ".jpg")) for row in rows(run))


def test_a_run_on_images_of_every_format(tmp_path: Path, cache_root: Path) -> None:
    root = tmp_path / "images"
    write_images(root, 12, height=70, width=81)
    for index, suffix in enumerate(("jpg", "webp", "bmp", "tif", "TIFF")):
        path = root / f"{index:03d}.png"
        Image.open(path).save(root / f"{index:03d}.{suffix}")
        path.unlink()
    run = trained(tmp_path, cache_root, "data=folder", f"data.root={root}")
    assert json.loads((run / "metrics.json").read_text())["data"]["left_out"] == 0


@pytest.mark.parametrize("data", ["folder", "pairs"])
def test_names_that_are_not_utf_8_are_counted_as_bad_images(tmp_path: Path, cache_root: Path, data: str) -> None:
    roots = [tmp_path / "one", tmp_path / "two"]
    for root in roots:
        write_images(root, 38, height=33, width=34)
        write_images(root / os.fsdecode(b"\xe9t\xe9"), 1, height=33, width=34)
        (root / "000.png").rename(root / os.fsdecode(b"caf\xe9.png"))
    places = [f"data.root={roots[0]}"] if data == "folder" else [f"data.sharp={roots[0]}", f"data.blurred={roots[1]}"]
    run = trained(tmp_path, cache_root, f"data={data}", *places, "data.max_bad_fraction=0.06")
    found = json.loads((run / "metrics.json").read_text())["data"]
    assert (found["left_out"], sum(found["counts"].values())) == (2, 37)
    log = (run / "train.log").read_text()
    for name in ("caf\\udce9.png", "\\udce9t\\udce9/000.png"):
        assert f"  '{name}' has a name that is not valid UTF-8\n" in log


def test_a_link_to_a_folder_whose_name_is_not_utf_8(tmp_path: Path, cache_root: Path) -> None:
    root = tmp_path / os.fsdecode(b"caf\xe9")
    write_images(root, 12, height=33, width=34)
    (tmp_path / "link").symlink_to(root)
    run = trained(tmp_path, cache_root, "data=folder", f"data.root={tmp_path / 'link'}")
    assert "caf\\udce9' (threads: " in (run / "train.log").read_text()


def test_anime_faces_are_composed_but_not_downloaded(compose: Compose) -> None:
    config = compose("data=anime_faces")
    assert config.data.max_images == 1000
    assert compose("data=anime_faces", "data.max_images=null").data.max_images is None
    built(config, None)


def test_an_option_without_a_choice_of_images_says_so(compose: Compose) -> None:
    with pytest.raises(UserError, match=r"^data.root is unknown: data has the keys "):
        compose("data=photos", "+data.root=x")


# Memory


@pytest.mark.parametrize(("memory", "is_held"), [("0", False), ("1.0", True), ("2.4e-5", False), ("2.5e-5", True)])
def test_cache_memory_decides_what_is_held(compose: Compose, tmp_path: Path, memory: str, is_held: bool) -> None:
    write_images(tmp_path / "images", 4, height=79, width=83)  # 26,477 bytes of pixels: 2.47e-5 GiB
    overrides = ("data=folder", f"data.root={tmp_path / 'images'}", f"data.cache_memory={memory}")
    data = built(compose(*overrides), tmp_path / "cache")
    data.setup()
    assert data.images.held_bytes == (26_477 if is_held else 0)


@pytest.mark.parametrize(("memory", "is_held"), [("0", False), ("1", True)])
def test_cache_memory_holds_for_both_images_of_a_pair(
    compose: Compose, tmp_path: Path, trees: tuple[str, str], memory: str, is_held: bool
) -> None:
    data = built(compose("data=pairs", *trees, f"data.cache_memory={memory}"), tmp_path / "cache")
    data.setup()
    assert [bool(images.held_bytes) for images in (data.images, data.inputs)] == [is_held, is_held]


def test_cache_memory_is_without_effect_on_results(compose: Compose) -> None:
    assert what_matters(compose("data.cache_memory=0").plain()) == what_matters(compose().plain())
