"""Read an image file with the metadata that its restored copy keeps."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from deblur.choices import DEFAULT_MAX_MEGAPIXELS
from deblur.errors import UserError
from deblur.image_io.decoding import BadImageError, not_empty, printable, reason_for
from deblur.image_io.formats.container import Container, UnreadableKindError
from deblur.image_io.formats.exif import QUARTERS, corrected_exif, resolution_in, upright
from deblur.image_io.formats.metadata import Metadata
from deblur.image_io.formats.opening import FORMATS_READ, format_of_content, open_image
from deblur.image_io.images import DecodedImage
from deblur.image_io.xmp import corrected_xmp

_ADVICE: Final = f"give an undamaged {FORMATS_READ} image"
_HEAD: Final = 4096  # bytes, which decide the format


def read_image(path: Path, max_megapixels: float = DEFAULT_MAX_MEGAPIXELS) -> DecodedImage:
    """Read a PNG, JPEG, WebP, BMP, TIFF, AVIF or HEIC file; its content decides which, not its name.

    Pixels of 8 and 16 bits a channel are returned as they are stored, turned upright by the orientation in EXIF. Images
    of 1, 2 or 4 bits and of a palette become 8-bit gray or color; a transparent color becomes alpha. Of a JPEG with
    others behind it (MPO, gain maps), as phones write, the first is read; of a TIFF with thumbnails, the full image.

    Refused are animations and files of several pages, of which a restored file would silently lose all but one; CMYK,
    whose colors depend on a printer; raw files of cameras; and kinds that are not read, which are named.

    Args:
        path: File to read.
        max_megapixels: Largest number of pixels, of the header, in millions.

    Raises:
        UserError: The file is missing, cannot be read, is damaged, cut short or empty, is no image of these formats,
            is larger than allowed, or of a kind that is refused. Its text is one sentence.
    """
    with _user_errors(path) as name:
        image = open_image(_content(path), path)
        _refuse(image, name, max_megapixels)
        raster, stored = image.decoded(), image.orientation
        return DecodedImage(
            pixels=np.ascontiguousarray(upright(raster.pixels, stored)),
            alpha=None if raster.alpha is None else np.ascontiguousarray(upright(raster.alpha, stored)),
            format=image.format,
            metadata=_corrected(image),
            compression=image.compression,
        )


def format_of(path: Path) -> str:
    """Return the format of an image file by its first bytes: PNG, JPEG, WEBP, BMP, TIFF, AVIF or HEIF.

    Raises:
        UserError: As `read_image`, if they show it.
    """
    with _user_errors(path):
        return format_of_content(_content(path, _HEAD), path)


def _content(path: Path, size: int = -1) -> bytes:
    if not stat.S_ISREG(path.stat().st_mode):
        raise UserError(f"{printable(str(path))} is a folder or a device, not an image: {_ADVICE}.")
    with path.open("rb") as file:
        return not_empty(file.read(size))


@contextmanager
def _user_errors(path: Path) -> Iterator[str]:
    """Turn errors of reading a file into a sentence with its name, which the block gets."""
    name = printable(str(path))
    try:
        yield name
    except (UserError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise UserError(f"{name} does not exist: {_ADVICE}.") from error
    except UnreadableKindError as error:
        raise UserError(f"{name} {error}; {error.advice}.") from error
    # As in `deblur.image_io.decoding.read_gray`: a damaged file can raise nearly anything from a decoder.
    except Exception as error:
        reason = str(error) if isinstance(error, BadImageError) else reason_for(error)
        unreadable = isinstance(error, OSError) and error.errno is not None
        advice = "make it readable, or give another file" if unreadable else _ADVICE
        raise UserError(f"{name} {reason}: {advice}.") from error


def _refuse(image: Container, name: str, max_megapixels: float) -> None:
    """Refuse an image that is too large, one of several, or of CMYK colors."""
    width, height = image.width, image.height
    if width * height > max_megapixels * 1e6:
        raise UserError(
            f"{name} has {width}x{height} px, {width * height / 1e6:.1f} megapixels, where {max_megapixels:g} are "
            "allowed: give a smaller image, or raise --max-megapixels."
        )
    if image.frames > 1:
        raise UserError(f"{name} is an animation of {image.frames} images: save the one to restore as a file.")
    if image.pages > 1:
        raise UserError(f"{name} has {image.pages} pages: save those to restore as files of their own.")
    if image.space == "cmyk":
        raise UserError(f"{name} has the CMYK colors of a print: convert it to RGB, and give that file.")


def _corrected(image: Container) -> Metadata:
    """Return the metadata that stay true of the upright pixels; damaged ones are left out and named in `lost`."""
    metadata, stored = image.metadata(), image.orientation
    exif, xmp, lost = metadata.exif, metadata.xmp, list(metadata.lost)
    resolution = metadata.resolution or resolution_in(exif)
    if exif is not None:
        try:
            exif = corrected_exif(exif, stored, (image.width, image.height))
        except ValueError as error:
            exif = None
            lost.append(f"the EXIF, which is damaged ({error})")
    if xmp is not None:
        xmp = corrected_xmp(xmp, stored, is_turned=stored in QUARTERS)
        if xmp is None:
            lost.append("the XMP, which is damaged")
    return replace(
        metadata,
        exif=exif,
        xmp=xmp,
        xmp_extension=metadata.xmp_extension if xmp else None,
        resolution=resolution.turned() if resolution and stored in QUARTERS else resolution,
        lost=tuple(lost),
    )
