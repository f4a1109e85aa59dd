"""The noise of an image, estimated from it, and the Wiener filter that assumes it."""

import numpy as np
import pytest
from numpy.typing import NDArray
from wiener_networks import BOX, noisy

from deblur.blur import kernels
from deblur.blur.kernels import Psf
from deblur.synthesis.faces import draw
from deblur.wiener.filters import ROUNDING_POWER, WienerFilter, white_noise
from deblur.wiener.images import to_unit
from deblur.wiener.tuning import mean_psnr

WEAK, STRONG = 0.0, 6.0  # [gray levels]


def faces(first: int, count: int) -> list[NDArray[np.uint8]]:
    return [np.ascontiguousarray(draw(0, index)[60:188, 60:190]) for index in range(first, first + count)]


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.0, 4.0, 8.0])
@pytest.mark.parametrize("kernel", [kernels.gaussian(2), kernels.motion(9, 30)], ids=["gaussian", "motion"])
def test_it_is_that_of_the_image(sigma: float, kernel: Psf) -> None:
    found = [np.sqrt(white_noise(to_unit(noisy(face, kernel, sigma)))) * 255 for face in faces(0, 6)]
    assert 0.95 * sigma < np.median(found) < 1.06 * np.hypot(sigma, 1.3)  # a little of what is in the image remains


def test_the_edges_of_a_sharp_image_are_hardly_its_noise() -> None:
    assert max(white_noise(to_unit(face)) for face in faces(0, 6)) < (4 / 255) ** 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 2), (3, 5)])
def test_a_flat_image_of_any_size_has_that_of_rounding(shape: tuple[int, int]) -> None:
    assert white_noise(np.full(shape, 0.5, np.float32)) == ROUNDING_POWER


@pytest.mark.slow
@pytest.mark.parametrize("kernel", [BOX, kernels.gaussian(2), kernels.motion(9, 30)], ids=["box", "gaussian", "motion"])
def test_a_filter_that_estimates_it_is_better_on_weak_and_on_strong_noise(kernel: Psf) -> None:
    trained = faces(0, 8)
    mixed = [noisy(face, kernel, sigma) for face, sigma in zip(trained, [WEAK, STRONG] * 4, strict=True)]
    same, own = (WienerFilter.measured(trained, mixed, [kernel] * 8, estimated) for estimated in (False, True))
    tested = faces(8, 4)
    for sigma, better in ((WEAK, 0.5), (STRONG, 0.03)):
        blurred = [noisy(face, kernel, sigma) for face in tested]
        by_same, by_own = (
            mean_psnr(lambda image, used, each=each: each(image, used)[0], tested, blurred, [kernel] * 4)
            for each in (same, own)
        )
        assert by_own > by_same + better


def test_each_image_has_its_own() -> None:
    """A filter is kept for images of one size: not where their noise differs."""
    trained = faces(0, 4)
    found = WienerFilter.measured(trained, [noisy(face, BOX) for face in trained], [BOX] * 4, estimate_noise=True)
    clean, rough = (to_unit(noisy(trained[0], BOX, sigma)) for sigma in (WEAK, STRONG))
    before = found(rough, BOX)
    found(clean, BOX)
    np.testing.assert_array_equal(found(rough, BOX), before)
    assert not np.allclose(before, WienerFilter(found.power, found.noise, estimate_noise=False)(rough, BOX))
