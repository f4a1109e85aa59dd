"""A picture as it is restored: its pixels, and what is kept of its file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deblur.data.images import DECODERS, printable
from deblur.errors import UserError

Levels: TypeAlias = NDArray[np.uint8 | np.uint16]


@dataclass(frozen=True)
class Metadata:
    """What a file says of a picture beside its pixels.

    Attributes:
        exif: EXIF from its byte order mark on; it says that the pixels are upright, and has no thumbnail.
        xmp: XMP in UTF-8; an orientation in it says that the pixels are upright.
        icc_profile: what the colours mean.
        dpi: horizontal and vertical resolution [px per inch].
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    icc_profile: bytes | None = None
    dpi: tuple[float, float] | None = None


@dataclass(frozen=True)
class Compression:
    """How a file holds its pixels, so that its restored copy is no coarser.

    Attributes:
        lossless: whether the pixels are stored exactly.
        jpeg_tables: quantisation tables of a JPEG, 64 steps each.
        jpeg_subsampling: chroma subsampling of a JPEG: 0 for 4:4:4, 1 for 4:2:2, 2 for 4:2:0.
    """

    lossless: bool = True
    jpeg_tables: tuple[tuple[int, ...], ...] | None = None
    jpeg_subsampling: int = 0


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture, shown upright.

    Attributes:
        pixels: gray (H, W) or red, green and blue (H, W, 3), uint8 or uint16, full range.
        alpha: opacity (H, W) of the type of the pixels, or None. Colours are not multiplied by it.
        format: PNG, JPEG, WEBP, BMP or TIFF, which the file was.
        metadata: what is kept of the file beside the pixels.
        compression: how the file held the pixels.
    """

    pixels: Levels
    alpha: Levels | None
    format: str
    metadata: Metadata = Metadata()
    compression: Compression = Compression()


@dataclass(frozen=True)
class _Capability:
    sixteen_bits: bool
    alpha: bool
    largest_side: int  # px


_CAPABILITIES: Final = {
    "PNG": _Capability(sixteen_bits=True, alpha=True, largest_side=2**31 - 1),
    "TIFF": _Capability(sixteen_bits=True, alpha=True, largest_side=2**31 - 1),
    "WEBP": _Capability(sixteen_bits=False, alpha=True, largest_side=16_383),
    "JPEG": _Capability(sixteen_bits=False, alpha=False, largest_side=65_500),
    "BMP": _Capability(sixteen_bits=False, alpha=False, largest_side=2**31 - 1),
}
_HOLDS_ALL: Final = "name a .png or .tif file instead"


def output_format(path: Path) -> str:
    """Return the format that an output's name asks for.

    Raises:
        UserError: for a name that ends in no known suffix.
    """
    try:
        return DECODERS[path.suffix.lower()]
    except KeyError:
        found = f"ends in {printable(path.suffix)}" if path.suffix else "has no suffix"
        raise UserError(
            f"output={printable(str(path))} {found}, which names no format: end it in {', '.join(sorted(DECODERS))}."
        ) from None


def refuse_unfit(picture: Picture, path: Path) -> None:
    """Refuse an output whose format cannot hold a picture, before minutes are spent on restoring it.

    A picture whose alpha is opaque everywhere loses nothing without it, and is not refused.

    Raises:
        UserError: the format holds no 16 bits, no alpha or no such size, or the suffix is unknown.
    """
    file_format = output_format(path)
    capability = _CAPABILITIES[file_format]
    name = f"output={printable(str(path))}"
    if picture.pixels.dtype == np.uint16 and not capability.sixteen_bits:
        raise UserError(f"{name}: {file_format} holds 8 bits a channel, the picture has 16; {_HOLDS_ALL}.")
    if is_transparent(picture) and not capability.alpha:
        raise UserError(f"{name}: {file_format} holds no transparency, the picture has some; {_HOLDS_ALL}.")
    height, width = picture.pixels.shape[:2]
    if max(height, width) > capability.largest_side:
        raise UserError(
            f"{name}: {file_format} holds pictures of up to {capability.largest_side} px a side, this one has "
            f"{width}x{height}; {_HOLDS_ALL}."
        )


def is_transparent(picture: Picture) -> bool:
    """Tell whether any pixel is less than opaque."""
    return picture.alpha is not None and bool(picture.alpha.min() < np.iinfo(picture.alpha.dtype).max)
