import cv2
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import ndimage

from deblur.blur import Kernel, convolve, kernels
from deblur.blur.kernels import DIRECT_TAPS, GrayImage, Psf


def lopsided(shape: tuple[int, int]) -> Kernel:
    """A kernel that equals none of its mirror images."""
    psf = np.random.default_rng(4).random(shape) ** 3
    return Kernel(psf / psf.sum())


def lopsided_product() -> Kernel:
    """A separable kernel that equals none of its mirror images."""
    return Kernel(np.outer([0.2, 0.5, 0.3], [0.1, 0.6, 0.1, 0.15, 0.05]))


def two_points() -> Kernel:
    """A ghost image: two corners of a large kernel and empty rows between them."""
    psf = np.zeros((31, 27))
    psf[0, 2], psf[-1, -1] = 0.7, 0.3
    return Kernel(psf)


KERNELS = {
    "identity": Kernel(kernels.identity()),
    "gaussian": Kernel(kernels.gaussian(3)),
    "box": Kernel(kernels.box(7)),
    "motion along rows": Kernel(kernels.motion(15, 0)),
    "motion along columns": Kernel(kernels.motion(31, 90)),
    "short motion": Kernel(kernels.motion(9, 30)),
    "long motion": Kernel(kernels.motion(31, 37)),
    "small disk": Kernel(kernels.disk(3)),
    "large disk": Kernel(kernels.disk(12)),
    "lopsided product": lopsided_product(),
    "lopsided": lopsided((5, 9)),
    "lopsided in pieces": lopsided((11, 13)),
    "lopsided by Fourier transform": lopsided((15, 21)),
    "two points": two_points(),
}
SEPARABLE = {"identity", "gaussian", "box", "motion along rows", "motion along columns", "lopsided product"}
IN_PIECES = {"long motion", "lopsided in pieces", "two points"}

any_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS.keys())


def plainly_convolved(image: GrayImage, kernel: Kernel) -> Psf:
    """Convolve by definition in float64, on an image that NumPy has mirrored."""
    height, width = kernel.psf.shape
    margins = ((height // 2, height // 2), (width // 2, width // 2))
    windows = sliding_window_view(np.pad(image.astype(np.float64), margins, mode="symmetric"), (height, width))
    return np.einsum("ijkl,kl->ij", windows, kernel.psf[::-1, ::-1])


def test_kernels_take_the_paths_that_they_are_meant_to() -> None:
    assert {name for name, kernel in KERNELS.items() if kernel.factors is not None} == SEPARABLE
    rest = {name: kernel for name, kernel in KERNELS.items() if name not in SEPARABLE}
    assert {name for name, kernel in rest.items() if kernel.pieces is not None} == IN_PIECES


@any_kernel
def test_an_impulse_becomes_the_kernel(kernel: Kernel) -> None:
    height, width = kernel.psf.shape
    impulse = np.zeros((height + 6, width + 4), np.float32)
    impulse[3 + height // 2, 2 + width // 2] = 1
    blurred = convolve(impulse, kernel)
    np.testing.assert_allclose(blurred[3:-3, 2:-2], kernel.psf, atol=1e-6)
    assert blurred.dtype == np.float32


@any_kernel
def test_equals_the_definition(noise_image: NDArray[np.uint8], kernel: Kernel) -> None:
    np.testing.assert_allclose(convolve(noise_image, kernel), plainly_convolved(noise_image, kernel), atol=1e-3)


@any_kernel
def test_equals_scipy(kernel: Kernel) -> None:
    # Only on images larger than the kernel: scipy 1.17 returns garbage for 31x31 on 2x3.
    image = np.random.default_rng(2).integers(0, 256, (37, 41), dtype=np.uint8)
    expected = ndimage.convolve(image.astype(np.float64), kernel.psf, mode="reflect")
    np.testing.assert_allclose(convolve(image, kernel), expected, atol=1e-3)


def test_the_gaussian_equals_scipy_s_filter(textured_image: NDArray[np.uint8]) -> None:
    expected = ndimage.gaussian_filter(textured_image.astype(np.float64), 3, truncate=4, mode="reflect")
    np.testing.assert_allclose(convolve(textured_image, KERNELS["gaussian"]), expected, atol=1e-3)


@any_kernel
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 5), (7, 2)])
def test_the_kernel_may_be_larger_than_the_image(shape: tuple[int, int], kernel: Kernel) -> None:
    image = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_allclose(convolve(image, kernel), plainly_convolved(image, kernel), atol=1e-3)


@any_kernel
def test_float_and_8_bit_images_agree(noise_image: NDArray[np.uint8], kernel: Kernel) -> None:
    as_float = noise_image.astype(np.float32)
    before = as_float.copy()
    np.testing.assert_allclose(convolve(as_float, kernel), convolve(noise_image, kernel), atol=1e-4)
    np.testing.assert_array_equal(as_float, before)


@any_kernel
def test_views_and_read_only_images_are_taken(kernel: Kernel) -> None:
    image = np.random.default_rng(5).integers(0, 256, (37, 62), dtype=np.uint8)
    view = image[::-1, ::2]
    view.flags.writeable = False  # as images from a memory-mapped cache are
    np.testing.assert_array_equal(convolve(view, kernel), convolve(np.ascontiguousarray(view), kernel))


@pytest.mark.parametrize("name", sorted(SEPARABLE))
def test_two_passes_equal_one(noise_image: NDArray[np.uint8], name: str) -> None:
    psf = KERNELS[name].psf
    at_once = cv2.filter2D(noise_image, cv2.CV_32F, psf[::-1, ::-1].copy(), borderType=cv2.BORDER_REFLECT)
    np.testing.assert_allclose(convolve(noise_image, KERNELS[name]), at_once, atol=1e-3)


def test_horizontal_motion_equals_a_flat_opencv_blur(noise_image: NDArray[np.uint8]) -> None:
    expected = cv2.blur(noise_image, (15, 1), borderType=cv2.BORDER_REFLECT)
    rounded = np.rint(convolve(noise_image, KERNELS["motion along rows"]))
    np.testing.assert_array_equal(rounded, expected)


def test_the_rank_is_found_from_the_numbers() -> None:
    column, row = np.array([0.2, 0.5, 0.3]), np.array([0.1, 0.6, 0.1, 0.15, 0.05])
    product = np.outer(column, row)
    factors = Kernel(product).factors
    assert factors is not None
    np.testing.assert_allclose(factors[0], column)
    np.testing.assert_allclose(factors[1], row)
    product[0, 0] += 1e-4
    product[1, 1] -= 1e-4
    assert Kernel(product).factors is None


def test_pieces_make_up_the_kernel_and_are_small() -> None:
    for name in IN_PIECES:
        kernel = KERNELS[name]
        assert kernel.pieces is not None
        whole = np.zeros_like(kernel.psf)
        for top, left, psf in kernel.pieces:
            assert psf.size <= DIRECT_TAPS
            whole[top : top + len(psf), left : left + psf.shape[1]] += psf
        np.testing.assert_array_equal(whole, kernel.psf[::-1, ::-1])


@pytest.mark.parametrize(
    ("psf", "sentence"),
    [
        (np.full((2, 3), 1 / 6), "odd height"),
        (np.full(3, 1 / 3), "odd height"),
        (np.array([[-0.5, 1.0, 0.5]]), "at least 0"),
        (np.array([[np.nan, 0.5, 0.5]]), "at least 0"),
        (np.array([[0.5, 0.5, 0.5]]), "sum 1"),
    ],
)
def test_arrays_that_are_no_kernel_are_refused(psf: Psf, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Kernel(psf)


@pytest.mark.parametrize("image", [np.zeros((4, 4, 1), np.uint8), np.zeros((0, 4), np.uint8), np.zeros((4, 4))])
def test_arrays_that_are_no_gray_image_are_refused(image: GrayImage) -> None:
    with pytest.raises(ValueError, match="uint8 or float32 of shape"):
        convolve(image, KERNELS["box"])
