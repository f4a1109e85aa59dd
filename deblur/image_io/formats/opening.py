"""Open an image file of any format that is read."""

from collections.abc import Callable
from pathlib import PurePath
from typing import Final

from deblur.image_io.formats.bmp import BmpFile, with_file_header
from deblur.image_io.formats.container import Container
from deblur.image_io.formats.heif import AvifFile, HeifFile
from deblur.image_io.formats.jpeg import JpegFile
from deblur.image_io.formats.kinds import RAW_SUFFIXES, kind_of, refuse_other_kinds, refuse_raw
from deblur.image_io.formats.png import PngFile
from deblur.image_io.formats.tiff import TiffFile
from deblur.image_io.formats.webp import WebpFile

_BMP: Final = "BMP"
_OPENERS: Final[dict[str, Callable[[bytes], Container]]] = {
    "PNG": PngFile,
    "JPEG": JpegFile,
    "WEBP": WebpFile,
    _BMP: BmpFile,
    "TIFF": TiffFile,
    "AVIF": AvifFile,
    "HEIF": HeifFile,
}


def open_image(content: bytes, path: PurePath) -> Container:
    """Read the header of an image file; its content decides how, not its name.

    Args:
        content: of the file.
        path: of the file. Its suffix tells raw files of cameras from the TIFF that many of them look like.

    Raises:
        UnreadableKindError: The file is intact, but of a kind that is not read.
        BadImageError: The file is no image.
        Exception: Anything that a decoder raises for a damaged file.
    """
    file_format = format_of_content(content, path)
    if file_format == _BMP and not content.startswith(b"BM"):
        content = with_file_header(content) or content
    return _OPENERS[file_format](content)


def format_of_content(content: bytes, path: PurePath) -> str:
    """Return the format of an image file: PNG, JPEG, WEBP, BMP, TIFF, AVIF or HEIF.

    Raises:
        UnreadableKindError: The file is of a kind that is not read.
        BadImageError: The file is no image.
    """
    kind = kind_of(content)
    if kind.format == "TIFF" and path.suffix.lower() in RAW_SUFFIXES:
        refuse_raw()
    if kind.format is None and path.suffix.lower() == ".dib" and with_file_header(content) is not None:
        return _BMP
    refuse_other_kinds(kind)
    return str(kind.format)
