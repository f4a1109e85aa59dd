"""The Wiener filter for a circular boundary: the exact solution of least squares, for every kernel."""

from dataclasses import replace

import numpy as np
import pytest
from known_blurs import BOX, LOPSIDED
from numpy.typing import NDArray
from scipy import fft

from deblur.blur import Kernel, convolve, kernels
from deblur.blur.images import as_float
from deblur.blur.kernels import Psf
from deblur.synthesis.faces import draw
from deblur.wiener.filters import WienerFilter, filtered, transfer
from deblur.wiener.spectra import CircularSpectrum

KERNELS = {"box": BOX, "lopsided": LOPSIDED, "tilted": kernels.motion(9, 30), "larger": kernels.gaussian(3)}
SHAPES = [(11, 8), (7, 9)]
Images = list[NDArray[np.uint8]]


def impulses(height: int, width: int) -> NDArray[np.float32]:
    return np.eye(height * width, dtype=np.float32).reshape(-1, height, width)


def blur_matrix(kernel: Psf, height: int, width: int) -> Psf:
    """The blur as a dense matrix, column by column from impulses."""
    columns = [convolve(each, Kernel(kernel), "circular").ravel() for each in impulses(height, width)]
    return np.stack(columns, axis=1).astype(np.float64)


def covariance(power: Psf) -> Psf:
    """The covariance of the pixels of images with that power at each frequency: a circulant matrix."""
    columns = [fft.ifft2(power * fft.fft2(each)).real.ravel() for each in impulses(*power.shape)]
    return np.stack(columns, axis=1)


def any_power(shape: tuple[int, int], seed: int) -> Psf:
    """A power for each frequency of real images, in which the two diagonals differ."""
    image = np.random.default_rng(seed).standard_normal(shape)
    return np.abs(fft.fft2(image, norm="ortho")) ** 2 + 0.01


@pytest.fixture(scope="module")
def sharp() -> Images:
    return [np.ascontiguousarray(draw(0, index)[80:127, 90:151]) for index in range(4)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_it_is_the_solution_of_regularized_least_squares(kernel: Psf, shape: tuple[int, int], scale: float) -> None:
    # (H^T N^-1 H + C^-1)^-1 H^T N^-1 y, with the covariances C of sharp images and N of the noise
    power, noise = any_power(shape, 0), 0.01 * any_power(shape, 1)
    blurred = np.random.default_rng(2).random(shape, dtype=np.float32)
    matrix, inverse = blur_matrix(kernel, *shape), np.linalg.inv(scale * covariance(noise))
    system = matrix.T @ inverse @ matrix + np.linalg.inv(covariance(power))
    expected = np.linalg.solve(system, matrix.T @ inverse @ blurred.ravel()).reshape(shape)
    found = WienerFilter(CircularSpectrum(power), CircularSpectrum(scale * noise), boundary="circular")
    np.testing.assert_allclose(found(blurred, kernel), expected, atol=2e-4)


def test_both_diagonals_have_their_own_power() -> None:
    rows, columns = np.mgrid[:24, :24]
    stripes = (128 + 100 * np.cos(2 * np.pi * (rows + columns) / 6)).round().astype(np.uint8)
    spectrum = CircularSpectrum.measured([stripes], (24, 24), 1e-9)
    assert spectrum.at_fourier(24, 24)[4, 4] > 1e4 * spectrum.at_fourier(24, 24)[-4, 4]
    larger = spectrum.at_fourier(48, 48)
    assert larger[8, 8] == pytest.approx(spectrum.at_fourier(24, 24)[4, 4])
    assert larger[8, 8] > 1e4 * larger[-8, 8]


@pytest.mark.parametrize("shape", [(24, 31), (7, 50), (1, 9)])
def test_the_power_of_white_noise_holds_for_other_sizes(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    images = [rng.normal(0, 25.5, (20, 17)).astype(np.float32) for _ in range(400)]
    spectrum = CircularSpectrum.measured(images, (15, 18), 1e-9, smoothing=3)
    assert spectrum.mean == pytest.approx(0.01, rel=0.02)
    np.testing.assert_allclose(spectrum.at_fourier(*shape), 0.01, rtol=0.3)
    assert spectrum.at_fourier(*shape).shape == (shape[0], shape[1] // 2 + 1)


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_the_response_is_that_of_the_blur_also_of_a_kernel_larger_than_the_image(kernel: Psf) -> None:
    image = np.random.default_rng(0).random((6, 5), dtype=np.float32)
    expected = convolve(image, Kernel(kernel), "circular")
    np.testing.assert_allclose(filtered(image.astype(np.float64), transfer(kernel, 6, 5)), expected, atol=1e-6)


@pytest.mark.parametrize("kernel", [BOX, LOPSIDED, kernels.motion(9, 30)], ids=["box", "lopsided", "tilted"])
def test_no_other_noise_or_boundary_is_better_on_the_training_images(kernel: Psf, sharp: Images) -> None:
    rng = np.random.default_rng(0)
    blurred = [
        np.rint(convolve(each, Kernel(kernel), "circular") + 2 * rng.standard_normal(each.shape)).clip(0, 255)
        for each in sharp
    ]
    pairs = sharp, [each.astype(np.uint8) for each in blurred], [kernel] * len(sharp)
    found = WienerFilter.measured(*pairs, boundary="circular")
    assert found.noise.mean * 255**2 == pytest.approx(4 + 1 / 12, rel=0.1)

    def error(other: WienerFilter, scale: float = 1.0) -> float:
        changed = replace(other, noise=type(other.noise)(scale * other.noise.power))
        restored = [changed(as_float(each), kernel) for each in pairs[1]]
        return float(np.mean([np.square(one - as_float(each)) for one, each in zip(restored, sharp, strict=True)]))

    assert error(found) < min(error(found, 0.5), error(found, 2.0))
    assert error(found) < 0.9 * error(WienerFilter.measured(*pairs))
    before = np.mean([np.square(as_float(a) - as_float(b)) for a, b in zip(pairs[1], sharp, strict=True)])
    assert error(found) < 0.7 * before


def test_a_rolled_image_is_restored_to_the_rolled_result(sharp: Images) -> None:
    kernel = kernels.motion(9, 30)
    blurred = [np.rint(convolve(each, Kernel(kernel), "circular")).astype(np.uint8) for each in sharp]
    found = WienerFilter.measured(sharp, blurred, [kernel] * 4, boundary="circular")
    image = as_float(blurred[0])
    rolled = found(np.roll(image, (11, -9), axis=(0, 1)), kernel)
    np.testing.assert_allclose(rolled, np.roll(found(image, kernel), (11, -9), axis=(0, 1)), atol=1e-4)
