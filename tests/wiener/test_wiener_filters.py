"""The Wiener filter by Fourier transform, and the noise of an image, estimated from it."""

from collections.abc import Callable

import numpy as np
import pytest
from known_blurs import noisy
from numpy.typing import NDArray

from deblur.blur import Kernel, convolve, kernels
from deblur.blur.images import as_float
from deblur.blur.kernels import Psf
from deblur.synthesis.faces import draw
from deblur.wiener.filters import _faded, restore_by_fft
from deblur.wiener.noise import ROUNDING_POWER, white_noise
from deblur.wiener.spectra import PowerSpectrum

SHAPE = (37, 52)
LOPSIDED = np.array([[0.0, 0.05, 0.1, 0.0, 0.0], [0.0, 0.1, 0.3, 0.2, 0.1], [0.05, 0.1, 0.0, 0.0, 0.0]])  # of 3x5


def flat(power: float) -> PowerSpectrum:
    """The same power at all frequencies."""
    return PowerSpectrum.measured([np.zeros(SHAPE, np.uint8)], SHAPE, least=power)


def measured(image: NDArray[np.uint8]) -> PowerSpectrum:
    return PowerSpectrum.measured([image], (image.shape[0], image.shape[1]), least=1e-6, smoothing=5)


@pytest.fixture(scope="module")
def texture() -> NDArray[np.uint8]:
    """Noise that is coarser along rows than along columns, so that its spectrum knows them apart."""
    noise = np.random.default_rng(5).integers(0, 256, SHAPE, dtype=np.uint8)
    return convolve(noise, Kernel(np.full((1, 7), 1 / 7))).astype(np.uint8)


@pytest.mark.parametrize("factor", [1.0, 10.0, 1000.0])
@pytest.mark.parametrize("response", [1.0, 0.5, 0.125])
@pytest.mark.parametrize("size", [1, 3])
def test_a_kernel_that_only_darkens_is_undone_as_on_paper(response: float, factor: float, size: int) -> None:
    # Its response is the same at all frequencies, and with flat spectra so is the filter: H S / (H^2 S + f N)
    kernel = np.zeros((size, size + 2))
    kernel[size // 2, size // 2 + 1] = response
    image = np.random.default_rng(0).random(SHAPE)
    restored = restore_by_fft(image, kernel, flat(0.5), flat(0.002), factor)
    expected = response * 0.5 / (response**2 * 0.5 + factor * 0.002) * image
    assert expected.min() >= 0
    np.testing.assert_allclose(restored, expected, rtol=1e-9, atol=1e-12)  # also above 1: nothing is clamped


@pytest.mark.parametrize("row", [0, 1, 2])
@pytest.mark.parametrize("column", [0, 1, 2, 3, 4])
def test_a_kernel_that_only_shifts_is_undone_except_at_the_boundary(row: int, column: int) -> None:
    kernel = np.zeros((3, 5))
    kernel[row, column] = 1.0
    sharp = np.random.default_rng(1).random(SHAPE)
    blurred = convolve(sharp.astype(np.float32), Kernel(kernel)).astype(np.float64)
    restored = restore_by_fft(blurred, kernel, flat(1.0), flat(1e-9), 1.0)
    inner = (slice(2, -2), slice(3, -3))
    np.testing.assert_allclose(restored[inner], sharp[inner], atol=1e-5)


@pytest.mark.parametrize("kernel", [LOPSIDED, kernels.motion(15, 30)], ids=["lopsided", "motion"])
@pytest.mark.parametrize("turn", [np.transpose, np.flipud, np.fliplr], ids=["transposed", "upside down", "mirrored"])
def test_a_turned_image_is_restored_as_the_turned_one(
    turn: Callable[[Psf], Psf], kernel: Psf, texture: NDArray[np.uint8]
) -> None:
    spectra = measured(texture), measured(texture // 8)
    turned = np.ascontiguousarray(turn(texture))
    turned_spectra = measured(turned), measured(np.ascontiguousarray(turn(texture // 8)))
    restored = restore_by_fft(texture / 255, kernel, *spectra, 3.0)
    found = restore_by_fft(turned / 255, np.ascontiguousarray(turn(kernel)), *turned_spectra, 3.0)
    np.testing.assert_allclose(found, turn(restored), atol=1e-9)


@pytest.mark.parametrize("transposed", [False, True])
def test_the_boundary_of_an_invertible_blur_is_restored(transposed: bool, texture: NDArray[np.uint8]) -> None:
    # No response is below 0.4. The rounds have to find what the mirror, of half a sample, brought in from outside.
    kernel = np.array([[0.1], [0.7], [0.2]])
    kernel = kernel.T if transposed else kernel
    blurred = convolve(texture, Kernel(kernel)).astype(np.float64) / 255
    restored = restore_by_fft(blurred, kernel, flat(1.0), flat(1e-9), 1.0)
    np.testing.assert_allclose(restored, texture / 255, atol=5e-4)


@pytest.mark.parametrize("shape", [(1, 201), (201, 1)])
def test_a_kernel_may_be_larger_than_image_and_margin(shape: tuple[int, int]) -> None:
    kernel = np.linspace(1, 2, 201).reshape(shape) / 301.5
    image = np.full((8, 5), 0.25)
    restored = restore_by_fft(image, kernel, flat(1.0), flat(1e-6), 1.0)
    np.testing.assert_allclose(restored, 0.25, atol=1e-3)


def test_the_margin_fades_to_the_mean_and_the_image_is_left_alone() -> None:
    padded = np.random.default_rng(2).random((40, 55))
    faded = _faded(padded, (10, 10))
    inside = (slice(10, -10), slice(10, -10))
    np.testing.assert_array_equal(faded[inside], padded[inside])
    for edge in (faded[0], faded[-1], faded[:, 0], faded[:, -1]):
        np.testing.assert_allclose(edge, padded.mean())
    weight = (faded - padded.mean()) / (padded - padded.mean())
    assert (np.diff(weight[:10, 20]) > 0).all()
    np.testing.assert_allclose(weight, weight[::-1, ::-1], atol=1e-9)
    np.testing.assert_allclose(weight[:11, 20], weight[20, :11], atol=1e-9)


def faces(first: int, count: int) -> list[NDArray[np.uint8]]:
    return [np.ascontiguousarray(draw(0, index)[60:188, 60:190]) for index in range(first, first + count)]


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.0, 4.0, 8.0])
@pytest.mark.parametrize("kernel", [kernels.gaussian(2), kernels.motion(9, 30)], ids=["gaussian", "motion"])
def test_it_is_that_of_the_image(sigma: float, kernel: Psf) -> None:
    found = [np.sqrt(white_noise(as_float(noisy(face, kernel, sigma)))) * 255 for face in faces(0, 6)]
    assert 0.95 * sigma < np.median(found) < 1.06 * np.hypot(sigma, 1.3)  # a little of what is in the image remains


def test_the_edges_of_a_sharp_image_are_hardly_its_noise() -> None:
    assert max(white_noise(as_float(face)) for face in faces(0, 6)) < (4 / 255) ** 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 2), (3, 5)])
def test_a_flat_image_of_any_size_has_that_of_rounding(shape: tuple[int, int]) -> None:
    assert white_noise(np.full(shape, 0.5, np.float32)) == ROUNDING_POWER
