import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import fft

from deblur.wiener.spectra import PowerSpectrum, dct_frequencies

SHAPE = (6, 9)


def noise(shape: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def wave(row: int, column: int, shape: tuple[int, int] = SHAPE) -> NDArray[np.float32]:
    """An image of which a single frequency has a power, of 1."""
    coefficients = np.zeros(shape)
    coefficients[row, column] = 255.0
    return fft.idctn(coefficients, norm="ortho").astype(np.float32)


def own_frequencies(shape: tuple[int, int]) -> list[NDArray[np.float64]]:
    return [dct_frequencies(size) for size in shape]


def test_the_power_of_all_frequencies_is_that_of_the_pixels() -> None:
    images = [noise(SHAPE, seed) for seed in range(3)]
    spectrum = PowerSpectrum.measured(images, SHAPE, least=1e-12)
    assert spectrum.mean == pytest.approx(np.mean([np.square(each / 255) for each in images]), rel=1e-9)


def test_power_is_averaged_over_the_square_around_a_frequency() -> None:
    power = PowerSpectrum.measured([wave(2, 0)], SHAPE, least=1e-6, smoothing=3).at(*own_frequencies(SHAPE))
    expected = np.full(SHAPE, 1e-6)
    expected[1:4, :2] = 1 / 9
    expected[1:4, 0] += 1 / 9  # below the lowest frequency its value extends
    np.testing.assert_allclose(power, expected, rtol=1e-5)


def test_between_frequencies_power_is_the_geometric_mean() -> None:
    spectrum = PowerSpectrum.measured([wave(2, 4)], SHAPE, least=1e-6)
    rows = np.array([2.0, 2.5, 3.0]) / SHAPE[0]
    columns = np.array([3.0, 3.5, 4.0]) / SHAPE[1]
    expected = np.array([[1e-6, 1e-3, 1], [1e-6, 10**-4.5, 1e-3], [1e-6, 1e-6, 1e-6]])
    np.testing.assert_allclose(spectrum.at(rows, columns), expected, rtol=1e-5)


def test_above_the_highest_frequency_of_the_dct_its_power_extends() -> None:
    spectrum = PowerSpectrum.measured([noise(SHAPE)], SHAPE, least=1e-6)
    power = spectrum.at(*own_frequencies(SHAPE))
    above = spectrum.at(np.array([5 / 6, 1.0]), np.array([8 / 9, 0.95, 1.0]))
    np.testing.assert_allclose(above, power[-1, -1])


@pytest.mark.parametrize("shape", [(6, 4), (11, 9), (3, 2), (1, 1)])
def test_the_shape_is_that_of_the_frequencies_even_if_one_axis_has_its_own(shape: tuple[int, int]) -> None:
    spectrum = PowerSpectrum.measured([noise(SHAPE)], SHAPE, least=1e-6)
    power = spectrum.at(*own_frequencies(shape))
    assert power.shape == shape
    assert power[0, 0] == pytest.approx(spectrum.at(*own_frequencies(SHAPE))[0, 0])


def test_images_of_another_shape_count_by_their_frequencies() -> None:
    # Of an image twice as tall and three times as wide, the same wave is at twice and three times the index.
    images = [wave(2, 4), wave(4, 12, (12, 27))]
    mixed = PowerSpectrum.measured(images, SHAPE, least=1e-6).at(*own_frequencies(SHAPE))
    alone = PowerSpectrum.measured(images[:1], SHAPE, least=1e-6).at(*own_frequencies(SHAPE))
    np.testing.assert_allclose(mixed, alone, rtol=1e-5)


def test_no_power_is_below_the_least() -> None:
    spectrum = PowerSpectrum.measured([np.zeros(SHAPE, np.uint8)], SHAPE, least=1e-6)
    np.testing.assert_allclose(spectrum.at(*own_frequencies((13, 4))), 1e-6)
    assert spectrum.mean == pytest.approx(1e-6)
