"""Statistics of images: known answers of noise, of one gray level, of edges, of colors."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from studies.natural_statistics import Statistics, measured, row_of


def image_of_levels(levels: NDArray[np.float64]) -> NDArray[np.uint8]:
    gray = np.rint(np.clip(levels, 0, 255)).astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=2)


def colored_noise(exponent: float, seed: int = 0, shape: tuple[int, int] = (200, 256)) -> NDArray[np.uint8]:
    """Noise whose power falls with the frequency to that exponent."""
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1]))
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(np.random.default_rng(seed).normal(size=shape)) * frequency ** (-exponent / 2)
    noise = np.fft.irfft2(spectrum, shape)
    return image_of_levels(128 + 35 * noise / noise.std())


def row(*images: Statistics) -> dict[str, float]:
    return row_of("some", images)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_the_slope_of_noise_is_its_exponent(exponent: float) -> None:
    slopes = [measured(colored_noise(exponent, seed)).slope for seed in range(4)]
    assert np.mean(slopes) == pytest.approx(-exponent, abs=0.12)


def test_noise_of_random_phases_has_the_moments_of_a_normal_distribution() -> None:
    found = row(measured(colored_noise(0.0, shape=(400, 400))))
    assert found["gradient kurtosis"] == pytest.approx(3, abs=0.1)
    assert found["wavelet kurtosis"] == pytest.approx(3, abs=0.1)
    assert found["sharpness"] == pytest.approx(1, abs=0.05)
    assert found["gradient rms"] == pytest.approx(35 * 2**0.5, rel=0.02)
    assert found["deviation"] == pytest.approx(35, rel=0.02)
    assert found["50 %"] == pytest.approx(35, rel=0.05)


def test_an_image_of_one_level_is_flat() -> None:
    found = row(measured(image_of_levels(np.full((64, 80), 90.0))), measured(colored_noise(1.0)))
    alone = measured(image_of_levels(np.full((64, 80), 90.0)))
    assert alone.sharpness == 0
    assert 0.5 < found["flat"] < 0.6  # all of one image, hardly anything of the other


def test_blur_lowers_the_sharpness_whatever_the_contrast() -> None:
    board = np.kron(np.random.default_rng(0).integers(0, 2, (20, 20)), np.ones((11, 11))) * 150 + 50
    sharp, faint = (measured(image_of_levels(100 + contrast * (board - 125))).sharpness for contrast in (1, 0.5))
    blurred = measured(image_of_levels(gaussian_filter(board, 1.5))).sharpness
    assert faint == pytest.approx(sharp, rel=0.03)
    assert blurred < 0.5 * sharp


def test_colors_are_measured_and_gray_images_have_none() -> None:
    rng = np.random.default_rng(0)
    gray = rng.integers(80, 170, (90, 100)).astype(float)
    red = rng.normal(0, 12, gray.shape)
    channels = [gray + red, gray - (0.299 * red - 0.114 * red) / 0.587, gray - red]
    found = row(measured(np.rint(np.stack(channels, axis=2)).astype(np.uint8)))
    assert found["R - Y"] == pytest.approx(12, rel=0.03)
    assert found["B - Y"] == pytest.approx(12, rel=0.03)
    assert found["their correlation"] == pytest.approx(-1, abs=0.02)
    assert row(measured(colored_noise(1.0)))["R - Y"] is None


def test_a_folder_is_asked_for() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "studies.natural_statistics"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "Give folders of photographs: data.root=FOLDER."
