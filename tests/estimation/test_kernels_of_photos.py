"""The kernel of a whole image, on drawn images whose kernel is known, and on images that show none."""

import numpy as np
import pytest

import deblur
from deblur.blur import Kernel, convolve
from deblur.estimation import KernelEstimate, estimate_kernel
from deblur.estimation import blind as words
from deblur.estimation.blind import _correlation, _enlarged
from deblur.estimation.kernel_steps import centroid
from deblur.synthesis.leaves import draw

SEED = 9003  # of dead leaves


def scene(rows: int = 1, columns: int = 1) -> np.ndarray:
    """Drawings side by side, of 256 px each."""
    return np.block([[draw(SEED, columns * row + column) for column in range(columns)] for row in range(rows)])


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """The highest correlation of two kernels over all shifts."""
    side = 2 * max(*one.shape, *other.shape) + 1
    square = [np.zeros((side, side), np.float32) for _ in range(2)]
    for canvas, psf in zip(square, (one, other), strict=True):
        canvas[: psf.shape[0], : psf.shape[1]] = psf
    return _correlation(*square)[0]


@pytest.fixture(scope="module")
def shaken() -> np.ndarray:
    return deblur.degrade(scene()[:, :243], "trajectory", seed=4, extent=13, shake=0.5, noise_sigma=1)


@pytest.fixture(scope="module")
def found(shaken: np.ndarray) -> KernelEstimate:
    return estimate_kernel(shaken)


def test_a_shake_is_recovered(found: KernelEstimate) -> None:
    true = deblur.kernel("trajectory", seed=4, extent=13, shake=0.5)
    assert found.refusal == ""
    assert found.kernel is not None
    assert correlation(found.kernel, true) > 0.85


def test_the_kernel_is_one(found: KernelEstimate) -> None:
    assert found.kernel is not None
    Kernel(found.kernel)  # odd, at least 0, of sum 1
    assert np.abs(centroid(found.kernel.astype(np.float32))).max() <= 0.5 + 1e-6
    assert 0 < found.confidence <= 1
    assert 0 < found.explained <= 1
    assert found.kernel[[0, -1]].any() or found.kernel[:, [0, -1]].any()  # no empty border
    assert len(found.kernel) < 41


@pytest.mark.slow
def test_the_type_of_the_pixels_does_not_matter(shaken: np.ndarray) -> None:
    small = shaken[:128, :131]
    first = estimate_kernel(small)
    assert first.kernel is not None
    second = estimate_kernel(np.dstack([small.astype(np.uint16) * 257] * 3))
    assert second.kernel is not None
    assert correlation(first.kernel, second.kernel) > 0.95


@pytest.mark.parametrize(
    ("image", "refusal"),
    [
        (np.full((200, 210), 90, np.uint8), words.FLAT),
        (np.random.default_rng(0).normal(128, 3, (200, 210)).astype(np.uint8), words.FLAT),
        (np.full((1, 1), 90, np.uint8), words.TOO_SMALL),
        (np.full((95, 300, 3), 90, np.uint8), words.TOO_SMALL),
    ],
    ids=["flat", "noise", "pixel", "narrow"],
)
def test_an_image_that_shows_nothing_is_refused(image: np.ndarray, refusal: str) -> None:
    found = estimate_kernel(image)
    assert found.refusal == refusal
    assert found.kernel is None
    assert found.confidence == 0


def test_a_sharp_image_is_refused_or_has_a_kernel_of_a_pixel() -> None:
    assert estimate_kernel(scene()).refusal == words.SHARP


def test_saturated_parts_are_left_out() -> None:
    true = deblur.kernel("trajectory", seed=4, extent=13, shake=0.5)
    lights = scene().astype(np.float32)
    for row, column in ((40, 50), (120, 180), (200, 60)):
        lights[row : row + 9, column : column + 9] = 2000  # gray levels, which the camera clips
    found = estimate_kernel(np.rint(convolve(lights, Kernel(true))).clip(0, 255).astype(np.uint8))
    assert found.kernel is not None
    assert correlation(found.kernel, true) > 0.75


def test_an_image_of_saturated_stripes_is_refused() -> None:
    stripes = np.full((200, 200), 255, np.uint8)
    stripes[:, ::6] = 60
    stripes[:, 1::6] = 140
    assert estimate_kernel(stripes).refusal != ""


@pytest.mark.slow
def test_two_kernels_in_one_image_are_refused() -> None:
    sharp = scene(2, 4)
    left, right = (
        convolve(np.ascontiguousarray(half), Kernel(deblur.kernel("motion", length=17, angle=angle)))
        for half, angle in zip(np.hsplit(sharp, 2), (0, 90), strict=True)
    )
    both = np.rint(np.hstack([left, right])).clip(0, 255).astype(np.uint8)
    found = estimate_kernel(both)
    assert len(found.windows) > 1
    assert found.refusal == words.DISAGREE


def test_kernels_are_compared_up_to_a_shift() -> None:
    psf = deblur.kernel("trajectory", seed=1, extent=9, shake=0.5).astype(np.float32)
    wide = _enlarged(psf, 41)
    value, shift = _correlation(wide, np.roll(wide, (5, -3), (0, 1)))
    assert value == pytest.approx(1, abs=1e-4)
    assert shift == (41 - 5, 3)
