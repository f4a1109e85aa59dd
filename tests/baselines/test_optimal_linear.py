import itertools
from collections.abc import Callable

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import ndimage

from deblur.baselines import optimal_linear
from deblur.blur import kernels
from deblur.blur.kernels import Psf
from deblur.wiener.images import mean_psnr

Images = list[NDArray[np.uint8]]
Degrade = Callable[..., NDArray[np.uint8]]

SHAPES = [(23, 31), (40, 17), (9, 8), (3, 25), (1, 6)]  # also smaller than the filters


def noise(shape: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def plainly_fitted(sharp: list[NDArray[np.uint8]], blurred: list[NDArray[np.uint8]], size: int) -> Psf:
    """Least squares by definition: a row of the matrix for each pixel."""
    padded = [np.pad(each.astype(float), size // 2, mode="symmetric") for each in blurred]
    rows = np.concatenate([sliding_window_view(each, (size, size)).reshape(-1, size**2) for each in padded])
    return np.linalg.lstsq(rows, np.concatenate([each.ravel() for each in sharp]).astype(float))[0].reshape(size, size)


def squared_error(psf: Psf, sharp: list[NDArray[np.uint8]], blurred: list[NDArray[np.uint8]]) -> float:
    pairs = zip(sharp, blurred, strict=True)
    return sum(float(np.square(ndimage.correlate(y.astype(float), psf) - x).sum()) for x, y in pairs)


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_equals_least_squares_by_definition(size: int) -> None:
    sharp, blurred = ([noise(shape, seed) for shape in SHAPES] for seed in (1, 2))
    np.testing.assert_allclose(
        optimal_linear.fit_filters(sharp, blurred, [3, 7, 5, 1])[size], plainly_fitted(sharp, blurred, size), atol=1e-8
    )


def test_a_small_filter_is_found_exactly_whatever_its_size() -> None:
    # Whole numbers from 0 to 255 on both sides, so that nothing is rounded
    blurred = [noise(shape, 3) // 16 for shape in [(48, 37), (30, 61)]]
    known = np.array([[1.0, 2, 0], [4, 5, 0], [1, 1, 2]])
    sharp = [ndimage.correlate(each.astype(float), known, mode="reflect").astype(np.uint8) for each in blurred]
    filters = optimal_linear.fit_filters(sharp, blurred, [3, 9, 13])
    for size, psf in filters.items():
        expected = np.zeros((size, size))
        middle = slice(size // 2 - 1, size // 2 + 2)
        expected[middle, middle] = known
        np.testing.assert_allclose(psf, expected, atol=1e-8)


def test_a_larger_filter_never_has_a_larger_training_error(small_faces: Images, degrade: Degrade) -> None:
    blurred = [degrade(face, kernels.motion(9, 30)) for face in small_faces]
    filters = optimal_linear.fit_filters(small_faces, blurred, range(1, 20, 2))
    errors = [squared_error(psf, small_faces, blurred) for psf in filters.values()]
    assert all(larger < smaller for smaller, larger in itertools.pairwise(errors))


def test_the_filter_removes_blur_from_other_images(faces: Images, degrade: Degrade) -> None:
    kernel = kernels.box(5)
    blurred = [degrade(face, kernel) for face in faces]
    psf = optimal_linear.fit_filters(faces[:4], blurred[:4], [13])[13]
    others = faces[4:], blurred[4:], [kernel] * 2
    restored = mean_psnr(lambda image, _: optimal_linear.apply(psf, image), *others)
    assert restored > mean_psnr(lambda image, _: image, *others) + 3
    assert psf.sum() == pytest.approx(1, abs=0.01)


def test_images_without_texture_are_taken() -> None:
    flat = [np.full((20, 20), 100, np.uint8)]
    psf = optimal_linear.fit_filters(flat, flat, [5])[5]
    np.testing.assert_allclose(optimal_linear.apply(psf, np.full((8, 9), 0.5, np.float32)), 0.5, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("filter_shape", [(3, 3), (5, 9), (21, 21)])
def test_apply_is_a_mirrored_correlation(shape: tuple[int, int], filter_shape: tuple[int, int]) -> None:
    psf = np.random.default_rng(4).standard_normal(filter_shape)
    image = (noise(shape) / 255).astype(np.float32)
    before = image.copy()
    # SciPy is asked only about images larger than the filter: for others 1.17 returns garbage.
    margins = [(size // 2, size // 2) for size in filter_shape]
    windows = sliding_window_view(np.pad(image.astype(float), margins, mode="symmetric"), filter_shape)
    restored = optimal_linear.apply(psf, image)
    np.testing.assert_allclose(restored, np.einsum("ijkl,kl->ij", windows, psf), atol=1e-4)
    if min(shape) > max(filter_shape):
        np.testing.assert_allclose(restored, ndimage.correlate(image, psf, mode="reflect"), atol=1e-4)
    assert restored.dtype == np.float32
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("sizes", [[], [4], [3, -1], [0]])
def test_other_sizes_are_refused(sizes: list[int]) -> None:
    with pytest.raises(ValueError, match="odd and positive"):
        optimal_linear.fit_filters([noise((9, 9))], [noise((9, 9))], sizes)


def test_images_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="as many"):
        optimal_linear.fit_filters([noise((9, 9))], [], [3])
    with pytest.raises(ValueError, match="image 0"):
        optimal_linear.fit_filters([noise((9, 9))], [noise((9, 8))], [3])
