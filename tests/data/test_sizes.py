"""Images of mixed sizes: which of them a training uses, and what never depends on its settings."""

import itertools
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_settings import module_of
from image_files import noise
from PIL import Image
from small_trainings import SMALLEST, without

from deblur.blur import Box, Degradation, Gaussian, Motion
from deblur.data import DeblurDataModule, FolderData, PairsData, SyntheticData
from deblur.data.sizes import refuse_too_large_patch
from deblur.errors import UserError
from deblur.train import main

Compose = Callable[..., dict[str, Any]]

SETTINGS: dict[str, Any] = {
    "seed": 0,
    "max_bad_fraction": 0.0,
    "patch_size": 16,
    "patches_per_image": 2,
    "batch_size": 4,
    "flips": True,
    "eval_crop": None,
    "eval_batch_size": 3,
    "num_workers": 0,
}


def write(root: Path, shapes: list[tuple[int, int]]) -> Path:
    root.mkdir(parents=True)
    for index, shape in enumerate(shapes):
        Image.fromarray(noise(*shape, seed=index)).save(root / f"{index:02d}.png")
    return root


def opened(root: Path, cache_root: Path, blur: Degradation | None = None, **changes: Any) -> DeblurDataModule:
    settings = {**SETTINGS, **changes}
    return module_of(
        FolderData, blur or Box(7), root=str(root), max_images=None, cache_root=str(cache_root), **settings
    )


def set_up(root: Path, cache_root: Path, blur: Degradation | None = None, **changes: Any) -> DeblurDataModule:
    data = opened(root, cache_root, blur, **changes)
    data.setup()
    return data


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


# One folder, one cache, one division


@pytest.mark.parametrize("kind", ["folder", "pairs"])
def test_patches_blurs_and_boundaries_share_one_cache_and_one_division(tmp_path: Path, kind: str) -> None:
    roots = [write(tmp_path / name, [(20 + 4 * i, 21 + 4 * i) for i in range(24)]) for name in ("sharp", "blurred")]
    cache_root = tmp_path / "cache"
    seen = []
    cases = itertools.product((8, 16, 40, None), (Gaussian(0.5), Gaussian(3.0), Motion(9, 0)), ("symmetric", "valid"))
    for patch_size, blur, boundary in cases:
        changes = {**SETTINGS, "patch_size": patch_size, "boundary": boundary, "cache_root": str(cache_root)}
        if patch_size is None:
            changes["batch_size"] = 1
        if kind == "folder":
            data: Any = module_of(FolderData, blur, root=str(roots[0]), max_images=None, **changes)
        else:
            data = module_of(PairsData, blur, sharp=str(roots[0]), blurred=str(roots[1]), max_images=None, **changes)
        data.setup()
        seen.append((data.images.fingerprint, data.images.names, data.division))
        assert data.images.was_built == (len(seen) == 1)
    assert seen.count(seen[0]) == len(seen) == 24
    assert len([path for path in cache_root.iterdir() if path.is_dir()]) == (1 if kind == "folder" else 2)


def test_what_is_too_small_is_left_out_of_one_training_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write(tmp_path / "images", [(20 + i, 60) for i in range(20)])
    data = set_up(root, tmp_path / "cache", patch_size=24, boundary="valid")  # a box of 7 px takes 3 px of each side
    heights = [data.images.shapes[index][0] for index in data.division.train]
    small = [height for height in heights if height < 24 + 6]
    assert 0 < len(small) < len(heights)
    assert data.too_small == {"train": len(small), "val": 0, "test": 0}
    assert set(data.splits.train) == {i for i in data.division.train if data.images.shapes[i][0] >= 30}
    assert (data.splits.val, data.splits.test) == (data.division.val, data.division.test)
    assert warnings_of(caplog) == [
        f"{len(small)} of 15 training images are left out of this training: they are too small for a patch of 24 px "
        f"within a valid boundary, which takes 3 px of each side. The smallest is 60x{min(small)} px. "
        f"data.patch_size={min(small) - 6} or less would take all."
    ]
    batches = list(data.train_dataloader())
    assert sum(len(batch["sharp"]) for batch in batches) == 2 * len(data.splits.train)
    assert {batch["sharp"].shape[2:] for batch in batches} == {(24, 24)}
    caplog.clear()
    assert set_up(root, tmp_path / "cache", patch_size=min(small) - 6, boundary="valid").too_small["train"] == 0
    assert not warnings_of(caplog)


def test_what_a_valid_boundary_leaves_empty_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = write(tmp_path / "images", [(17 + index % 3 * 4, 40) for index in range(40)])
    data = set_up(root, tmp_path / "cache", Box(17), patch_size=4, boundary="valid")  # it takes 8 px of each side
    assert data.too_small["train"] > 0
    for kind, loader in (("val", data.val_dataloader()), ("test", data.test_dataloader())):
        every, used = getattr(data.division, kind), getattr(data.splits, kind)
        assert data.too_small[kind] == len(every) - len(used) == 0  # one pixel is left of 17
        assert [name for batch in loader for name in batch["name"]] == [data.images.names[index] for index in used]
    caplog.clear()
    data = set_up(root, tmp_path / "cache", Box(19), patch_size=4, boundary="valid")
    for kind, name in (("val", "validation"), ("test", "test")):
        every, used = getattr(data.division, kind), getattr(data.splits, kind)
        assert data.too_small[kind] == len(every) - len(used) > 0
        assert (
            f"{data.too_small[kind]} of {len(every)} {name} images are left out: a valid boundary, which takes 9 px of "
            "each side, leaves nothing of them. The smallest is 40x17 px."
        ) in warnings_of(caplog)
    assert {shape for batch in data.test_dataloader() for shape in [tuple(batch["sharp"].shape[2:])]} == {
        (3, 22),
        (7, 22),
    }


def test_restorers_are_fitted_on_the_same_images_whatever_the_patch(tmp_path: Path) -> None:
    root = write(tmp_path / "images", [(8 + 2 * index, 40) for index in range(20)])
    given = []
    for patch_size in (4, 30):
        data = set_up(root, tmp_path / "cache", patch_size=patch_size)
        sharp, _, _ = data.fitting_images(100, data.crop())
        given.append([image.shape for image in sharp])
    assert given[0] == given[1] == [data.images.shapes[index] for index in data.division.train]
    small = opened(root, tmp_path / "cache", Box(41), boundary="valid")
    small.open_images()
    with pytest.raises(
        UserError, match=r"^A valid boundary leaves nothing of the training images: .* 20 px of each side"
    ):
        small.fitting_images(100, small.crop())


# Refusals


@pytest.mark.parametrize(
    ("blur", "changes", "sentence"),
    [
        (
            Box(7),
            {"patch_size": 49},
            "data.patch_size=49 is larger than all training images, of which the largest is 49x48 px. Set "
            "data.patch_size=48 or less.",
        ),
        (
            Box(7),
            {"patch_size": 43, "boundary": "valid"},
            "data.patch_size=43 is too large for all training images: with data.boundary=valid the blur takes 3 px of "
            "each side, which leaves 43x42 px of the largest, of 49x48 px. Set data.patch_size=42 or less, or take a "
            "smaller blur or data.boundary=symmetric.",
        ),
        (
            Motion(15, 0),
            {"patch_size": 36, "boundary": "valid"},
            "data.patch_size=36 is too large for all training images: with data.boundary=valid the blur takes 0 rows "
            "and "
            "7 columns of each side, which leaves 35x48 px of the largest, of 49x48 px. Set data.patch_size=35 or "
            "less, or take a smaller blur or data.boundary=symmetric.",
        ),
        (
            Box(49),
            {"boundary": "valid"},
            "A valid boundary leaves nothing of the training images: the blur takes 24 px of each side, so that an "
            "image "
            "needs at least 49x49 px, and the largest is 49x48 px. Take a smaller blur, larger images or "
            "data.boundary=symmetric.",
        ),
    ],
)
def test_a_patch_that_no_image_has_room_for_is_refused_with_the_largest_that_works(
    tmp_path: Path, blur: Degradation, changes: dict[str, Any], sentence: str
) -> None:
    root = write(tmp_path / "images", [(48, 49)] * 12)
    with pytest.raises(UserError) as caught:
        set_up(root, tmp_path / "cache", blur, **changes)
    assert str(caught.value) == sentence
    found = sentence.partition("data.patch_size=")[2].partition("Set data.patch_size=")[2].partition(" ")[0]
    if found:
        set_up(root, tmp_path / "cache", blur, **{**changes, "patch_size": int(found)})


def test_validation_images_that_are_all_too_small_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "images", [(48, 49)] * 12)
    data = set_up(root, tmp_path / "cache")
    (name,) = (data.images.names[index] for index in data.division.val)
    small = Image.fromarray(np.asarray(Image.open(root / name))[:6, :6])
    digests = data.images.digests
    for seed in range(100):  # one whose division has the small image in validation again
        small.save(root / name)
        again = opened(root, tmp_path / "cache", boundary="valid", seed=seed)
        again.open_images()
        assert again.images.digests != digests
        if again.images.names.index(name) in again.division.val:
            break
    with pytest.raises(
        UserError, match=r"^A valid boundary leaves nothing of the validation images: .* at least 7x7 px"
    ):
        again.setup()


def test_drawn_images_are_refused_by_the_same_sentence(cache_root: Path) -> None:
    data = module_of(
        SyntheticData, Box(257), max_images=4, cache_root=str(cache_root), **{**SETTINGS, "boundary": "valid"}
    )
    with pytest.raises(UserError, match=r"^A valid boundary leaves nothing of the training images: .* 128 px of each"):
        data.setup()


# Before an image is decoded


@pytest.mark.parametrize(
    ("overrides", "start", "room"),
    [
        (("data.patch_size=300",), "data.patch_size=300 is larger than all drawn images", 256),
        (("data.patch_size=256", "data.boundary=valid", "blur=box"), "data.patch_size=256 is too large for all", 250),
        (
            ("data.boundary=valid", "blur=box", "blur.size=257"),
            "A valid boundary leaves nothing of the drawn images",
            None,
        ),
        (("data=photos", "data.patch_size=1412"), "data.patch_size=1412 is larger than all images", 1411),
    ],
)
def test_known_sizes_are_refused_without_decoding(
    compose: Compose, overrides: tuple[str, ...], start: str, room: int | None
) -> None:
    with pytest.raises(UserError) as caught:
        refuse_too_large_patch(compose(*overrides))
    assert str(caught.value).startswith(start)
    if room is not None:
        assert f"Set data.patch_size={room} or less" in str(caught.value)
        rest = [word for word in overrides if not word.startswith("data.patch_size=")]
        refuse_too_large_patch(compose(*rest, f"data.patch_size={room}"))


@pytest.mark.parametrize("data", ["folder", "pairs"])
def test_the_headers_of_files_tell_their_sizes(compose: Compose, tmp_path: Path, data: str) -> None:
    overrides = [f"data={data}"]
    for key in ("root",) if data == "folder" else ("sharp", "blurred"):
        write(tmp_path / key, [(48, 60)] * 5)
        overrides.append(f"data.{key}={tmp_path / key}")
    with pytest.raises(UserError, match=r"data.patch_size=64 is larger than all images, .* 60x48 px. Set .*=48 or"):
        refuse_too_large_patch(compose(*overrides))
    refuse_too_large_patch(compose(*overrides, "data.patch_size=48"))
    refuse_too_large_patch(compose(*overrides, "data.patch_size=null"))
    with pytest.raises(UserError, match=r"Set data.patch_size=42 or less, or take a smaller blur"):
        refuse_too_large_patch(compose(*overrides, "data.patch_size=43", "data.boundary=valid", "blur=box"))
    first = tmp_path / ("root" if data == "folder" else "sharp")
    (first / "03.png").write_bytes((first / "03.png").read_bytes()[:10])  # it may have room
    refuse_too_large_patch(compose(*overrides))


def test_an_image_that_is_stored_on_its_side_has_the_room_it_is_shown_with(compose: Compose, tmp_path: Path) -> None:
    write(tmp_path / "images", [(40, 60)])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise(60, 40)).save(tmp_path / "images" / "turned.jpg", exif=exif)
    overrides = (
        "data=folder",
        f"data.root={tmp_path / 'images'}",
        "data.boundary=valid",
        "blur=motion",
        "blur.length=21",
    )
    refuse_too_large_patch(compose(*overrides, "blur.angle=0", "data.patch_size=40"))
    with pytest.raises(UserError, match=r"Set data.patch_size=40 or less"):
        refuse_too_large_patch(compose(*overrides, "blur.angle=0", "data.patch_size=41"))


def test_a_sweep_is_refused_before_its_first_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "images", [(48, 48)] * 12)
    places = (f"paths.output_root={tmp_path / 'outputs'}", f"paths.cache_root={tmp_path / 'cache'}")
    for data in (("data=folder", f"data.root={tmp_path / 'images'}"), ("data=synthetic", "data.max_images=12")):
        overrides = (
            "-m",
            *without(SMALLEST, "data.patch_size"),
            *data,
            "data.patch_size=32,257",
            "sweep=sizes",
            *places,
        )
        assert main(overrides) == 2
        said = capsys.readouterr().err
        assert "The job " in said
        assert "data.patch_size=257 is larger than all" in said
        assert not (tmp_path / "outputs").exists()
        assert not (tmp_path / "cache").exists()


# Whole trainings


@pytest.mark.slow
def test_a_sweep_over_the_blur_with_a_real_boundary_on_mixed_sizes(tmp_path: Path) -> None:
    root = write(tmp_path / "images", [(38 + i, 38 + i) for i in range(24)])
    places = (f"paths.output_root={tmp_path / 'outputs'}", f"paths.cache_root={tmp_path / 'cache'}")
    overrides = (
        "-m",
        *SMALLEST,
        "trainer.max_epochs=1",
        "data=folder",
        f"data.root={root}",
        "data.boundary=valid",
        "sweep=s",
    )
    assert main([*overrides, "blur=gaussian", "blur.sigma=0.5,3", *places]) == 0
    runs = sorted((tmp_path / "outputs" / "sweeps" / "s").glob("*/metrics.json"))
    found = [json.loads(run.read_text())["data"] for run in runs]
    assert len(found) == 2
    assert found[0]["fingerprint"] == found[1]["fingerprint"]
    assert [data["images"] for data in found] == [24, 24]
    assert [data["left_out"] for data in found] == [0, 0]
    assert sorted(data["too_small"]["train"] > 0 for data in found) == [False, True]
    for data in found:
        assert data["counts"]["train"] + data["too_small"]["train"] == 18
    assert len([path for path in (tmp_path / "cache").iterdir() if path.is_dir()]) == 1
    logs = "".join(path.read_text() for path in (tmp_path / "outputs").rglob("train.log"))
    assert logs.count("training images are left out of this training") == 1


def test_images_without_an_ssim_are_trained_on_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write(tmp_path / "images", [(9, 9 + i) for i in range(20)])
    places = (f"paths.output_root={tmp_path / 'outputs'}", f"paths.cache_root={tmp_path / 'cache'}")
    overrides = (
        *without(SMALLEST, "data.patch_size"),
        "data.patch_size=8",
        "trainer.max_epochs=1",
        "data=folder",
        f"data.root={root}",
    )
    assert main([*overrides, *places]) == 0
    (metrics,) = (tmp_path / "outputs").rglob("metrics.json")
    test = json.loads(metrics.read_text())["test"]
    assert (test["ssim"], test["without_ssim"], test["images"]) == (None, 3, 3)
    assert test["psnr"] > 0
    assert "Means over 3 test images, 3 of them without SSIM, which needs 11x11 px" in " ".join(
        capsys.readouterr().out.split()
    )
