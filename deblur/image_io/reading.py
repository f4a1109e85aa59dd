"""Read an image file with all that its restored copy keeps."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from deblur.choices import DEFAULT_MAX_MEGAPIXELS
from deblur.errors import UserError
from deblur.image_io.formats.container import Container
from deblur.image_io.formats.kinds import FORMATS_READ, UnreadableKindError
from deblur.image_io.formats.opening import format_of_content, open_image
from deblur.image_io.gray import BadImageError, printable, reason_for
from deblur.image_io.images import DecodedImage
from deblur.image_io.kept_metadata import corrected_metadata
from deblur.image_io.orientation import upright

_ADVICE: Final = f"give an undamaged {FORMATS_READ} image"


def read_image(path: Path, max_megapixels: float = DEFAULT_MAX_MEGAPIXELS) -> DecodedImage:
    """Read a PNG, JPEG, WebP, BMP, TIFF, AVIF or HEIC file; its content decides which, not its name.

    Pixels of 8 and 16 bits a channel are given as they are stored, turned upright by the orientation in EXIF. Images
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
    name = printable(str(path))
    with _usage_errors_shown(name):
        content = _content(path, name)
        image = open_image(content, path)
        _refuse_large(image, name, max_megapixels)
        _refuse_several(image, name)
        return _image(image)


def format_of(path: Path) -> str:
    """Return the format of an image file by its content: PNG, JPEG, WEBP, BMP, TIFF, AVIF or HEIF.

    Raises:
        UserError: as `read_image` does, of what the first bytes tell.
    """
    name = printable(str(path))
    with _usage_errors_shown(name):
        return format_of_content(_content(path, name), path)


def _content(path: Path, name: str) -> bytes:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{name} is a folder or a device, not an image: {_ADVICE}.")
    content = path.read_bytes()
    if not content:
        raise BadImageError("is empty (0 bytes)")
    return content


@contextmanager
def _usage_errors_shown(name: str) -> Iterator[None]:
    """Turn what reading a file raises into a sentence that names it."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise UserError(f"{name} does not exist: {_ADVICE}.") from error
    except UnreadableKindError as error:
        raise UserError(f"{name} {error}; {error.advice}.") from error
    # As in `deblur.image_io.gray.read_gray`: a damaged file can raise nearly anything from a decoder.
    except Exception as error:
        reason = str(error) if isinstance(error, BadImageError) else reason_for(error)
        unreadable = isinstance(error, OSError) and error.errno is not None
        advice = "make it readable, or give another file" if unreadable else _ADVICE
        raise UserError(f"{name} {reason}: {advice}.") from error


def _refuse_large(image: Container, name: str, max_megapixels: float) -> None:
    width, height = image.width, image.height
    if width * height > max_megapixels * 1e6:
        raise UserError(
            f"{name} has {width}x{height} px, {width * height / 1e6:.1f} megapixels, where {max_megapixels:g} are "
            "allowed: give a smaller image, or raise --max-megapixels."
        )


def _refuse_several(image: Container, name: str) -> None:
    if image.frames > 1:
        raise UserError(f"{name} is an animation of {image.frames} images: save the one to restore as a file.")
    if image.pages > 1:
        raise UserError(f"{name} has {image.pages} pages: save those to restore as files of their own.")
    if image.space == "cmyk":
        raise UserError(f"{name} has the CMYK colors of a print: convert it to RGB, and give that file.")


def _image(image: Container) -> DecodedImage:
    raster = image.decoded()
    stored = image.orientation
    return DecodedImage(
        pixels=np.ascontiguousarray(upright(raster.pixels, stored)),
        alpha=None if raster.alpha is None else np.ascontiguousarray(upright(raster.alpha, stored)),
        format=image.format,
        metadata=corrected_metadata(image.metadata(), stored, (image.width, image.height)),
        compression=image.compression(),
    )
