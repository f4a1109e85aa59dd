"""A circular boundary: a blurred image is the sharp one times a circulant matrix."""

import numpy as np
import pytest
from numpy.typing import NDArray

from deblur.blur import Box, Degradation, Gaussian, Kernel, Motion, Trajectory, convolve, degrade, kernels
from deblur.blur.images import Boundary, Crop, padded
from deblur.blur.kernels import Psf

RANDOM = np.random.default_rng(0)
LOPSIDED = np.array([[0.0, 0.1, 0.3], [0.1, 0.3, 0.1], [0.1, 0.0, 0.0]])
KERNELS = {
    "identity": kernels.identity(),
    "box": kernels.box(5),
    "lopsided": LOPSIDED,
    "motion in pieces": kernels.motion(31, 37),
    "disk by Fourier transform": kernels.disk(9),
    "row": np.array([[0.2, 0.5, 0.3]]),
}
SHAPES = [(9, 14), (7, 5), (1, 6), (3, 1)]


def circulant(psf: Psf, height: int, width: int) -> Psf:
    """The blur as a dense matrix, from the definition: each pixel gives its light to the pixels around it."""
    matrix = np.zeros((height, width, height, width))
    down, right = (size // 2 for size in psf.shape)
    for row in range(height):
        for column in range(width):
            for (i, j), weight in np.ndenumerate(psf):
                matrix[(row + i - down) % height, (column + j - right) % width, row, column] += weight
    return matrix.reshape(height * width, height * width)


def random_image(shape: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("psf", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_blurring_is_a_product_with_a_circulant_matrix(psf: Psf, shape: tuple[int, int], kind: type) -> None:
    image = random_image(shape).astype(kind)
    expected = (circulant(psf, *shape) @ image.ravel().astype(np.float64)).reshape(shape)
    blurred = convolve(image, Kernel(psf), "circular")
    assert (blurred.dtype, blurred.flags.c_contiguous) == (np.float32, True)
    np.testing.assert_allclose(blurred, expected, atol=1e-3)


@pytest.mark.parametrize("psf", KERNELS.values(), ids=KERNELS)
def test_a_rolled_image_is_blurred_to_the_rolled_result(psf: Psf) -> None:
    image = random_image((13, 20))
    rolled = convolve(np.roll(image, (5, -7), axis=(0, 1)), Kernel(psf), "circular")
    expected = np.roll(convolve(image, Kernel(psf), "circular"), (5, -7), axis=(0, 1))
    np.testing.assert_allclose(rolled, expected, atol=1e-3)
    assert (
        np.abs(convolve(image, Kernel(kernels.box(5))) - convolve(image, Kernel(kernels.box(5)), "circular")).max() > 1
    )


@pytest.mark.parametrize("margin", [0, 3, (2, 17)])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_padding_continues_an_image_periodically(margin: int | tuple[int, int], kind: type) -> None:
    image = random_image((4, 7)).astype(kind)
    before, after = (margin, margin) if isinstance(margin, int) else margin
    found = padded(image, "circular", margin)
    expected = image[np.ix_(np.arange(-before, 4 + after) % 4, np.arange(-before, 7 + after) % 7)]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("degradation", [Box(5), Gaussian(1.5), Motion(9, 30), Trajectory(9, 0.5)])
@pytest.mark.parametrize("shape", [(30, 41), (30, 41, 3)])
def test_the_crop_is_cut_out_first(degradation: Degradation, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    sampled = degradation.sample(np.random.default_rng(1))
    blurred = degrade(image, degradation, sampled, Crop("circular", crop=21))
    alone = degrade(np.ascontiguousarray(image[4:25, 10:31]), degradation, sampled, Crop("circular"))
    np.testing.assert_array_equal(blurred, alone)
    planes = np.atleast_3d(image[4:25, 10:31]), np.atleast_3d(blurred)
    for sharp, found in zip(*(np.moveaxis(each, 2, 0) for each in planes), strict=True):
        exact = convolve(np.ascontiguousarray(sharp), sampled.kernel, "circular")
        np.testing.assert_array_equal(found, np.rint(exact).clip(0, 255))


def test_noise_and_jpeg_do_not_depend_on_the_boundary() -> None:
    image, flat = random_image((24, 31)), np.full((24, 31), 90, np.uint8)
    degradation = Box(5, noise_sigma=4, jpeg_quality=60)
    sampled = degradation.sample(np.random.default_rng(3))
    found: dict[Boundary, NDArray[np.uint8]] = {}
    for boundary in ("symmetric", "circular"):
        found[boundary] = degrade(flat, degradation, sampled, Crop(boundary))
        assert np.ptp(found[boundary]) > 0
    np.testing.assert_array_equal(found["symmetric"], found["circular"])
    assert np.any(degrade(image, degradation, sampled, Crop("circular")) != degrade(image, degradation, sampled))
