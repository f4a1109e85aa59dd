"""Blurring a sharp image, and what a network brings back of it."""

import math

import numpy as np
import pytest
from decoded_files import noise

from deblur.blur import Box, Motion, NoBlur
from deblur.blur.images import Boundary
from deblur.errors import UserError
from deblur.inference.simulation import crop_of, degraded, gain, reference


def test_the_gain_has_the_sign_of_what_is_nearer() -> None:
    sharp = np.full((600, 5), 100, np.uint8)
    found = gain(sharp + 20, sharp + 2, sharp)
    assert found.blurred == pytest.approx(20 * math.log10(255 / 20))
    assert found.restored == pytest.approx(20 * math.log10(255 / 2))
    assert found.difference == pytest.approx(20)
    assert gain(sharp + 2, sharp + 20, sharp).difference == pytest.approx(-20)
    assert gain(sharp + 2, sharp, sharp).restored == math.inf


def test_colors_count_by_their_luma_or_alike() -> None:
    sharp = np.zeros((4, 4, 3), np.uint8)
    green = sharp.copy()
    green[..., 1] = 100
    assert gain(green, green, sharp).blurred == pytest.approx(20 * math.log10(255 / 58.7))
    assert gain(green, green, sharp, of_luma=False).blurred == pytest.approx(20 * math.log10(255 / 100 * 3**0.5))


@pytest.mark.parametrize("boundary", ["symmetric", "valid", "circular"])
def test_the_boundary_is_that_of_an_evaluation(boundary: Boundary) -> None:
    image, degradation = noise(30, 24), Motion(9, 0)
    crop = crop_of(boundary, degradation, image.shape)
    blurred, sharp = degraded(image, degradation, "a", crop), reference(image, degradation, "a", crop)
    if boundary == "valid":
        np.testing.assert_array_equal(sharp, image[:, 4:-4])
        np.testing.assert_array_equal(blurred, degraded(image, degradation, "a")[:, 4:-4])
        return
    np.testing.assert_array_equal(sharp, image)
    extended = np.pad(image.astype(float), [(0, 0), (4, 4)], mode="wrap" if boundary == "circular" else "symmetric")
    np.testing.assert_allclose(blurred[:, 0], extended[:, :9].mean(axis=1), atol=0.51)


def test_an_image_of_which_a_valid_boundary_leaves_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="leaves nothing of an image of 8x30 px: the blur takes 4 px of each side"):
        crop_of("valid", Motion(9, 0), (30, 8, 3))


def test_each_color_is_blurred_in_the_same_way() -> None:
    decoded = noise(30, 31, 3)
    blurred = degraded(decoded, Motion([3, 9], [0, 180]), "a")
    for channel in range(3):
        np.testing.assert_array_equal(
            blurred[..., channel], degraded(np.ascontiguousarray(decoded[..., channel]), Motion([3, 9], [0, 180]), "a")
        )
    assert not np.array_equal(blurred, degraded(decoded, Motion([3, 9], [0, 180]), "b"))
    np.testing.assert_array_equal(degraded(decoded, NoBlur(), "a"), decoded)


def test_each_color_has_noise_of_its_own() -> None:
    gray = np.full((40, 40, 3), 128, np.uint8)
    noisy = degraded(gray, Box(3, noise_sigma=5), "a").astype(float)
    assert 4 < noisy.std() < 6
    assert abs(np.corrcoef(noisy[..., 0].ravel(), noisy[..., 1].ravel())[0, 1]) < 0.15
