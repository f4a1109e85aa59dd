"""Images side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from deblur.image_io.images import DecodedImage

Pixels = NDArray[Any]

DETAIL: Final = 160  # px, side of the detail on a contact sheet
ENLARGED: Final = 2  # times
COLUMNS: Final = 3
_LABEL: Final = 28  # px, height of the line below a panel
_GAP: Final = 8  # px
_FONT_SIZE: Final = 18  # px
_PAPER, _INK = (255, 255, 255), (0, 0, 0)


def side_by_side(before: DecodedImage, after: DecodedImage) -> DecodedImage:
    """Return an image before and after, side by side, as one image."""
    alpha = None if before.alpha is None else np.concatenate([before.alpha, before.alpha], axis=1)
    return replace(after, pixels=np.concatenate([before.pixels, after.pixels], axis=1), alpha=alpha)


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
