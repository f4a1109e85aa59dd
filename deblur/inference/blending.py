"""Images that are blended with their restored selves."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from deblur.inference.levels import Pixels, rounded
from deblur.inference.tiles import Plane

_STRIP_PIXELS: Final = 2**20  # blended at once, without their surroundings


def blended(pixels: Pixels, restored: Pixels, strength: float) -> Pixels:
    """Blend an image with its restored self, everywhere alike.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or uint16 of full range, or floating point in [0, 1].
        restored: of the same shape and type.
        strength: from 0 for the image to 1 for the restored one.

    Returns:
        New pixels of the same shape and type.
    """
    result = np.empty_like(pixels)
    for rows in strips(*pixels.shape[:2]):
        result[rows] = mixed(pixels[rows], restored[rows], np.float32(strength))
    return result


def strips(height: int, width: int, multiple: int = 1) -> Iterator[slice]:
    """Yield rows of an image, about a megapixel each, that begin at multiples of a number."""
    rows = max(1, _STRIP_PIXELS // (width * multiple)) * multiple
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def mixed(pixels: Pixels, restored: Pixels, weights: Plane | np.float32) -> Pixels:
    """Return an image with a fraction of its correction: one number, or one of each pixel, (H, W)."""
    kind: type[np.floating[Any]] = np.float64 if pixels.dtype == np.float64 else np.float32
    before: NDArray[Any] = pixels.astype(kind, copy=False)
    after: NDArray[Any] = restored.astype(kind, copy=False)
    if isinstance(weights, np.ndarray) and pixels.ndim == 3:
        weights = weights[..., None]
    return rounded(before + weights * (after - before), pixels)
