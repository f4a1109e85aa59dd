"""Restore a color image with a network for one gray channel."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deblur.choices import Color
from deblur.inference.tiles import Plane

Pixels: TypeAlias = NDArray[Any]

BT601: Final = np.array([0.299, 0.587, 0.114], np.float32)
"""The weights of red, green and blue in the luma (ITU-R BT.601)."""

_BLOCK_ROWS: Final = 256  # put together at once, so that no second image in float32 is held


def plane_count(pixels: Pixels, color: Color = "luma") -> int:
    """Return how many planes `restore_pixels` restores, for a progress bar."""
    return 3 if pixels.ndim == 3 and pixels.shape[2] >= 3 and color == "channels" else 1


def restore_pixels(pixels: Pixels, restore: Callable[[Plane], Plane], color: Color = "luma") -> Pixels:
    """Split an image into gray planes, restore these one after the other, and put them together again.

    With `luma`, the Y of full-range YCbCr (ITU-R BT.601, the gray that networks are trained on) is restored and clipped
    to [0, 1]; Cb and Cr stay as they are. In that space, a change of Y alone adds the same amount to red, green and
    blue, so that is what is done, without the rounding of a way there and back. A color that leaves the gamut so is
    clipped in each channel, which changes its hue and its luma a little.

    With `channels`, red, green and blue are restored each on its own and clipped; this follows blurs that differ
    between colors, takes three times as long, and can leave colored fringes. A gray image is one plane either way.

    A plane that is restored to itself gives exactly the whole numbers that it came from.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or uint16 of full range, or floating point in [0, 1].
        restore: takes a plane (H, W) in [0, 1] and returns one of the same size, clamped or not.
        color: `luma` or `channels`.

    Returns:
        New pixels of the same shape and type; whole numbers are rounded to the nearest level.
    """
    if pixels.ndim == 2:
        return _levels(restore(_plane(pixels)), pixels)
    restored = np.empty_like(pixels)
    if color == "channels":
        for channel in range(3):
            restored[..., channel] = _levels(restore(_plane(pixels[..., channel])), pixels)
        return restored
    luma = np.empty(pixels.shape[:2], np.float32)
    blocks = [slice(top, top + _BLOCK_ROWS) for top in range(0, len(pixels), _BLOCK_ROWS)]
    for rows in blocks:
        luma[rows] = _plane(pixels[rows]) @ BT601
    restored_luma = restore(luma)
    white = _white(pixels)
    for rows in blocks:
        change = np.clip(restored_luma[rows], 0, 1) - luma[rows]
        restored[rows] = np.clip(_rounded(pixels[rows] + change[..., None] * white, pixels), 0, white)
    return restored


def _white(pixels: Pixels) -> np.float32:
    return np.float32(1 if np.issubdtype(pixels.dtype, np.floating) else np.iinfo(pixels.dtype).max)


def _plane(pixels: Pixels) -> Plane:
    return pixels.astype(np.float32) / _white(pixels)


def _levels(plane: Plane, like: Pixels) -> Pixels:
    """Bring a plane to the levels of the type of other pixels."""
    return _rounded(np.clip(plane, 0, 1) * _white(like), like).astype(like.dtype)


def _rounded(levels: Pixels, like: Pixels) -> Pixels:
    return levels if np.issubdtype(like.dtype, np.floating) else np.rint(levels)
