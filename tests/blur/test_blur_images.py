"""Symmetric padding, gray levels as numbers, and one way to degrade."""

import random

import albumentations as A
import numpy as np
import pytest
import torch

from deblur.blur import Motion, degrade
from deblur.blur.images import Crop, as_float, pad_symmetric
from deblur.blur.transforms import Degrade, mirrored_and_degraded
from deblur.data.datasets import as_float as tensor_as_float
from deblur.mirroring import mirror_index

DRAWN = Motion([3, 9], [0, 180], noise_sigma=[1, 4], jpeg_quality=[60, 90])


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("margin", [0, 1, 4, 9, 30, (0, 3), (31, 2)])
@pytest.mark.parametrize("shape", [(9, 5), (1, 1), (3, 9, 5)])
def test_padding_is_symmetric(shape: tuple[int, ...], margin: int | tuple[int, int], dtype: type) -> None:
    image = noise(*shape).astype(dtype)
    before, after = (margin, margin) if isinstance(margin, int) else margin
    rows = mirror_index(np.arange(-before, shape[-2] + after), shape[-2], np.minimum)
    columns = mirror_index(np.arange(-before, shape[-1] + after), shape[-1], np.minimum)
    padded = pad_symmetric(image, margin)
    assert padded.dtype == dtype
    np.testing.assert_array_equal(padded, image[..., rows[:, None], columns])
    np.testing.assert_array_equal(pad_symmetric(image, 2, margin), image[..., mirrored(shape[-2])[:, None], columns])


def mirrored(size: int) -> np.ndarray:
    return mirror_index(np.arange(-2, size + 2), size, np.minimum)


def test_arrays_and_tensors_are_mirrored_alike() -> None:
    places = np.arange(-40, 40)
    for size in (1, 2, 7):
        found = mirror_index(torch.from_numpy(places), size, torch.minimum)
        np.testing.assert_array_equal(found, mirror_index(places, size, np.minimum))


def test_arrays_and_tensors_become_the_same_numbers() -> None:
    levels = np.arange(256, dtype=np.uint8)
    assert as_float(levels).dtype == np.float32
    np.testing.assert_array_equal(as_float(levels), tensor_as_float(torch.from_numpy(levels)))


@pytest.mark.parametrize("crop", [Crop(), Crop("valid", (4, 4)), Crop("symmetric", (4, 4)), Crop("valid", (4, 4), 20)])
@pytest.mark.parametrize("mirror", [(False, False), (True, False), (False, True), (True, True)])
def test_a_pipeline_degrades_by_what_it_is_given(crop: Crop, mirror: tuple[bool, bool]) -> None:
    image, sampled = noise(41, 50), DRAWN.sample(np.random.default_rng(3))
    made = mirrored_and_degraded(mirror, DRAWN, crop)(image=image, sharp=image, sampled=sampled)
    turned = image[:: -1 if mirror[1] else 1, :: -1 if mirror[0] else 1]
    np.testing.assert_array_equal(made["sharp"], turned)
    np.testing.assert_array_equal(made["image"], degrade(np.ascontiguousarray(turned), DRAWN, sampled, crop))


def test_a_pipeline_that_is_given_nothing_draws() -> None:
    image = noise(41, 50)
    pipeline = A.Compose([Degrade(DRAWN)])
    pipeline.set_random_state(np.random.default_rng(7), random.Random(0))
    expected = degrade(image, DRAWN, DRAWN.sample(np.random.default_rng(7)))
    np.testing.assert_array_equal(pipeline(image=image)["image"], expected)
