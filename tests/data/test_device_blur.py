"""Patches that the device blurs are those that the processor blurs, but for the rounding of a sum."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from known_blurs import LOPSIDED
from noise_images import Noise
from numpy.typing import NDArray
from small_faces import drawn

from deblur.blur import (
    FAMILIES,
    Box,
    Degradation,
    Disk,
    Gaussian,
    KernelFile,
    Mixed,
    Motion,
    NoBlur,
    Trajectory,
    Varying,
)
from deblur.blur.images import Crop
from deblur.config import TrainConfig
from deblur.data.datasets import as_float
from deblur.data.device_blur import WindowDataset, degraded
from deblur.data.patches import TrainingDataset, collate_patches
from deblur.errors import UserError
from deblur.training.parts import build_parts

CAMERA = {"exposure": [0.5, 2], "highlights": [1, 4], "shot_noise": [0, 0.002], "read_noise": 0.003}
CAMERAS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "linear": {"linear": True},
    "photo": {"linear": True, **CAMERA},
    "bright": {"exposure": 1.5, "highlights": 3},
    "encoded": {"saturation": False, **CAMERA},
}
BLURS: dict[str, Callable[..., Degradation]] = {
    "gaussian": lambda **after: Gaussian([0.5, 2], **after),
    "box": lambda **after: Box([3, 9], **after),
    "disk": lambda **after: Disk([1, 4], **after),
    "motion": lambda **after: Motion([3, 11], [0, 180], **after),
    "trajectory": lambda **after: Trajectory([3, 9], 1, **after),
    "none": lambda **after: NoBlur(**after),
    "mixed": lambda **after: Mixed({"box": {"size": 5}, "disk": {"radius": 2}, "none": {}}, **after),
}
BOUNDARIES = ("symmetric", "valid", "circular")
WIDE = Motion([2, 13], [10, 170], noise_sigma=[0, 4])  # wider than tall, so that rows and columns are told apart


class Colors(Noise):
    """The same in RGB."""

    channels = 3

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        gray = super().__getitem__(index)
        return np.stack([gray, gray[::-1], gray[:, ::-1]], axis=2)

    @property
    def shapes(self) -> list[tuple[int, int]]:
        return [image.shape for image in self._images]


def both_ways(
    blur: Degradation,
    boundary: Any = "symmetric",
    images: Noise | None = None,
    inputs: Noise | None = None,
    **changes: Any,
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return a batch as the processor blurs it, and as tensors do."""
    there = images or Noise(count=3, growth=4)
    settings: dict[str, Any] = {
        "degradation": blur,
        "seed": 3,
        "crop": Crop(boundary, blur.reach if boundary == "valid" else (0, 0)),
        "flips": True,
        "memory_limit": 0,
        "patch_size": 16,
        "patches_per_image": 3,
        "context": 5,
    } | changes
    positions = [(epoch, index) for epoch in (0, 1) for index in range(3)]
    made = [
        collate_patches(kind(there, inputs or there, range(3), **settings).__getitems__(positions))
        for kind in (TrainingDataset, WindowDataset)
    ]
    expected = {name: as_float(values) for name, values in made[0].items()}
    found = {name: as_float(values) for name, values in degraded(made[1], linear=blur.space.linear).items()}
    return expected, found


def assert_equal_but_for_rounding(expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> None:
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        if name == "blurred":
            difference = (found[name] - values).abs() * 255
            assert difference.max() < 1.001
            assert (difference > 0.5).float().mean() < 0.01
        else:
            assert torch.equal(found[name], values)


@pytest.mark.parametrize("camera", CAMERAS)
@pytest.mark.parametrize("family", BLURS)
def test_each_family_in_each_camera(family: str, camera: str) -> None:
    blur = BLURS[family](noise_sigma=[0, 3], camera=CAMERAS[camera])
    assert_equal_but_for_rounding(*both_ways(blur))


def test_the_families_are_all() -> None:
    assert {*BLURS, "varying"} == {*FAMILIES, "mixed"}


@pytest.mark.parametrize("images", [Noise(count=3, growth=4), Colors(count=3, growth=4)], ids=["gray", "rgb"])
@pytest.mark.parametrize("context", [0, 7, 120])  # none, some, and more than two images
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_each_boundary(boundary: str, context: int, images: Noise) -> None:
    blur = Motion([2, 13], [10, 170], noise_sigma=[0, 4], camera=CAMERAS["photo"])
    assert_equal_but_for_rounding(*both_ways(blur, boundary, images, context=context))


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_whole_images(boundary: str) -> None:
    assert_equal_but_for_rounding(*both_ways(WIDE, boundary, Noise(count=3), patch_size=None, patches_per_image=1))


def test_a_kernel_in_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "kernel.npy", LOPSIDED)
    assert_equal_but_for_rounding(*both_ways(KernelFile(str(tmp_path / "kernel.npy"))))


def test_a_kernel_in_a_file_with_jpeg_is_refused_before_images_are_read(
    compose: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    np.save(tmp_path / "kernel.npy", LOPSIDED)
    config = compose("blur=kernel", f"blur.path={tmp_path / 'kernel.npy'}", "data.degrade_on=device")
    build_parts(config)
    config.blur = config.blur.model_copy(update={"jpeg_quality": 80})
    with pytest.raises(UserError, match=r"data\.degrade_on=device has no JPEG"):
        build_parts(config)


def test_a_kernel_larger_than_the_image() -> None:
    assert_equal_but_for_rounding(*both_ways(Gaussian(9), images=Noise(count=3, shape=(20, 17)), patch_size=12))


def test_given_blurred_images_are_blurred_further() -> None:
    sharp, given = Noise(count=3, growth=4), Noise(count=3, growth=4)
    given._images = [image[::-1].copy() for image in given._images]
    expected, found = both_ways(WIDE, "valid", sharp, given)
    assert_equal_but_for_rounding(expected, found)
    assert not torch.equal(expected["blurred"], both_ways(WIDE, "valid", sharp)[0]["blurred"])


def test_known_kernels_come_with_their_patches() -> None:
    expected, found = both_ways(WIDE, "valid", context=0, known_kernels=True)
    assert {"psf", "noise_sigma"} <= found.keys()
    assert_equal_but_for_rounding(expected, found)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_epoch_of_a_data_module(cache_root: Path, workers: int) -> None:
    epochs = []
    for where, number in (("cpu", 0), ("device", workers)):
        data = drawn(cache_root, copy.copy(WIDE), degrade_on=where, num_workers=number)
        loader = data.train_dataloader()
        loader.sampler.set_epoch(2)
        epochs.append([data.on_after_batch_transfer(batch, 0) for batch in loader])
    assert len(epochs[0]) == len(epochs[1]) > 1
    for pair in zip(*epochs, strict=True):
        assert_equal_but_for_rounding(*pair)


def test_validation_images_are_the_same_ones(cache_root: Path) -> None:
    here, there = (
        next(iter(drawn(cache_root, copy.copy(WIDE), degrade_on=where).val_dataloader())) for where in ("cpu", "device")
    )
    assert torch.equal(here["blurred"], there["blurred"])


class Widening(Box):
    """A custom family that draws more than it says."""

    @property
    def max_kernel_size(self) -> tuple[int, int]:
        return 1, 1


class OwnWay(Box):
    """A custom family with its own arithmetic."""

    def apply(self, image: NDArray[np.uint8], *_: Any) -> NDArray[np.uint8]:
        return image


@pytest.mark.parametrize(
    ("blur", "changes", "sentence"),
    [
        (Box(3, jpeg_quality=80), {}, "data.degrade_on=device has no JPEG compression: take"),
        (Varying(5, 1, 1), {}, "data.degrade_on=device needs one kernel for the whole image"),
        (OwnWay(3), {}, "OwnWay has a method sample or apply of its own: take data.degrade_on=cpu"),
        (Box(3, camera={"linear": True}), {"known_kernels": True}, "does not fit a network that takes the noise"),
        (Widening(3), {}, "Widening has drawn a kernel of 3x3 px, and its max_kernel_size allows one of 1x1 px"),
    ],
)
def test_what_the_device_does_not_compute_is_refused(blur: Degradation, changes: dict[str, Any], sentence: str) -> None:
    images = Noise(count=3)
    with pytest.raises(UserError) as caught:
        WindowDataset(
            images,
            images,
            range(3),
            blur,
            seed=0,
            crop=Crop(),
            context=0,
            patch_size=8,
            patches_per_image=1,
            flips=False,
            memory_limit=0,
            **changes,
        )[0, 0]
    assert sentence in str(caught.value)
