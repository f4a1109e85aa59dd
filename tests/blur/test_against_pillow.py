"""Pillow's filters made the blurs of many studies: how far ours are from them."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from deblur.blur import Box, Degradation, Gaussian


def blurred_by(degradation: Degradation, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return degradation.apply(image, degradation.sample(np.random.default_rng(0)))


def split_by_boundary(difference: NDArray[np.int64], margin: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Values of the interior and of the boundary whose pixels feel what lies beyond the image."""
    is_interior = np.zeros(difference.shape, bool)
    is_interior[margin:-margin, margin:-margin] = True
    return difference[is_interior], difference[~is_interior]


def test_pillow_s_box_blur_differs_at_the_boundary_alone(textured_image: NDArray[np.uint8]) -> None:
    # Measured with Pillow 13: 1 level in 8 % of the interior (Pillow rounds in fixed point); at the boundary, where
    # Pillow repeats the outermost pixel, 2.7 levels on average and 14 at most.
    ours = blurred_by(Box(7), textured_image).astype(int)
    pillow_s = np.asarray(Image.fromarray(textured_image).filter(ImageFilter.BoxBlur(3))).astype(int)
    interior, boundary = split_by_boundary(np.abs(ours - pillow_s), margin=3)
    assert interior.max() <= 1
    assert interior.mean() < 0.1
    assert 2 < boundary.mean() < 3.5
    assert boundary.max() <= 16
    repeated = np.pad(textured_image, 3, mode="edge")
    with_pillow_s_boundary = blurred_by(Box(7), repeated)[3:-3, 3:-3].astype(int)
    assert np.abs(with_pillow_s_boundary - pillow_s).max() <= 1


def test_pillow_s_gaussian_blur_is_an_approximation(textured_image: NDArray[np.uint8]) -> None:
    # Measured with Pillow 13, which repeats box blurs: 0.66 levels on average and 2 at most in the interior; 1.3 and
    # 7 at the boundary.
    ours = blurred_by(Gaussian(3), textured_image).astype(int)
    pillow_s = np.asarray(Image.fromarray(textured_image).filter(ImageFilter.GaussianBlur(3))).astype(int)
    interior, boundary = split_by_boundary(np.abs(ours - pillow_s), margin=12)
    assert interior.max() <= 2
    assert interior.mean() < 0.8
    assert 1 < boundary.mean() < 1.7
    assert boundary.max() <= 9
