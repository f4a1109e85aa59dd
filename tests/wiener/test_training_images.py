import math
import re
from collections.abc import Callable

import numpy as np
import pytest

from deblur.blur import kernels
from deblur.blur.images import as_float
from deblur.wiener.images import check_training_images, climb, climb_whole, mean_psnr


def bell(peak: float) -> Callable[[float], float]:
    return lambda value: -(math.log(value / peak) ** 2)


@pytest.mark.parametrize("peak", [3e-4, 0.02, 1.0, 777.0])
def test_the_peak_is_found_to_the_last_step(peak: float) -> None:
    found = climb(bell(peak), start=0.1, low=1e-6, high=1e6, steps=(10.0, 2.0, 1.1))
    assert max(found / peak, peak / found) <= 1.1**0.5 + 1e-9


def test_coarse_steps_come_first_so_that_a_far_peak_takes_few_tries() -> None:
    tried: list[float] = []

    def score(value: float) -> float:
        tried.append(value)
        return bell(1e5)(value)

    climb(score, start=1e-4, low=1e-6, high=1e6, steps=(10.0, 1.1))
    assert len(tried) <= 11 + 1 + 8  # nine decades and a look beyond on either side; then at most half a decade


@pytest.mark.parametrize(("peak", "end"), [(1e-9, 1e-3), (1e9, 1e3)])
def test_the_search_stays_within_its_bounds(peak: float, end: float) -> None:
    tried: list[float] = []

    def score(value: float) -> float:
        tried.append(value)
        return bell(peak)(value)

    assert climb(score, start=1.0, low=1e-3, high=1e3, steps=(10.0, 2.0)) == pytest.approx(end)
    assert min(tried) >= 1e-3
    assert max(tried) <= 1e3
    assert len(tried) == len(set(tried))  # none is tried twice


def test_a_flat_function_ends_the_search_where_it_began() -> None:
    assert climb(lambda _: math.inf, start=0.1, low=1e-3, high=1e3, steps=(10.0, 2.0)) == 0.1


@pytest.mark.parametrize("peak", [1, 2, 7, 40, 100])
def test_whole_numbers_are_searched_as_such(peak: int) -> None:
    tried: list[int] = []

    def score(value: int) -> float:
        tried.append(value)
        return bell(peak)(value)

    found = climb_whole(score, start=25, high=100, steps=(2.0, 1.41))
    assert max(found / peak, peak / found) <= 1.25
    assert all(isinstance(value, int) and 1 <= value <= 100 for value in tried)
    assert len(tried) == len(set(tried))


def test_psnr_is_the_mean_over_images_of_clamped_results() -> None:
    sharp = [np.full((4, 5), 255, np.uint8), np.full((6, 3), 51, np.uint8)]
    blurred = [np.full((4, 5), 204, np.uint8), np.full((6, 3), 53, np.uint8)]
    own = [kernels.identity()] * 2
    expected = (-20 * math.log10(51 / 255) - 20 * math.log10(2 / 255)) / 2
    assert mean_psnr(lambda image, _: image, sharp, blurred, own) == pytest.approx(expected, abs=1e-4)
    # 2.0 is clamped to white: one image is exact, and counts with 120 dB
    shifted = mean_psnr(lambda image, _: image + (1.2 if image[0, 0] > 0.5 else 0), sharp, blurred, own)
    assert shifted == pytest.approx((120 - 20 * math.log10(2 / 255)) / 2, abs=1e-4)


def test_every_image_is_restored_by_its_own_kernel() -> None:
    # A kernel of sum 1.1 here makes an image brighter by 0.1.
    sharp = [np.full((4, 5), 102, np.uint8), np.full((6, 3), 51, np.uint8)]
    blurred = [np.full((4, 5), 51, np.uint8), np.full((6, 3), 51, np.uint8)]
    own = [np.full((1, 3), 1.1 / 3), np.full((3, 1), 1.01 / 3)]
    found = mean_psnr(lambda image, kernel: image + (kernel.sum() - 1), sharp, blurred, own)
    assert found == pytest.approx((20 + 40) / 2, abs=1e-4)
    with pytest.raises(ValueError, match="shorter"):
        mean_psnr(lambda image, _: image, sharp, blurred, own[:1])


def test_psnr_is_that_of_the_metrics() -> None:
    import torch

    from deblur.metrics.images import psnr

    rng = np.random.default_rng(0)
    sharp = [rng.integers(0, 256, (9, 11), dtype=np.uint8) for _ in range(3)]
    images = [(each / 255 + rng.normal(0, 0.1, each.shape)).astype(np.float32) for each in sharp]
    expected = [
        psnr(*(torch.tensor(each)[None, None] for each in pair))
        for pair in zip(images, [(each / 255).astype(np.float32) for each in sharp], strict=True)
    ]
    remaining = iter(images)
    own = [kernels.identity()] * 3
    found = mean_psnr(lambda *_: next(remaining), sharp, sharp, own)
    assert found == pytest.approx(float(torch.stack(expected).mean()), abs=1e-4)


GRAY = np.zeros((6, 8), np.uint8)


def test_gray_levels_become_what_a_network_is_given() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(8, 32)
    image = as_float(levels)
    assert image.dtype == np.float32
    assert image.min() == 0
    assert image.max() == 1
    np.testing.assert_allclose(image, levels / 255, rtol=1e-7)


@pytest.mark.parametrize("shape", [(6, 7), (5, 8), (8, 6), (4, 12), (6, 8, 1)])
def test_a_pair_of_two_shapes_is_refused_by_its_index(shape: tuple[int, ...]) -> None:
    sentence = f"Training image 1 is (6, 8) sharp and {shape} blurred."
    with pytest.raises(ValueError, match=re.escape(sentence)):
        check_training_images([GRAY, GRAY], [GRAY, np.zeros(shape, np.uint8)])


def test_images_in_color_are_refused() -> None:
    colored = [np.zeros((6, 8, 3), np.uint8)]
    with pytest.raises(ValueError, match="Training image 0 is"):
        check_training_images(colored, colored, [kernels.box(3)])


@pytest.mark.parametrize(("sharp", "blurred", "own"), [(2, 2, 1), (2, 1, 2), (1, 2, 2), (1, 1, 0), (0, 0, 0)])
def test_as_many_kernels_as_images_are_asked_for(sharp: int, blurred: int, own: int) -> None:
    with pytest.raises(ValueError, match="as many, at least one"):
        check_training_images([GRAY] * sharp, [GRAY] * blurred, [kernels.box(3)] * own)


def test_images_that_belong_together_are_taken() -> None:
    check_training_images([GRAY, GRAY.T], [GRAY, GRAY.T])
    check_training_images([GRAY, GRAY.T], [GRAY, GRAY.T], [kernels.box(3), kernels.motion(5, 20)])
