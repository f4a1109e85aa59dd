"""Which image files are read, by name and by content, and opening them."""

import re
from collections.abc import Callable
from pathlib import PurePath
from typing import Final

from deblur.image_io.formats.bmp import BmpFile, with_file_header
from deblur.image_io.formats.container import RAW, BadImageError, Container, UnreadableKindError, raw_error
from deblur.image_io.formats.jpeg import JpegFile
from deblur.image_io.formats.png import PngFile
from deblur.image_io.formats.tiff import TiffFile
from deblur.image_io.formats.webp_heif import AvifFile, HeifFile, WebpFile

# Suffixes of the files that are read. The content decides how: a JPEG that is called .png is read as a JPEG.
_SUFFIXES: Final = {
    "PNG": "png apng",
    "JPEG": "jpg jpeg jpe jif jfif jfi",
    "WEBP": "webp",
    "BMP": "bmp dib",
    "TIFF": "tif tiff tf8 btf",
    "AVIF": "avif",
    "HEIF": "heic heif hif",
}
FORMAT_BY_SUFFIX: Final = {f".{suffix}": name for name, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}
FORMATS_READ: Final = "AVIF, BMP, HEIC, JPEG, PNG, TIFF or WebP"

_RAW_SUFFIXES: Final = (
    "3fr arw cr2 cr3 crw dcr dng erf fff iiq k25 kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f"
)
RAW_SUFFIXES: Final = frozenset(f".{name}" for name in _RAW_SUFFIXES.split())

_STARTS: Final = {
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    # The last two are wrong, and occur.
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"MM*\0", b"II\0*"),
}
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_HEIF_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}
)

# First bytes of other files, by their names, and bytes at other places
_OTHERS: Final = {
    "GIF image": (b"GIF8",),
    "Photoshop document (PSD)": (b"8BPS",),
    "JPEG 2000 image": (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
    "JPEG XL image": (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"),
    "JPEG-LS image": (b"\xff\xd8\xff\xf7",),
    "JPEG XR image": (b"II\xbc\x01",),
    "MNG animation": (b"\x8aMNG\r\n",),
    "JNG image": (b"\x8bJNG\r\n",),
    "OpenEXR image": (b"v/1\x01",),
    "Radiance HDR image": (b"#?RADIANCE", b"#?RGBE"),
    "DDS texture": (b"DDS ",),
    "QOI image": (b"qoif",),
    "FLIF image": (b"FLIF",),
    "BPG image": (b"BPG\xfb",),
    "farbfeld image": (b"farbfeld",),
    "FITS image": (b"SIMPLE  =",),
    "GIMP document (XCF)": (b"gimp xcf",),
    "Windows icon (ICO)": (b"\0\0\x01\0",),
    "Windows cursor (CUR)": (b"\0\0\x02\0",),
    "macOS icon (ICNS)": (b"icns",),
    "PDF document": (b"%PDF",),
    "PostScript document": (b"%!PS", b"\xc5\xd0\xd3\xc6"),
    "SGI image": (b"\x01\xda",),
    "Sun raster image": (b"Y\xa6j\x95",),
    "DjVu document": (b"AT&TFORM",),
    # Fujifilm; Panasonic and Leica; three of Olympus; Minolta; Sigma
    RAW: (b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"\0MRM", b"FOVb"),
}
_OTHERS_BY_PLACE: Final = {(128, b"DICM"): "DICOM image", (6, b"HEAPCCDR"): RAW, (8, b"CR\x02\0"): RAW}  # two of Canon
_NETPBM: Final = re.compile(rb"P[1-7Ff][\s#]")
_HEAD_BYTES: Final = 132
_TEXT_BYTES: Final = 4096  # in which an SVG has its tag
_OPENERS: Final[dict[str, Callable[[bytes], Container]]] = {
    "PNG": PngFile,
    "JPEG": JpegFile,
    "WEBP": WebpFile,
    "BMP": BmpFile,
    "TIFF": TiffFile,
    "AVIF": AvifFile,
    "HEIF": HeifFile,
}


def open_image(content: bytes, path: PurePath) -> Container:
    """Read the header of an image file.

    Args:
        content: of the file, which decides its format.
        path: of the file; its suffix distinguishes raw files of cameras from the TIFF that many of them look like.

    Raises:
        UnreadableKindError: The file is intact, but of a kind that is not read.
        BadImageError: The file is no image.
        Exception: Anything that a decoder raises for a damaged file.
    """
    file_format = format_of_content(content, path)
    if file_format == "BMP" and not content.startswith(b"BM"):
        content = with_file_header(content) or content
    return _OPENERS[file_format](content)


def format_of_content(content: bytes, path: PurePath) -> str:
    """Return the format of an image file by its first 4096 bytes: PNG, JPEG, WEBP, BMP, TIFF, AVIF or HEIF.

    Raises:
        UnreadableKindError: The file is of a kind that is not read.
        BadImageError: The file is no image.
    """
    file_format, name = _kind_of(content)
    suffix = path.suffix.lower()
    if file_format == "TIFF" and suffix in RAW_SUFFIXES:
        raise raw_error()
    if file_format is not None:
        return file_format
    if suffix == ".dib" and with_file_header(content) is not None:
        return "BMP"
    if name == RAW:
        raise raw_error()
    if name is not None:
        raise UnreadableKindError(f"is a {name}")
    raise BadImageError(f"is no {FORMATS_READ} image")


def _kind_of(content: bytes) -> tuple[str | None, str | None]:
    """Return the format of a file that is read, and the name of another one, if they are known."""
    head = content[:_HEAD_BYTES]
    # Longer signatures first: a Canon raw file begins as a TIFF does, a JPEG-LS as a JPEG.
    for name, starts in _OTHERS.items():
        if head.startswith(starts):
            return None, name
    for (place, start), name in _OTHERS_BY_PLACE.items():
        if head.startswith(start, place):
            return None, name
    for file_format, starts in _STARTS.items():
        if head.startswith(starts):
            return file_format, None
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP", None
    if head[4:8] == b"ftyp":
        return _kind_of_media(content)
    if head.startswith(b"BM"):
        return "BMP", None
    if _NETPBM.match(head):
        return None, "Netpbm image (PBM, PGM, PPM, PAM or PFM)"
    return None, "SVG drawing" if b"<svg" in content[:_TEXT_BYTES] else None


def _kind_of_media(content: bytes) -> tuple[str | None, str | None]:
    """Distinguish HEIF, AVIF, raw files and films by the brands at their start."""
    length = int.from_bytes(content[:4], "big")
    brands = [content[8:12]] + [content[place : place + 4] for place in range(16, min(length, 256), 4)]
    if brands[0] == b"crx ":
        return None, RAW
    if _AVIF_BRANDS & set(brands):
        return "AVIF", None
    if _HEIF_BRANDS & set(brands):
        return "HEIF", None
    return None, "film"
