"""Blurring a sharp image, and what a network brings back of it."""

import math

import numpy as np
import pytest
from decoded_files import noise

from deblur.blur import Box, Motion, NoBlur
from deblur.inference.simulation import degraded, gain


def test_the_gain_has_the_sign_of_what_is_nearer() -> None:
    sharp = np.full((600, 5), 100, np.uint8)
    found = gain(sharp + 20, sharp + 2, sharp)
    assert found.blurred == pytest.approx(20 * math.log10(255 / 20))
    assert found.restored == pytest.approx(20 * math.log10(255 / 2))
    assert found.difference == pytest.approx(20)
    assert gain(sharp + 2, sharp + 20, sharp).difference == pytest.approx(-20)
    assert gain(sharp + 2, sharp, sharp).restored == math.inf


def test_colors_count_by_their_brightness() -> None:
    sharp = np.zeros((4, 4, 3), np.uint8)
    green = sharp.copy()
    green[..., 1] = 100
    assert gain(green, green, sharp).blurred == pytest.approx(20 * math.log10(255 / 58.7))


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
