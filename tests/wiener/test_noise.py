"""The noise estimate for a known kernel: accurate on textured images, whatever the boundary, of any size and scale."""

import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deblur.blur import Kernel, convolve, kernels
from deblur.blur.images import Extension, as_float
from deblur.blur.kernels import Psf
from deblur.synthesis import faces, leaves
from deblur.wiener.noise import ROUNDING_POWER, block_power, block_response, noise_power, white_noise

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"
PHOTOGRAPHS = SHARED_DATA / "photos" / "cbsd68"
LEVIN = SHARED_DATA / "levin2009"

LOPSIDED = np.array([[0.0, 0.05, 0.1, 0.0, 0.0], [0.0, 0.1, 0.3, 0.2, 0.1], [0.05, 0.1, 0.0, 0.0, 0.0]])  # of 3x5
KERNELS = {
    "gaussian": kernels.gaussian(1.6),
    "faint gaussian": kernels.gaussian(0.7),
    "box": kernels.box(5),
    "motion": kernels.motion(15, 30),
    "disk": kernels.disk(3),
    "lopsided": LOPSIDED,
}
SIGMAS = (1.0, 2.55, 7.65, 12.75)  # [gray levels]

Levels = NDArray[np.float32]


def blurred(image: NDArray[np.uint8], kernel: Psf, boundary: Extension | None = None) -> Levels:
    """Blur an image; without a boundary, return the part that depends on known pixels alone."""
    rows, columns = (0, 0) if boundary else (size // 2 for size in kernel.shape)
    levels = convolve(image, Kernel(kernel), boundary or "symmetric")
    return levels[rows : image.shape[0] - rows, columns : image.shape[1] - columns]


def noisy(levels: Levels, sigma: float, seed: int = 0) -> NDArray[np.float32]:
    """Add noise [gray levels], clip and round to 8 bits."""
    noise = sigma * np.random.default_rng(seed).standard_normal(levels.shape)
    return as_float(np.rint(levels + noise).clip(0, 255).astype(np.uint8))


def ratio(image: NDArray[np.float32], kernel: Psf, sigma: float) -> float:
    """Return the estimated standard deviation over the true one of noise and rounding."""
    return float(np.sqrt(noise_power(image, kernel) / ((sigma / 255) ** 2 + ROUNDING_POWER)))


@pytest.mark.parametrize("draw", [faces.draw, leaves.draw], ids=["faces", "leaves"])
@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS.keys())
def test_noise_of_drawn_images_is_found_within_a_tenth(kernel: Psf, draw: object) -> None:
    assert callable(draw)
    for index in range(3):
        levels = blurred(draw(0, index), kernel)
        for sigma in SIGMAS:
            assert ratio(noisy(levels, sigma, index), kernel, sigma) == pytest.approx(1, abs=0.1), (index, sigma)


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_texture_that_the_kernel_leaves_does_not_count_as_noise(sigma: float) -> None:
    # Independent gray levels are the finest texture: differences cannot distinguish it from noise.
    kernel = kernels.motion(9, 0)
    texture = np.random.default_rng(1).integers(60, 196, (200, 210), dtype=np.uint8)
    image = noisy(blurred(texture, kernel), sigma)
    assert white_noise(image) > 4 * (sigma / 255) ** 2
    assert ratio(image, kernel, sigma) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("shape", [(200, 173), (97, 131), (61, 64), (45, 33)])
def test_blurred_texture_of_any_size_needs_no_square(shape: tuple[int, int]) -> None:
    texture = np.random.default_rng(2).integers(60, 196, (shape[0] + 4, shape[1] + 4), dtype=np.uint8)
    image = noisy(blurred(texture, KERNELS["box"]), 4.0)
    assert image.shape == shape
    assert ratio(image, KERNELS["box"], 4.0) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS.keys())
def test_the_boundary_does_not_count_as_noise(kernel: Psf) -> None:
    image = np.random.default_rng(3).permutation(leaves.draw(0, 1)[:, :250].T)  # no continuation beyond any side
    found = [
        np.sqrt(noise_power(noisy(blurred(image, kernel, boundary), 2.0), kernel))
        for boundary in ("symmetric", "circular", None)
    ]
    assert max(found) / min(found) < 1.05


def test_the_variance_scales_with_the_square_of_the_contrast() -> None:
    image = noisy(blurred(leaves.draw(0, 2), LOPSIDED), 3.0) * np.float32(0.9) + np.float32(0.02)
    whole = noise_power(image, LOPSIDED)
    assert noise_power(image * np.float32(0.25), LOPSIDED) == pytest.approx(whole / 16, rel=0.01)
    assert noise_power(image, 7 * LOPSIDED) == pytest.approx(whole, rel=1e-6)


def test_the_mirrored_and_the_transposed_image_have_the_same_noise() -> None:
    image = noisy(blurred(leaves.draw(0, 3), LOPSIDED), 3.0)
    found = noise_power(image, LOPSIDED)
    for flipped, kernel in ((image[::-1], LOPSIDED[::-1]), (image[:, ::-1], LOPSIDED[:, ::-1]), (image.T, LOPSIDED.T)):
        assert noise_power(flipped, kernel) == pytest.approx(found, rel=0.02)


def test_clipped_areas_do_not_hide_the_noise_of_the_others() -> None:
    kernel = KERNELS["disk"]
    levels = blurred(leaves.draw(0, 4), kernel)
    levels[: len(levels) // 2] = 0
    image = noisy(levels, 5.0)
    image[: len(levels) // 2] = 0
    assert ratio(image, kernel, 5.0) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("value", [0, 0.3, 1])
@pytest.mark.parametrize("shape", [(256, 200), (64, 64), (33, 40)])
def test_a_constant_image_has_no_noise(shape: tuple[int, int], value: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert 0 <= noise_power(np.full(shape, value, np.float32), KERNELS["motion"]) < 1e-12


@pytest.mark.parametrize("shape", [(16, 16), (31, 300), (1, 40), (1, 1), (3, 2)])
def test_an_image_too_small_for_blocks_is_measured_by_its_differences(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(4).random(shape, dtype=np.float32)
    assert noise_power(image, KERNELS["motion"]) == white_noise(image)


@pytest.mark.parametrize("kernel", [kernels.identity(), kernels.gaussian(0.3), kernels.gaussian(0.5)])
def test_a_kernel_that_hardly_blurs_shows_no_noise_by_itself(kernel: Psf) -> None:
    image = noisy(blurred(leaves.draw(0, 5), kernel), 2.0)
    assert noise_power(image, kernel) == white_noise(image)


@pytest.mark.parametrize("side", [16, 32, 64])
def test_a_kernel_larger_than_the_blocks_is_no_obstacle(side: int) -> None:
    kernel = kernels.gaussian(12)
    assert kernel.shape[0] > side
    levels = np.full((2 * side, 2 * side + 1), 128, np.float32)
    assert ratio(noisy(levels, 4.0), kernel, 4.0) == pytest.approx(1, abs=0.1)


def test_the_same_image_gives_the_same_number() -> None:
    image = noisy(blurred(leaves.draw(0, 6), LOPSIDED), 3.0)
    assert noise_power(image, LOPSIDED) == noise_power(image.copy(order="F"), LOPSIDED.copy()) > 0


def test_a_large_image_is_sampled_all_over() -> None:
    kernel, rng = KERNELS["box"], np.random.default_rng(5)
    image = noisy(blurred(rng.integers(60, 196, (1300, 1700), dtype=np.uint8), kernel), 3.0)
    assert ratio(image, kernel, 3.0) == pytest.approx(1, abs=0.05)
    image[650:] = 0.5  # without noise; the window of a block cannot see all of it
    assert ratio(image, kernel, 3.0) < 0.9


def test_the_power_of_white_noise_is_its_variance() -> None:
    image = np.random.default_rng(6).normal(0.5, 0.1, (400, 500)).astype(np.float32)
    assert block_power(image, 32)[2:, 2:].mean() == pytest.approx(0.01, rel=0.02)


@pytest.mark.parametrize("kernel", [LOPSIDED, kernels.motion(21, 30), kernels.gaussian(6)])
def test_the_response_is_the_power_of_blurred_white_noise(kernel: Psf) -> None:
    image = np.random.default_rng(7).normal(0.5, 0.1, (900, 900)).astype(np.float32)
    sides = [size // 2 for size in kernel.shape]
    inside = convolve(image, Kernel(kernel))[sides[0] : 900 - sides[0], sides[1] : 900 - sides[1]]
    measured, expected = block_power(inside, 32) / 0.01, block_response(kernel, 32)
    # The mean of each block was taken off, which the lowest frequencies lack
    np.testing.assert_allclose(measured[3:-3, 3:], expected[3:-3, 3:], rtol=0.25, atol=1e-6)
    assert np.sum(measured[3:-3, 3:]) == pytest.approx(np.sum(expected[3:-3, 3:]), rel=0.05)


def test_without_blur_the_response_is_1() -> None:
    np.testing.assert_allclose(block_response(kernels.identity(), 16), 1, rtol=1e-12)


def test_an_image_in_color_is_refused() -> None:
    with pytest.raises(ValueError, match="estimate each channel by itself"):
        noise_power(np.zeros((64, 64, 3), np.float32), LOPSIDED)


@pytest.mark.skipif(not (PHOTOGRAPHS.is_dir() and LEVIN.is_dir()), reason="needs the photographs of ../shared/data")
@pytest.mark.parametrize("number", [1, 4, 8])
def test_noise_of_photographs_under_camera_shake_is_found_within_a_tenth(number: int) -> None:
    kernel = np.load(LEVIN / f"kernel{number}.npy").astype(np.float64)
    kernel /= kernel.sum()
    for index, path in enumerate(sorted(PHOTOGRAPHS.glob("*.png"))[::12]):
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert image is not None
        levels = blurred(image.astype(np.uint8), kernel)
        for sigma in SIGMAS:
            assert ratio(noisy(levels, sigma, index), kernel, sigma) == pytest.approx(1, abs=0.1), (path.name, sigma)


@pytest.mark.skipif(not LEVIN.is_dir(), reason="needs the photographs of ../shared/data")
def test_kernels_agree_on_the_white_noise_of_photographs_of_a_real_camera() -> None:
    # Nearly all of it is rounding: what the sharp photographs under the kernels leave of the blurred ones has 0.32 to
    # 0.35 gray levels at the highest frequencies, and more at the others, where the kernels are not exact.
    for place in range(1, 5):
        found = []
        for number in range(1, 9):
            kernel = np.load(LEVIN / f"kernel{number}.npy").astype(np.float64)
            image = cv2.imread(str(LEVIN / f"im{place}_kernel{number}_img.png"), cv2.IMREAD_GRAYSCALE)
            assert image is not None
            found.append(255 * np.sqrt(noise_power(as_float(image.astype(np.uint8)), kernel)))
        assert 255 * np.sqrt(ROUNDING_POWER) < min(found) < max(found) < 0.42
