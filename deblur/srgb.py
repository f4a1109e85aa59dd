"""The sRGB curve (IEC 61966-2-1): from linear light to the encoded values of an image, and back."""

from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

Real = TypeVar("Real", bound=np.floating[Any])

KNEE: Final = 0.0031308
"""Linear light up to which the sRGB curve is a straight line (IEC 61966-2-1)."""

ENCODED_KNEE: Final = 0.04045
"""The encoded value of `KNEE`, likewise of the standard."""

SLOPE: Final = 12.92
"""Slope of the straight line."""

OFFSET: Final = 0.055
"""How far the power curve is moved down; it is scaled by 1 + `OFFSET`."""

EXPONENT: Final = 2.4
"""Exponent of the power curve."""


def decoded(levels: NDArray[Real]) -> NDArray[Real]:
    """Return the linear light of sRGB values, as IEC 61966-2-1 defines it.

    Negative values, which restored images have, continue the curve as an odd function; values above 1 continue it.

    Args:
        levels: Encoded values, 0 black and 1 white, of any shape; the result has their type.
    """
    size = np.abs(levels)
    light = np.where(size <= ENCODED_KNEE, size / SLOPE, ((size + OFFSET) / (1 + OFFSET)) ** EXPONENT)
    signed: NDArray[Real] = np.copysign(light, levels).astype(levels.dtype, copy=False)
    return signed


def encoded(light: NDArray[Real]) -> NDArray[Real]:
    """Return the sRGB values of linear light, the inverse of `decoded`."""
    size = np.abs(light)
    levels = np.where(size <= KNEE, SLOPE * size, (1 + OFFSET) * size ** (1 / EXPONENT) - OFFSET)
    signed: NDArray[Real] = np.copysign(levels, light).astype(light.dtype, copy=False)
    return signed
