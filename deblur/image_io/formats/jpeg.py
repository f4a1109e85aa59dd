"""JPEG files: segments, their coding, data behind the image, and metadata."""

import functools
import re
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from PIL import Image, JpegImagePlugin

from deblur.image_io.formats.container import PillowContainer, Raster, UnreadableKindError, open_with_pillow, raster_of
from deblur.image_io.formats.exif import EXIF_PREFIX
from deblur.image_io.formats.metadata import Compression, Metadata, Resolution, Unit, kept_resources, resolution_of

XMP_PREFIX: Final = b"http://ns.adobe.com/xap/1.0/\0"
EXTENDED_XMP_PREFIX: Final = b"http://ns.adobe.com/xmp/extension/\0"
EXTENDED_XMP_HEADER: Final = struct.Struct(">32sII")  # identity, length of the whole, place of the part
ICC_PREFIX: Final = b"ICC_PROFILE\0"
PHOTOSHOP_PREFIX: Final = b"Photoshop 3.0\0"

_JFIF, _ADOBE, _COMMENT, _START_OF_SCAN, _END = 0xE0, 0xEE, 0xFE, 0xDA, 0xD9
_APPLICATION: Final = range(0xE0, 0xF0)
_BARE: Final = frozenset({0x01, *range(0xD0, 0xDA)})  # markers without data
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}  # start-of-frame markers
_MARKER_IN_SCAN: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_UNREAD_CODINGS: Final = dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical")
_UNREAD_CODINGS[0xCB] = "lossless, arithmetic-coded"
_LOSSLESS, _JPEG_LS = 0xC3, 0xF7
_READ_BITS: Final = 8
_READ_CHANNELS: Final = (1, 3, 4)
_MOST_SEGMENTS: Final = 2**20  # of which a hostile file can have one for each 2 bytes
_UNITS: Final[dict[int, Unit]] = {1: "inch", 2: "cm"}
_LARGEST_XMP: Final = 2**26  # bytes: 64 MiB

# Segments that only make sense with data that follows the image
_GAIN_MAP_OF_ISO: Final = b"urn:iso:std:iso:ts:21496:-1"
_MOTION_IN_XMP: Final = (b"MotionPhoto", b"MicroVideo")
_MOTION_OF_SAMSUNG: Final = b"MotionPhoto_Data"
_CREDENTIALS: Final = b"JP"  # JUMBF: signatures of the file as it was


class Segment(NamedTuple):
    """A part of a JPEG: its marker, its data, and its stored bytes."""

    marker: int
    data: bytes
    stored: bytes


def segments(content: bytes) -> Iterator[Segment]:
    """Yield the segments of a JPEG before its first scan, and as the last one that scan with all that follows."""
    place = 2
    for _ in range(_MOST_SEGMENTS):
        if place + 4 > len(content):
            return
        if content[place] != 0xFF:  # padding that should not be there, which decoders skip
            place += 1
            continue
        marker = content[place + 1]
        if marker in _BARE or marker in (0x00, 0xFF):
            place += 1 if marker == 0xFF else 2
            continue
        end = place + 2 + int.from_bytes(content[place + 2 : place + 4], "big")
        if marker == _START_OF_SCAN:
            yield Segment(marker, content[place + 4 : end], content[place:])
            return
        yield Segment(marker, content[place + 4 : end], content[place:end])
        place = max(end, place + 4)


class JpegFile(PillowContainer):
    """A JPEG that has been opened; of several behind each other (MPO, gain maps), the first."""

    format = "JPEG"

    def __init__(self, content: bytes) -> None:
        """Read the segments; raise UnreadableKindError, or ValueError if there is no header."""
        self._segments = list(segments(content))
        frame = next((segment for segment in self._segments if segment.marker in _FRAMES), None)
        if frame is None or len(frame.data) < 6:
            raise ValueError("truncated before its header")
        bits, self.height, self.width, channels = struct.unpack_from(">BHHB", frame.data)
        if frame.marker == _JPEG_LS:
            raise UnreadableKindError("is a JPEG-LS image")
        if bits != _READ_BITS:
            raise UnreadableKindError(f"is a JPEG of {bits} bits a channel")
        if frame.marker in _UNREAD_CODINGS:
            raise UnreadableKindError(f"is a {_UNREAD_CODINGS[frame.marker]} JPEG")
        if channels not in _READ_CHANNELS:
            raise UnreadableKindError(f"is a JPEG of {channels} channels")
        self.space = "cmyk" if channels == 4 else "color"
        self._is_lossless = frame.marker == _LOSSLESS
        self.exif = b"".join(self._application(0xE1, EXIF_PREFIX)) or None  # a long one stands in several segments
        self.xmp = next(iter(self._application(0xE1, XMP_PREFIX)), None)
        # Pillow gets no metadata: what it refuses is no reason to refuse the image.
        self._pixels = content[:2] + b"".join(s.stored for s in self._segments if _is_needed(s))

    def decoded(self) -> Raster:
        """Decode the pixels."""
        image = self._loaded()
        return raster_of(image.convert("RGB") if image.mode == "CMYK" else image)

    @property
    def compression(self) -> Compression:
        """Quantization tables and chroma subsampling."""
        image = self._opened
        tables = tuple(tuple(table) for _, table in sorted(image.quantization.items()))
        subsampling = JpegImagePlugin.get_sampling(image)  # -1 for gray and for unusual ones
        if self._is_lossless:
            return Compression(lossless=True)
        return Compression(lossless=False, jpeg_tables=tables or None, jpeg_subsampling=max(subsampling, 0))

    def metadata(self) -> Metadata:
        """Return the metadata of the segments."""
        return Metadata(
            exif=self.exif,
            xmp=self.xmp,
            xmp_extension=self._extension(),
            icc_profile=self._profile(),
            resolution=self._resolution(),
            photoshop=kept_resources(b"".join(self._application(0xED, PHOTOSHOP_PREFIX))),
            comments=tuple(s.data for s in self._segments if s.marker == _COMMENT and s.data.strip(b"\0")),
            lost=self._lost(),
        )

    def _loaded(self) -> Image.Image:
        self._opened.load()
        return self._opened

    @functools.cached_property
    def _opened(self) -> JpegImagePlugin.JpegImageFile:
        image = open_with_pillow(self._pixels, "JPEG")
        assert isinstance(image, JpegImagePlugin.JpegImageFile)
        return image

    def _application(self, marker: int, prefix: bytes) -> list[bytes]:
        """Return the data of the segments of an application, without their prefix."""
        found = [segment.data for segment in self._segments if segment.marker == marker]
        return [data.removeprefix(prefix) for data in found if data.startswith(prefix)]

    def _profile(self) -> bytes | None:
        parts = {(part[0], part[1]): part[2:] for part in self._application(0xE2, ICC_PREFIX) if len(part) > 2}
        counts = {count for _, count in parts}
        numbers = sorted(number for number, _ in parts)
        if len(counts) != 1 or numbers != list(range(1, counts.pop() + 1)):
            return None
        return b"".join(parts[key] for key in sorted(parts))

    def _extension(self) -> bytes | None:
        """Return the part of XMP for which the first segment has no place; None if it is damaged."""
        extension = bytearray()
        for part in self._application(0xE1, EXTENDED_XMP_PREFIX):
            if len(part) < EXTENDED_XMP_HEADER.size:
                return None
            identity, length, place = EXTENDED_XMP_HEADER.unpack_from(part)
            if identity not in (self.xmp or b"") or length > _LARGEST_XMP or place != len(extension):
                return None
            extension += part[EXTENDED_XMP_HEADER.size :]
        return bytes(extension) or None

    def _resolution(self) -> Resolution | None:
        for data in self._application(_JFIF, b"JFIF\0"):
            if len(data) >= 7:
                unit, across, down = struct.unpack_from(">BHH", data, 2)
                return resolution_of(across, down, _UNITS.get(unit))
        return None

    def _lost(self) -> tuple[str, ...]:
        """Name the data behind the image, and the segments that need them."""
        lost = []
        xmp, behind = self.xmp or b"", self._behind()
        if b"hdr-gain-map" in xmp or b"HDRGainMap" in xmp or self._application(0xE2, _GAIN_MAP_OF_ISO):
            lost.append("the gain map")
        if any(mark in xmp for mark in _MOTION_IN_XMP) or _MOTION_OF_SAMSUNG in behind:
            lost.append("the film of a motion photo")
        if not lost and behind.strip(b"\0\r\n "):
            lost.append("the images or data behind the first image")
        if self._application(0xEB, _CREDENTIALS):
            lost.append("the content credentials")
        return tuple(lost)

    def _behind(self) -> bytes:
        """Return the data behind the image in the file."""
        scan = self._segments[-1]
        if scan.marker != _START_OF_SCAN:
            return b""
        content, place = scan.stored, 2
        for _ in range(_MOST_SEGMENTS):
            found = _MARKER_IN_SCAN.search(content, place)
            if found is None:
                break
            if found[0][1] == _END:
                return content[found.end() :]
            length = int.from_bytes(content[found.end() : found.end() + 2], "big")
            place = found.end() if found[0][1] in _BARE else found.end() + max(length, 2)
        return b""


def _is_needed(segment: Segment) -> bool:
    """Return whether a segment affects the pixels: JFIF and Adobe say how colors are coded, others are metadata."""
    if segment.marker == _JFIF:
        return segment.data.startswith(b"JFIF\0")
    return segment.marker == _ADOBE or segment.marker not in (*_APPLICATION, _COMMENT)
