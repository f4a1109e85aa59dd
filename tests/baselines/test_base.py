import re

import numpy as np
import pytest

from deblur.baselines.base import fitted
from deblur.blur import kernels
from deblur.wiener.images import check_training_images, to_unit

GRAY = np.zeros((6, 8), np.uint8)


def test_gray_levels_become_what_a_network_is_given() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(8, 32)
    image = to_unit(levels)
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


def test_what_was_found_is_returned_even_if_it_is_zero() -> None:
    assert fitted(0.0) == 0.0
    with pytest.raises(RuntimeError, match=r"fit\(\) first"):
        fitted(None)
