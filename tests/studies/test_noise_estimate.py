"""Noise of the study of noise estimates: what is known of the images that it measures."""

import numpy as np
import pytest

from deblur.blur import kernels
from studies.noise_estimate import blurred_levels, gray_levels, with_noise


def test_no_pixel_depends_on_what_lies_beyond_the_photograph() -> None:
    kernel = kernels.motion(9, 30)
    photograph = np.random.default_rng(0).integers(0, 256, (60, 71), dtype=np.uint8)
    rows, columns = (size // 2 for size in kernel.shape)
    larger = np.pad(photograph, 20)
    inside = blurred_levels(larger, kernel)[20:, 20:][: 60 - 2 * rows, : 71 - 2 * columns]
    np.testing.assert_allclose(blurred_levels(photograph, kernel), inside, atol=1e-3)


@pytest.mark.parametrize("sigma", [0.0, 1.0, 12.75])
def test_noise_and_rounding_add_up(sigma: float) -> None:
    levels = np.linspace(90, 160, 400 * 300, dtype=np.float32).reshape(400, 300)
    error = 255 * with_noise(levels, sigma, seed=1) - levels
    assert np.std(error) == pytest.approx(np.sqrt(sigma**2 + 1 / 12), rel=0.02)
    assert gray_levels(float(np.var(error / 255))) == pytest.approx(np.std(error), rel=1e-4)


def test_highlights_are_clipped() -> None:
    image = with_noise(np.full((50, 50), 254, np.float32), 5.0, seed=2)
    assert image.max() == 1
    assert np.mean(image == 1) > 0.3
