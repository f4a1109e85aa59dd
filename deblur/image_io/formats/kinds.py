"""Which files are read, by name and by content, and what others are called."""

import re
from dataclasses import dataclass
from typing import Final

# What a file may be called, and its format. A name only admits a file: its content decides how it is read, so a JPEG
# that is called .png is read.
FORMAT_BY_SUFFIX: Final = {
    ".png": "PNG",
    ".apng": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jif": "JPEG",
    ".jfif": "JPEG",
    ".jfi": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".dib": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".tf8": "TIFF",
    ".btf": "TIFF",
    ".avif": "AVIF",
    ".heic": "HEIF",
    ".heif": "HEIF",
    ".hif": "HEIF",
}
FORMATS_READ: Final = "AVIF, BMP, HEIC, JPEG, PNG, TIFF or WebP"

RAW_SUFFIXES: Final = frozenset(
    [
        ".3fr",
        ".arw",
        ".cr2",
        ".cr3",
        ".crw",
        ".dcr",
        ".dng",
        ".erf",
        ".fff",
        ".iiq",
        ".k25",
        ".kdc",
        ".mef",
        ".mos",
        ".mrw",
        ".nef",
        ".nrw",
        ".orf",
        ".pef",
        ".raf",
        ".raw",
        ".rw2",
        ".rwl",
        ".sr2",
        ".srf",
        ".srw",
        ".x3f",
    ]
)

_TIFF_STARTS: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"MM*\0", b"II\0*")  # the last two by mistaken writers
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_HEIF_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}
)

_RAW: Final = "raw file of a camera"
# What other files begin with, and what they are called
_OTHERS: Final = (
    (0, b"GIF8", "GIF image"),
    (0, b"8BPS", "Photoshop document (PSD)"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000 image"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000 image"),
    (0, b"\xff\x0a", "JPEG XL image"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL image"),
    (0, b"\xff\xd8\xff\xf7", "JPEG-LS image"),
    (0, b"II\xbc\x01", "JPEG XR image"),
    (0, b"\x8aMNG\r\n", "MNG animation"),
    (0, b"\x8bJNG\r\n", "JNG image"),
    (0, b"v/1\x01", "OpenEXR image"),
    (0, b"#?RADIANCE", "Radiance HDR image"),
    (0, b"#?RGBE", "Radiance HDR image"),
    (0, b"DDS ", "DDS texture"),
    (0, b"qoif", "QOI image"),
    (0, b"FLIF", "FLIF image"),
    (0, b"BPG\xfb", "BPG image"),
    (0, b"farbfeld", "farbfeld image"),
    (0, b"SIMPLE  =", "FITS image"),
    (128, b"DICM", "DICOM image"),
    (0, b"gimp xcf", "GIMP document (XCF)"),
    (0, b"\0\0\x01\0", "Windows icon (ICO)"),
    (0, b"\0\0\x02\0", "Windows cursor (CUR)"),
    (0, b"icns", "macOS icon (ICNS)"),
    (0, b"%PDF", "PDF document"),
    (0, b"%!PS", "PostScript document"),
    (0, b"\xc5\xd0\xd3\xc6", "PostScript document"),
    (0, b"\x01\xda", "SGI image"),
    (0, b"Y\xa6j\x95", "Sun raster image"),
    (0, b"AT&TFORM", "DjVu document"),
    (0, b"FUJIFILMCCD-RAW", _RAW),
    (0, b"IIU\0", _RAW),  # Panasonic and Leica
    (0, b"IIRO", _RAW),  # Olympus, as the next two
    (0, b"IIRS", _RAW),
    (0, b"MMOR", _RAW),
    (0, b"\0MRM", _RAW),  # Minolta
    (0, b"FOVb", _RAW),  # Sigma
    (6, b"HEAPCCDR", _RAW),  # Canon
    (8, b"CR\x02\0", _RAW),  # Canon, within what looks like a TIFF
)
_NETPBM: Final = re.compile(rb"P[1-7Ff][\s#]")
_HEAD_BYTES: Final = 132
_TEXT_BYTES: Final = 4096  # in which the tag of an SVG is looked for

_SAVE: Final = "save it with 8 or 16 bits a channel as gray or RGB, such as in a PNG, and give that file"
_DEVELOP: Final = "raw files need developing first: give the TIFF or JPEG that a program for them writes"


class BadImageError(ValueError):
    """A file that cannot be used as an image. Its text is a short reason, to follow a file's name: `is truncated`."""


class UnreadableKindError(BadImageError):
    """An intact file of a kind that is not read.

    Attributes:
        advice: what can be done about it.
    """

    def __init__(self, kind: str, advice: str = _SAVE) -> None:
        """Name the kind.

        Args:
            kind: to follow `it`: `is a JPEG of 12 bits a channel`.
            advice: what can be done about it, an imperative without a full stop.
        """
        super().__init__(f"cannot be read: it {kind}")
        self.advice = advice


@dataclass(frozen=True)
class Kind:
    """What a file is by its first bytes.

    Attributes:
        format: PNG, JPEG, WEBP, BMP, TIFF, AVIF or HEIF; None for other files.
        name: what another file is called; None if that is not known.
    """

    format: str | None
    name: str | None = None


def kind_of(content: bytes) -> Kind:
    """Return what a file is by its first bytes."""
    head = content[:_HEAD_BYTES]
    # Longer signatures first: a Canon raw file begins as a TIFF does, a JPEG-LS as a JPEG.
    for offset, start, name in _OTHERS:
        if head.startswith(start, offset):
            return Kind(None, name)
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return Kind("PNG")
    if head.startswith(b"\xff\xd8\xff"):
        return Kind("JPEG")
    if head.startswith(_TIFF_STARTS):
        return Kind("TIFF")
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return Kind("WEBP")
    if head[4:8] == b"ftyp":
        return _kind_of_media(content)
    if head.startswith(b"BM"):
        return Kind("BMP")
    if _NETPBM.match(head):
        return Kind(None, "Netpbm image (PBM, PGM, PPM, PAM or PFM)")
    return Kind(None, "SVG drawing" if b"<svg" in content[:_TEXT_BYTES] else None)


def refuse_other_kinds(kind: Kind) -> None:
    """Refuse a file of a format that is not read.

    Raises:
        UnreadableKindError: The file is known to be something else.
        BadImageError: It is not known what the file is.
    """
    if kind.name == _RAW:
        refuse_raw()
    if kind.name is not None:
        raise UnreadableKindError(f"is a {kind.name}")
    if kind.format is None:
        raise BadImageError(f"is no {FORMATS_READ} image")


def refuse_raw() -> None:
    """Refuse what a camera's sensor has measured.

    Raises:
        UnreadableKindError: always.
    """
    raise UnreadableKindError(f"is a {_RAW}", _DEVELOP)


def _kind_of_media(content: bytes) -> Kind:
    """Tell HEIF, AVIF, raw files and films apart, which all begin with a list of brands."""
    length = int.from_bytes(content[:4], "big")
    brands = [content[8:12]] + [content[place : place + 4] for place in range(16, min(length, 256), 4)]
    if brands[0] == b"crx ":
        return Kind(None, _RAW)
    if _AVIF_BRANDS & set(brands):
        return Kind("AVIF")
    if _HEIF_BRANDS & set(brands):
        return Kind("HEIF")
    return Kind(None, "film")
