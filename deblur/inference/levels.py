"""Levels of 8 and 16 bits as numbers in [0, 1] and back, and the luma of such numbers."""

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deblur.luma import LUMA_WEIGHTS

Pixels: TypeAlias = NDArray[Any]
"""An image (H, W) or (H, W, C): uint8 or uint16 of full range, or floating point in [0, 1]."""

BT601: Final = np.array(LUMA_WEIGHTS, np.float32)
"""Weights of red, green and blue in the luma (ITU-R BT.601)."""


def white_of(pixels: Pixels) -> np.float32:
    """Return the value of white in pixels of a type."""
    return np.float32(1 if np.issubdtype(pixels.dtype, np.floating) else np.iinfo(pixels.dtype).max)


def as_unit(pixels: Pixels) -> NDArray[np.float32]:
    """Return pixels as float32 in [0, 1]; those in float32 as they are, without a copy."""
    if pixels.dtype == np.float32:
        return pixels
    return np.asarray(pixels.astype(np.float32) / white_of(pixels), np.float32)


def as_levels(unit: NDArray[np.float32], like: Pixels) -> Pixels:
    """Return numbers, clipped to [0, 1], as new pixels of the type of others."""
    return rounded(np.clip(unit, 0, 1) * white_of(like), like).astype(like.dtype)


def rounded(levels: Pixels, like: Pixels) -> Pixels:
    """Return levels in floating point as whole numbers, unless those of other pixels are fractions."""
    return levels if np.issubdtype(like.dtype, np.floating) else np.rint(levels)
