"""Images side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from deblur.image_io.images import DecodedImage
from deblur.srgb import encoded

Pixels = NDArray[Any]

DETAIL: Final = 160  # px, side of the detail on a contact sheet
ENLARGED: Final = 2  # times
COLUMNS: Final = 3
INSET: Final = 4  # an inset has at most this part of the shorter side of an image, unless its kernel is larger
_FRAME: Final = 2  # px, around an inset
_LABEL: Final = 28  # px, height of the line below a panel
_GAP: Final = 8  # px
_FONT_SIZE: Final = 18  # px
_PAPER, _INK = (255, 255, 255), (0, 0, 0)


def side_by_side(before: DecodedImage, after: DecodedImage) -> DecodedImage:
    """Return an image before and after, side by side, as one image."""
    alpha = None if before.alpha is None else np.concatenate([before.alpha, before.alpha], axis=1)
    return replace(after, pixels=np.concatenate([before.pixels, after.pixels], axis=1), alpha=alpha)


def kernel_panel(psf: NDArray[np.float64], times: int) -> NDArray[np.uint8]:
    """Return a kernel as an image of 8 bits for the eye, each weight a square of as many px a side.

    The largest weight is white, and the others are as bright as that fraction of its light.
    """
    levels: NDArray[np.uint8] = np.rint(255 * encoded(psf / psf.max())).astype(np.uint8)
    return levels.repeat(times, axis=0).repeat(times, axis=1)


def with_inset(image: DecodedImage, psf: NDArray[np.float64]) -> DecodedImage:
    """Return an image with a kernel in its upper right corner, enlarged and framed, if there is room for it."""
    room = min(image.pixels.shape[:2])
    panel = np.pad(kernel_panel(psf, max(1, room // INSET // max(psf.shape))), _FRAME, constant_values=255)
    if max(panel.shape) > room:
        return image
    white = np.iinfo(image.pixels.dtype).max
    corner = slice(0, panel.shape[0]), slice(image.pixels.shape[1] - panel.shape[1], None)
    pixels, alpha = image.pixels.copy(), image.alpha
    levels = panel.astype(pixels.dtype) * (white // 255)
    pixels[corner] = levels if pixels.ndim == 2 else levels[..., None]
    if alpha is not None:
        alpha = alpha.copy()
        alpha[corner] = np.iinfo(alpha.dtype).max
    return replace(image, pixels=pixels, alpha=alpha)


def row(images: Sequence[Pixels]) -> DecodedImage:
    """Return images of one size and type side by side, as one without metadata."""
    return DecodedImage(np.concatenate(images, axis=1), None, "PNG")


def detail_around(row: int, column: int, shape: tuple[int, ...], side: int = DETAIL) -> tuple[slice, slice]:
    """Return the rows and columns of a square around a place, moved into the image; a small image is its own detail."""
    starts = (max(0, min(middle - side // 2, size - side)) for middle, size in zip((row, column), shape, strict=False))
    rows, columns = (slice(start, start + min(side, size)) for start, size in zip(starts, shape, strict=False))
    return rows, columns


def contact_sheet(panels: Mapping[str, Pixels]) -> DecodedImage:
    """Return 8-bit images of one size in rows of three, enlarged, each with its name below it."""
    height, width = (ENLARGED * side for side in next(iter(panels.values())).shape[:2])
    rows = -(-len(panels) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * (width + _GAP) - _GAP, rows * (height + _LABEL + _GAP) - _GAP), _PAPER)
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(_FONT_SIZE)
    for place, (name, pixels) in enumerate(panels.items()):
        left, top = place % COLUMNS * (width + _GAP), place // COLUMNS * (height + _LABEL + _GAP)
        panel = Image.fromarray(pixels).convert("RGB").resize((width, height), Image.Resampling.NEAREST)
        page.paste(panel, (left, top))
        draw.text((left + width / 2, top + height + _LABEL / 2), name, _INK, font, anchor="mm")
    return DecodedImage(np.asarray(page), None, "PNG")
