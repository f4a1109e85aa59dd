"""Metadata of image files, in one form for all formats."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

Unit: TypeAlias = Literal["inch", "cm"]

CM_PER_INCH: Final = 2.54
METERS_PER_INCH: Final = 0.0254
IPTC: Final = 0x0404  # an image resource of Photoshop: IPTC-IIM records
UNITS: Final[dict[int, Unit | None]] = {1: None, 2: "inch", 3: "cm"}  # of TIFF and EXIF, by their numbers
_LOWEST, _HIGHEST = 1e-3, 65_535  # pixels per unit; the largest number that a JPEG can hold
_KEPT_RESOURCES: Final = frozenset({IPTC, 0x040A, 0x040B, 0x0425})
_warnings_lock = threading.RLock()


@contextmanager
def without_warnings() -> Iterator[None]:
    """Ignore Pillow's warnings of odd metadata, which change no pixel, in a short block.

    Filters of warnings belong to the process: if two threads changed them, the later would restore those of the other.
    """
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True)
class Resolution:
    """Pixels per unit of length, or their ratio alone.

    Attributes:
        across: pixels per unit, horizontally.
        down: pixels per unit, vertically.
        unit: of length; None if only the ratio of the two is known: the shape of a pixel.
    """

    across: float
    down: float
    unit: Unit | None = "inch"

    @property
    def per_inch(self) -> tuple[float, float] | None:
        """The resolution in pixels per inch; None if only the ratio is known."""
        if self.unit is None:
            return None
        factor = CM_PER_INCH if self.unit == "cm" else 1.0
        return self.across * factor, self.down * factor

    def turned(self) -> "Resolution":
        """Return the resolution of the image turned by a quarter."""
        return replace(self, across=self.down, down=self.across)


def resolution_of(across: float, down: float, unit: Unit | None) -> Resolution | None:
    """Return a resolution; None for zeros, NaN, and square pixels of unknown size."""
    usable = all(_LOWEST <= value <= _HIGHEST for value in (across, down))  # false for NaN as well
    return None if not usable or (unit is None and across == down) else Resolution(across, down, unit)


def per_inch(per_meter: int) -> float:
    """Return a resolution per inch: the whole number that the one per meter was rounded from, if there is one."""
    value = per_meter * METERS_PER_INCH
    return float(round(value)) if abs(value - round(value)) <= METERS_PER_INCH / 2 else value


@dataclass(frozen=True)
class ColorSpace:
    """Color space that a PNG, AVIF or HEIC describes by numbers instead of by an ICC profile.

    Attributes:
        gamma: exponent of the encoding (PNG gAMA, 0.45455 for most images).
        chromaticities: x and y of white, red, green and blue (PNG cHRM).
        intent: rendering intent of an sRGB image (PNG sRGB); None for other images.
        cicp: primaries, transfer function, matrix and range by ITU-T H.273 (PNG cICP, nclx of AVIF and HEIC).
        mastering: PNG mDCV as stored.
        light: PNG cLLI as stored.
    """

    gamma: float | None = None
    chromaticities: tuple[float, ...] | None = None
    intent: int | None = None
    cicp: tuple[int, int, int, int] | None = None
    mastering: bytes | None = None
    light: bytes | None = None


@dataclass(frozen=True)
class Metadata:
    """Metadata of an image.

    Attributes:
        exif: EXIF from its byte order mark on.
        xmp: XMP in UTF-8.
        xmp_extension: further XMP of a JPEG, to which the first part refers.
        icc_profile: color space.
        resolution: pixels per unit of length.
        color: color space by numbers; an ICC profile takes precedence, except over `cicp`.
        photoshop: image resources of Photoshop by number: IPTC and rights.
        comments: comments of a JPEG.
        texts: text chunks of a PNG, by kind (tEXt, zTXt or iTXt), as stored.
        lost: parts of the file that a copy of the image does not hold: `the gain map`.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    xmp_extension: bytes | None = None
    icc_profile: bytes | None = None
    resolution: Resolution | None = None
    color: ColorSpace | None = None
    photoshop: tuple[tuple[int, bytes], ...] = ()
    comments: tuple[bytes, ...] = ()
    texts: tuple[tuple[bytes, bytes], ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def dpi(self) -> tuple[float, float] | None:
        """Horizontal and vertical resolution [px per inch]."""
        return None if self.resolution is None else self.resolution.per_inch


@dataclass(frozen=True)
class Compression:
    """How a file holds its pixels, so that its restored copy is no coarser.

    Attributes:
        lossless: whether the pixels are stored exactly.
        jpeg_tables: quantization tables of a JPEG, 64 steps each.
        jpeg_subsampling: chroma subsampling of a JPEG: 0 for 4:4:4, 1 for 4:2:2, 2 for 4:2:0.
    """

    lossless: bool = True
    jpeg_tables: tuple[tuple[int, ...], ...] | None = None
    jpeg_subsampling: int = 0


def kept_resources(blocks: bytes) -> tuple[tuple[int, bytes], ...]:
    """Return the image resources of Photoshop that stay true of a copy: IPTC, its digest, copyright flag and URL.

    Others describe the file (resolution, thumbnail, ruler lines, layers) or repeat EXIF and XMP.

    Args:
        blocks: resources as a JPEG (APP13) and a TIFF (tag 34377) store them; a damaged one ends the list.
    """
    kept = []
    place = 0
    while blocks[place : place + 4] == b"8BIM" and place + 12 <= len(blocks):
        number = int.from_bytes(blocks[place + 4 : place + 6], "big")
        named = place + 6 + (blocks[place + 6] + 2) // 2 * 2  # a name and its length take an even number of bytes
        size = int.from_bytes(blocks[named : named + 4], "big")
        data = blocks[named + 4 : named + 4 + size]
        if len(data) < size:
            break
        if number in _KEPT_RESOURCES and data:
            kept.append((number, data))
        place = named + 4 + (size + 1) // 2 * 2
    return tuple(kept)


def resource_blocks(resources: tuple[tuple[int, bytes], ...]) -> bytes:
    """Return image resources of Photoshop as a JPEG and a TIFF store them."""
    return b"".join(
        b"8BIM" + number.to_bytes(2, "big") + b"\0\0" + len(data).to_bytes(4, "big") + data + b"\0" * (len(data) % 2)
        for number, data in resources
    )
