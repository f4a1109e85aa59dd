"""What is seen of an image with either boundary."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_settings import module_of
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from deblur.blur import Box, Degradation, Gaussian, Mixed, Motion, Sampled
from deblur.blur.images import Boundary, Crop
from deblur.data import SyntheticData
from deblur.data.datasets import EvaluationDataset
from deblur.data.patches import TrainingDataset
from deblur.errors import UserError

SETTINGS: dict[str, Any] = {
    "seed": 0,
    "max_bad_fraction": 0.5,
    "patch_size": 16,
    "patches_per_image": 8,
    "batch_size": 8,
    "flips": False,
    "eval_crop": None,
    "eval_batch_size": 3,
    "num_workers": 0,
}


class One:
    """One image, of random gray."""

    names = ("one",)

    def __init__(self, shape: tuple[int, int]) -> None:
        self.pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        self.shapes = (shape,)
        self.channels = 1

    def __getitem__(self, index: int) -> np.ndarray:
        return self.pixels


@pytest.mark.parametrize(
    ("crop", "expected"),
    [
        (Crop("valid"), np.s_[:, :]),
        (Crop("valid", (3, 0)), np.s_[3:27, :]),
        (Crop("valid", (2, 5), 12), np.s_[9:21, 14:26]),
        (Crop("valid", (2, 5), 28), np.s_[2:28, 6:34]),
        (Crop("symmetric", (0, 0), 33), np.s_[:, 3:36]),
    ],
)
def test_the_frame_is_the_middle_without_the_margin(crop: Crop, expected: Any) -> None:
    image = One((30, 40)).pixels
    np.testing.assert_array_equal(crop.cut(image), image[expected])
    assert crop.shape((30, 40)) == image[expected].shape


def convolved(image: np.ndarray, degradation: Degradation, mode: str) -> np.ndarray:
    """Blur in double precision with another library, to whole gray levels."""
    weights = degradation.draw_kernel(np.random.default_rng(0)).kernel.psf
    return np.rint(ndimage.convolve(image.astype(np.float64), weights, mode=mode)).clip(0, 255)


@pytest.mark.parametrize("degradation", [Box(7), Gaussian(1.5), Motion(9, 30)])
def test_a_real_boundary_shows_what_lies_beyond_and_a_symmetric_one_mirrors(degradation: Degradation) -> None:
    images = One((60, 50))
    height, width = degradation.max_kernel_size
    margin = (height // 2, width // 2)
    inside = np.s_[margin[0] : 60 - margin[0], margin[1] : 50 - margin[1]]
    crops: dict[Boundary, np.ndarray] = {}
    for boundary in ("symmetric", "valid"):
        sample = EvaluationDataset(images, [0], degradation, seed=0, crop=Crop(boundary, margin))[0]
        np.testing.assert_array_equal(sample["sharp"][0], images.pixels[inside])
        crops[boundary] = sample["blurred"][0].astype(float)
    # The image's own end must not be seen: any continuation of it gives the same frame.
    for mode in ("constant", "wrap"):
        assert np.abs(crops["valid"] - convolved(images.pixels, degradation, mode)[inside]).max() <= 1
    assert np.abs(crops["symmetric"] - convolved(images.pixels[inside], degradation, "reflect")).max() <= 1
    far = tuple(slice(2 * side, -2 * side or None) for side in margin)
    np.testing.assert_array_equal(crops["symmetric"][far], crops["valid"][far])
    assert np.abs(crops["symmetric"] - crops["valid"]).max() > 5


def test_training_patches_come_from_the_frame_alone() -> None:
    images, margin = One((40, 44)), (3, 3)
    settings: dict[str, Any] = {"seed": 0, "crop": Crop("valid", margin), "context": 0, "flips": False}
    dataset = TrainingDataset(
        images, images, [0], Box(7), patch_size=33, patches_per_image=200, memory_limit=0, **settings
    )
    patches = dataset[0, 0]["sharp"][:, 0]
    places = {
        (int(top), int(left))
        for patch in patches
        for top, left in np.argwhere(
            (np.lib.stride_tricks.sliding_window_view(images.pixels, (33, 33)) == patch).all(axis=(2, 3))
        )
    }
    assert places == {(top, left) for top in (3, 4) for left in range(3, 9)}


def test_the_margin_follows_the_largest_kernel_of_each_axis(cache_root: Path) -> None:
    blurs = {
        Box([3, 9]): (4, 4),
        Motion(15, 0): (0, 7),
        Mixed({"box": {"size": 11}, "motion": {"length": 3, "angle": 90}}): (5, 5),
    }
    for degradation, margin in blurs.items():
        data = module_of(
            SyntheticData, degradation, max_images=4, cache_root=str(cache_root), boundary="valid", **SETTINGS
        )
        assert data.crop() == Crop("valid", margin, None)
        data = module_of(
            SyntheticData, degradation, max_images=4, cache_root=str(cache_root), **SETTINGS | {"eval_crop": 99}
        )
        assert data.crop() == Crop("symmetric", (0, 0), 99)


def test_both_boundaries_show_the_same_sharp_pixels(cache_root: Path) -> None:
    data = module_of(SyntheticData, Box(7), max_images=4, cache_root=str(cache_root), **SETTINGS | {"eval_crop": 100})
    data.setup()
    one, other = (data.evaluation_dataset([0], crop)[0] for crop in data.crops_of_both_boundaries())
    np.testing.assert_array_equal(one["sharp"], other["sharp"])
    assert one["sharp"].shape == (1, 100, 100)
    assert not np.array_equal(one["blurred"], other["blurred"])


@pytest.mark.parametrize("patch_size", [16, None])
def test_training_and_evaluation_blur_a_crop_circularly(patch_size: int | None) -> None:
    images, degradation, crop = One((61, 50)), Motion(15, 30), Crop("circular")
    sample = EvaluationDataset(images, [0], degradation, seed=0, crop=replace(crop, crop=33))[0]
    expected = convolved(Crop(crop=33).cut(images.pixels), degradation, "wrap")
    assert np.abs(sample["blurred"][0].astype(float) - expected).max() <= 1  # a half may be rounded up or down
    training = TrainingDataset(
        images,
        images,
        [0],
        degradation,
        seed=0,
        crop=crop,
        context=5,
        patch_size=patch_size,
        patches_per_image=4,
        flips=False,
        memory_limit=0,
    )[0, 0]
    sides = images.pixels.shape if patch_size is None else (16, 16)
    windows = sliding_window_view(images.pixels, sides)
    whole = convolved(images.pixels, degradation, "wrap")
    extended = np.pad(whole, 5, mode="symmetric")  # as a network extends an image
    for (sharp,), (blurred,) in zip(training["sharp"], training["blurred"], strict=True):
        ((top, left),) = np.argwhere((windows == sharp).all(axis=(2, 3)))
        there = extended[top : top + sides[0] + 10, left : left + sides[1] + 10]
        assert np.abs(blurred.astype(float) - there).max() <= 1


def test_a_custom_blur_that_knows_no_boundary_is_refused_before_anything_is_read() -> None:
    class Inverted(Box):
        def apply(self, image: np.ndarray, sampled: Sampled) -> np.ndarray:  # type: ignore[override] # a class of before
            return 255 - super().apply(image, sampled)

    settings = {"max_images": 4, **SETTINGS}
    module_of(SyntheticData, Inverted(5), **settings, boundary="valid")
    with pytest.raises(UserError, match=r"Inverted\.apply has no argument boundary"):
        module_of(SyntheticData, Inverted(5), **settings, boundary="circular")
