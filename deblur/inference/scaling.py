"""Restore an image at a smaller size, and add the enlarged correction to the image itself."""

from collections.abc import Callable
from numbers import Real
from typing import Final

import numpy as np

from deblur.inference.levels import Pixels, as_unit, rounded, white_of

FULL: Final = 1.0


def check_scale(scale: object) -> float:
    """Return a scale.

    Raises:
        ValueError: unless it is a number above 0 and at most 1.
    """
    if isinstance(scale, bool) or not isinstance(scale, Real) or not 0 < float(scale) <= FULL:
        raise ValueError(f"scale={scale} is not allowed: give a number above 0 and at most 1, which is the full size")
    return float(scale)


def reduced_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """Return the height and width of an image at a scale [px]."""
    return max(1, round(height * scale)), max(1, round(width * scale))


def restore_at_scale(pixels: Pixels, scale: float, restore: Callable[[Pixels], Pixels]) -> Pixels:
    """Restore an image at a scale, at which a wide blur fits into the receptive field of a network.

    The image is reduced by means over areas, and restored. The correction, restored minus reduced, is enlarged by cubic
    interpolation and added to the image, which keeps all finer detail and noise that it has.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or uint16 of full range, or floating point in [0, 1].
        scale: above 0 and at most 1.
        restore: maps pixels to new ones of the same shape and type.

    Returns:
        New pixels of the same shape and type.
    """
    height, width = pixels.shape[:2]
    size = reduced_size(height, width, scale)
    if size == (height, width):
        return restore(pixels)
    import cv2

    reduced = cv2.resize(as_unit(pixels), size[::-1], interpolation=cv2.INTER_AREA)
    correction = restore(reduced) - reduced
    result = np.empty_like(pixels)
    white = white_of(pixels)
    for channel in np.ndindex(pixels.shape[2:]):  # one plane in floating point at a time
        place = (..., *channel)
        plane = np.ascontiguousarray(correction[place])
        enlarged = np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
        enlarged *= white
        enlarged += pixels[place]
        result[place] = rounded(np.clip(enlarged, 0, white, out=enlarged), pixels)
    return result
