"""Baselines with a circular boundary, compared with dense matrices and with NumPy."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import fft

from deblur.baselines import BASELINES, RichardsonLucy, Wiener, make, optimal_linear
from deblur.blur import Kernel, convolve, kernels
from deblur.blur.images import as_float
from deblur.blur.kernels import Psf
from deblur.wiener.filters import transfer
from deblur.wiener.images import mean_psnr

Images = list[NDArray[np.uint8]]
LOPSIDED = np.array([[0.0, 0.1, 0.3], [0.1, 0.3, 0.1], [0.1, 0.0, 0.0]])
LAPLACIAN = np.array([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]])
KERNELS = {"box": kernels.box(5), "lopsided": LOPSIDED, "tilted": kernels.motion(9, 30)}
SHAPES = [(12, 9), (7, 10), (4, 5)]

any_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)


def blur_matrix(kernel: Psf, height: int, width: int) -> Psf:
    impulses = np.eye(height * width, dtype=np.float32).reshape(-1, height, width)
    columns = [convolve(each, Kernel(kernel), "circular").ravel() for each in impulses]
    return np.stack(columns, axis=1).astype(np.float64)


def blurred_circularly(sharp: Images, kernel: Psf) -> Images:
    return [np.rint(convolve(each, Kernel(kernel), "circular")).clip(0, 255).astype(np.uint8) for each in sharp]


@any_kernel
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("iterations", [1, 2, 20])
def test_richardson_lucy_multiplies_by_dense_matrices(kernel: Psf, shape: tuple[int, int], iterations: int) -> None:
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    matrix, observed = blur_matrix(kernel, *shape), image.ravel().astype(np.float64)
    expected = np.full(observed.shape, 0.5)
    for _ in range(iterations):
        expected *= matrix.T @ (observed / (matrix @ expected))
    restored = RichardsonLucy("circular")._restored(image, kernel, float(iterations))
    np.testing.assert_allclose(restored.ravel(), expected, rtol=1e-3, atol=1e-4)


def test_richardson_lucy_keeps_what_is_black_and_the_light_of_an_image() -> None:
    image = np.zeros((20, 31), np.float32)
    image[3:9, 25:30] = 0.8
    blurred = convolve(image, Kernel(LOPSIDED), "circular")
    restored = RichardsonLucy("circular")._restored(blurred, LOPSIDED, 30.0)
    assert np.isfinite(restored).all()
    assert restored.sum() == pytest.approx(image.sum(), rel=1e-3)
    assert np.abs(restored[12:, :20]).max() < 1e-6


@any_kernel
@pytest.mark.parametrize("shape", [*SHAPES, (1, 2), (3, 4), (5, 8)])
def test_wiener_is_a_filter_of_the_periodic_image(kernel: Psf, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    response, roughness = transfer(kernel, *shape), transfer(LAPLACIAN, *shape)
    gain = np.conj(response) / (np.abs(response) ** 2 + 0.01 * np.abs(roughness) ** 2)
    expected = fft.irfft2(fft.rfft2(image.astype(float)) * gain, s=shape)
    np.testing.assert_allclose(Wiener("circular")._restored(image, kernel, 0.01), expected, atol=1e-5)


@pytest.mark.parametrize("name", BASELINES)
def test_a_rolled_image_is_restored_to_the_rolled_result(name: str, small_faces: Images) -> None:
    baseline = make(name, "circular")
    sharp = small_faces[:2]
    blurred = blurred_circularly(sharp, LOPSIDED)
    baseline.fit(sharp, blurred, [LOPSIDED] * 2)
    image = as_float(blurred[0])
    rolled = baseline.restore(np.roll(image, (11, -9), axis=(0, 1)), LOPSIDED)
    np.testing.assert_allclose(rolled, np.roll(baseline.restore(image, LOPSIDED), (11, -9), axis=(0, 1)), atol=1e-3)
    if name == "dct_wiener":
        assert baseline.settings.keys() == {"method", "noise_sigma"}
        assert baseline.settings["method"] == "fft"


@pytest.mark.parametrize(("name", "parameter"), [("wiener", 1e-4), ("richardson_lucy", 25.0), ("dct_wiener", None)])
@any_kernel
def test_the_right_boundary_restores_more(name: str, parameter: float | None, kernel: Psf, small_faces: Images) -> None:
    sharp = [np.ascontiguousarray(each[:40, :50]) for each in small_faces[:3]]
    given = sharp, blurred_circularly(sharp, kernel), [kernel] * 3
    found = {}
    for boundary in ("symmetric", "circular"):
        baseline: Any = make(name, boundary)
        if parameter is None:
            baseline.fit(*given)
        else:
            baseline._tuned = parameter
        found[boundary] = mean_psnr(baseline.restore, *given)
    assert found["circular"] > found["symmetric"] + 0.5


def plainly_fitted(sharp: Images, blurred: Images, size: int) -> Psf:
    """Least squares on all windows of the periodic images."""
    rows, targets, half = [], [], size // 2
    for original, image in zip(sharp, blurred, strict=True):
        shifts = [(i - half, j - half) for i in range(size) for j in range(size)]
        moved = [np.roll(image.astype(np.float64), (-i, -j), axis=(0, 1)).ravel() for i, j in shifts]
        rows.append(np.stack(moved, axis=1))
        targets.append(original.ravel().astype(np.float64))
    solution, *_ = np.linalg.lstsq(np.concatenate(rows), np.concatenate(targets), rcond=None)
    return solution.reshape(size, size)


@pytest.mark.parametrize("size", [1, 3, 7])
def test_optimal_linear_filters_are_those_of_least_squares_on_periodic_images(size: int) -> None:
    rng = np.random.default_rng(0)
    sharp = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((12, 17), (15, 9))]
    blurred = blurred_circularly(sharp, LOPSIDED)
    found = optimal_linear.fit_filters(sharp, blurred, [1, 3, 7], "circular")[size]
    np.testing.assert_allclose(found, plainly_fitted(sharp, blurred, size), atol=1e-6)
    image = as_float(blurred[0])
    half = size // 2
    expected = sum(
        found[i, j] * np.roll(image, (half - i, half - j), axis=(0, 1)) for i in range(size) for j in range(size)
    )
    np.testing.assert_allclose(optimal_linear.apply(found, image, "circular"), expected, atol=1e-5)
