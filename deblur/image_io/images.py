"""A decoded image with the metadata of its file, and the formats that can hold it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from PIL import features

from deblur.errors import UserError
from deblur.image_io.decoding import printable
from deblur.image_io.formats.container import Levels
from deblur.image_io.formats.metadata import Compression, Metadata
from deblur.image_io.formats.opening import FORMAT_BY_SUFFIX
from deblur.image_io.formats.webp_heif import HAS_HEIF, INSTALL_HEIF
from deblur.image_io.profiles import hdr_of

__all__ = ["Compression", "DecodedImage", "Levels", "Metadata", "is_transparent", "output_format", "refuse_unfit"]


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """A decoded, upright image.

    Attributes:
        pixels: gray (H, W) or red, green and blue (H, W, 3), uint8 or uint16, full range.
        alpha: opacity (H, W) of the type of the pixels, or None. Colors are not multiplied by it.
        format: of the file: PNG, JPEG, WEBP, BMP, TIFF, AVIF or HEIF.
        metadata: of the file, as far as they are true of a copy.
        compression: how the file held the pixels.
    """

    pixels: Levels
    alpha: Levels | None
    format: str
    metadata: Metadata = field(default_factory=Metadata)
    compression: Compression = field(default_factory=Compression)


@dataclass(frozen=True)
class _Capability:
    largest_side: int = 2**31 - 1  # px
    alpha: bool = True
    sixteen_bits: bool = False


_CAPABILITIES: Final = {
    "PNG": _Capability(sixteen_bits=True),
    "TIFF": _Capability(sixteen_bits=True),
    "WEBP": _Capability(16_383),
    "JPEG": _Capability(65_500, alpha=False),
    "BMP": _Capability(alpha=False),
    "AVIF": _Capability(65_535),
    "HEIF": _Capability(16_384),
}
_TEN_BITS: Final = "HEIF"  # a file of this format of more than 8 bits becomes one of 10
_HOLDS_ALL: Final = "name a .png or .tif file instead"


def output_format(path: Path) -> str:
    """Return the format of an output by its name.

    Raises:
        UserError: for a name without a known suffix.
    """
    try:
        return FORMAT_BY_SUFFIX[path.suffix.lower()]
    except KeyError:
        found = f"ends in {printable(path.suffix)}" if path.suffix else "has no suffix"
        raise UserError(
            f"{printable(str(path))} {found}, which names no format: end it in {', '.join(sorted(FORMAT_BY_SUFFIX))}."
        ) from None


def refuse_unfit(image: DecodedImage, path: Path, across: int = 1) -> None:
    """Refuse an output whose format cannot hold an image, before minutes are spent on restoring it.

    An alpha that is opaque everywhere may be lost.

    Args:
        image: The image, or one of the same size, type, alpha and metadata.
        path: File of the output.
        across: Number of such images that it shows side by side.

    Raises:
        UserError: The format holds no 16 bits, no alpha, no such size or no such colors, cannot be written here, or the
            suffix is unknown.
    """
    file_format = output_format(path)
    capability = _CAPABILITIES[file_format]
    name = printable(str(path))
    if file_format == "HEIF" and not HAS_HEIF:
        raise UserError(f"{name} needs pillow-heif: install it ({INSTALL_HEIF}), or name another format.")
    if file_format == "AVIF" and not features.check("avif"):
        raise UserError(f"{name} needs a build of Pillow with AVIF: name another format.")
    is_deep = image.pixels.dtype == np.uint16
    if is_deep and not capability.sixteen_bits and not file_format == image.format == _TEN_BITS:
        raise UserError(f"{name}: {file_format} holds 8 bits a channel, the image has 16; {_HOLDS_ALL}.")
    if is_transparent(image) and not capability.alpha:
        raise UserError(f"{name}: {file_format} holds no transparency, the image has some; {_HOLDS_ALL}.")
    transfer = hdr_of(image.metadata.color)
    if transfer and file_format != "PNG" and not (file_format == image.format == "HEIF"):
        raise UserError(
            f"{name}: {file_format} cannot say that the image is one of high dynamic range ({transfer}); name a .png "
            "file instead."
        )
    height, width = image.pixels.shape[0], image.pixels.shape[1] * across
    if max(height, width) > capability.largest_side:
        raise UserError(
            f"{name}: {file_format} holds images of up to {capability.largest_side} px a side, this one has "
            f"{width}x{height}; {_HOLDS_ALL}."
        )


def is_transparent(image: DecodedImage) -> bool:
    """Return whether any pixel is less than opaque."""
    return image.alpha is not None and bool(image.alpha.min() < np.iinfo(image.alpha.dtype).max)
