"""PNG files: chunks, pixels of every depth, and metadata."""

import functools
import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from deblur.image_io.formats.container import (
    Levels,
    PillowContainer,
    Raster,
    UnreadableKindError,
    open_with_pillow,
    split_alpha,
)
from deblur.image_io.formats.exif import EXIF_PREFIX
from deblur.image_io.formats.metadata import (
    IPTC,
    ColorSpace,
    Metadata,
    Resolution,
    kept_resources,
    per_inch,
    resolution_of,
)

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
XMP_KEYWORD: Final = b"XML:com.adobe.xmp"

_GRAY, _RGB, _PALETTE, _GRAY_ALPHA, _RGBA = 0, 2, 3, 4, 6  # color types
_TEXTS: Final = (b"tEXt", b"zTXt", b"iTXt")
_CRITICAL: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")  # first letters of chunks that the pixels need
_MOST_CHUNKS: Final = 2**20  # of which a hostile file can have one for each 12 bytes
_MOST_FRAMES: Final = 2**31
_LARGEST_VALUE: Final = 2**25  # bytes of inflated metadata: 32 MiB
_RAW_PROFILE: Final = b"Raw profile type "  # of ImageMagick: other metadata as text, in hexadecimal digits
_LOST: Final = {b"gmAP": "the gain map", b"gdAT": "the gain map", b"caBX": "the content credentials"}


class Chunk(NamedTuple):
    """A chunk: its kind, and its stored bytes, without a copy."""

    kind: bytes
    stored: memoryview

    @property
    def data(self) -> bytes:
        """Its content, cut short if the file is."""
        return bytes(self.stored[8 : 8 + int.from_bytes(self.stored[:4], "big")])

    @property
    def is_intact(self) -> bool:
        """Whether the checksum is right."""
        return zlib.crc32(self.stored[4:-4]).to_bytes(4, "big") == self.stored[-4:]


def chunks(content: bytes) -> Iterator[Chunk]:
    """Yield the chunks of a PNG up to its end, the last one cut short if the file is."""
    place, whole = len(SIGNATURE), memoryview(content)
    for _ in range(_MOST_CHUNKS):
        if place >= len(content):
            return
        end = place + 12 + int.from_bytes(content[place : place + 4], "big")
        kind = content[place + 4 : place + 8]
        yield Chunk(kind, whole[place:end])
        if kind == b"IEND":
            return
        place = end


class PngFile(PillowContainer):
    """A PNG that has been opened."""

    format = "PNG"

    def __init__(self, content: bytes) -> None:
        """Read the chunks; raise UnreadableKindError, or ValueError if the header is damaged."""
        found = list(chunks(content))
        if found and found[0].kind == b"CgBI":
            raise UnreadableKindError("is a PNG made for iOS alone (CgBI)")
        if not found or found[0].kind != b"IHDR" or len(found[0].data) != struct.calcsize(">IIBBBBB"):
            raise ValueError("it does not begin with a header")
        self.width, self.height, self._depth, self._color_type, *_ = struct.unpack(">IIBBBBB", found[0].data)
        # Pillow gets no metadata: what it refuses, such as a long text, is no reason to refuse the image.
        self._pixel_chunks = [chunk.stored for chunk in found if chunk.kind[:1] and chunk.kind[0] in _CRITICAL]
        self._others: dict[bytes, list[bytes]] = {}
        for chunk in found:
            if chunk.kind[:1] and chunk.kind[0] not in _CRITICAL and chunk.is_intact:
                self._others.setdefault(chunk.kind, []).append(chunk.data)
        self.frames = self._count_frames([chunk.kind for chunk in found])
        self._metadata = self._described()
        self.exif, self.xmp = self._metadata.exif, self._metadata.xmp

    def decoded(self) -> Raster:
        """Decode the pixels; a transparent level, color or palette entry becomes alpha."""
        if self._depth == 16:
            return self._decoded_16()
        raster = super().decoded()
        transparent = self._first(b"tRNS")
        if not transparent:
            return raster
        if self._color_type == _PALETTE:
            table = np.full(256, 255, np.uint8)
            table[: len(transparent)] = np.frombuffer(transparent[:256], np.uint8)
            return Raster(raster.pixels, table[np.asarray(self._loaded())])
        return self._hiding(raster.pixels, transparent)

    def opaque_luma(self) -> NDArray[np.uint8] | None:
        """Return the luma of pixels of 8 bits or fewer without alpha."""
        return None if self._depth == 16 or self._first(b"tRNS") else super().opaque_luma()

    def metadata(self) -> Metadata:
        """Return the metadata of the chunks."""
        return self._metadata

    def _first(self, kind: bytes) -> bytes | None:
        found = self._others.get(kind)
        return found[0] if found else None

    def _loaded(self) -> Image.Image:
        return self._plain

    @functools.cached_property
    def _plain(self) -> Image.Image:
        return self._decode()

    def _decode(self, rawmode: str | None = None) -> Image.Image:
        image = open_with_pillow(SIGNATURE + b"".join(self._pixel_chunks), "PNG")
        if rawmode is not None:
            assert isinstance(image, ImageFile.ImageFile)
            image.tile = [tile._replace(args=rawmode) for tile in image.tile]
        image.load()
        return image

    def _decoded_16(self) -> Raster:
        """Decode pixels of 16 bits, of which Pillow keeps the upper 8 in most color types."""
        transparent = self._first(b"tRNS")
        if self._color_type == _GRAY:
            levels: Levels = np.asarray(self._decode()).astype(np.uint16)
        elif self._color_type == _GRAY_ALPHA:
            levels = np.ascontiguousarray(self._decode("RGBA")).view(">u2").astype(np.uint16)  # its bytes as they are
            return split_alpha(levels)
        else:
            mode = "RGBA" if self._color_type == _RGBA else "RGB"
            # In the other byte order, the lower bytes stand where Pillow looks for the upper ones.
            upper, lower = (np.asarray(self._decode(f"{mode};16{order}")) for order in "BL")
            levels = upper.astype(np.uint16) << 8 | lower
            if mode == "RGBA":
                return split_alpha(levels)
        return self._hiding(levels, transparent) if transparent else Raster(levels)

    def _hiding(self, pixels: Levels, transparent: bytes) -> Raster:
        """Return gray or RGB pixels with the alpha that hides one level or color of the file's own depth."""
        channels = 3 if self._color_type == _RGB else 1
        if self._color_type not in (_GRAY, _RGB) or len(transparent) < 2 * channels:
            return Raster(pixels)
        levels = np.frombuffer(transparent[: 2 * channels], ">u2") & (2**self._depth - 1)
        scaled = levels * (np.iinfo(pixels.dtype).max // (2**self._depth - 1))
        matches = (pixels == scaled).all(axis=-1) if channels == 3 else pixels == scaled
        return Raster(pixels, np.where(matches, 0, np.iinfo(pixels.dtype).max).astype(pixels.dtype))

    def _count_frames(self, kinds: list[bytes]) -> int:
        """Return the number of images of an animation; its first frame can be another image than the still one."""
        before = kinds[: kinds.index(b"IDAT")] if b"IDAT" in kinds else kinds
        control = self._others.get(b"acTL", [])
        frames = int.from_bytes(control[0][:4], "big") if len(control) == 1 and b"acTL" in before else 0
        if not 0 < frames <= _MOST_FRAMES:  # a still image to decoders of animations as well
            return 1
        return frames + (b"fcTL" not in before)

    def _resolution(self) -> Resolution | None:
        stored = self._first(b"pHYs")
        if stored is None or len(stored) != struct.calcsize(">IIB"):
            return None
        across, down, unit = struct.unpack(">IIB", stored)
        if unit != 1:
            return resolution_of(across, down, None)
        return resolution_of(per_inch(across), per_inch(down), "inch")

    def _color(self) -> ColorSpace | None:
        gamma, points, intent, cicp = (self._first(kind) for kind in (b"gAMA", b"cHRM", b"sRGB", b"cICP"))
        color = ColorSpace(
            gamma=int.from_bytes(gamma, "big") / 100_000 if gamma and len(gamma) == 4 else None,
            chromaticities=tuple(value / 100_000 for value in struct.unpack(">8I", points))
            if points and len(points) == 32
            else None,
            intent=intent[0] if intent else None,
            cicp=(cicp[0], cicp[1], cicp[2], cicp[3]) if cicp and len(cicp) == 4 else None,
            mastering=self._first(b"mDCV"),
            light=self._first(b"cLLI"),
        )
        return None if color == ColorSpace() else color

    def _described(self) -> Metadata:
        exif = (self._first(b"eXIf") or b"").removeprefix(EXIF_PREFIX) or None
        icc = _profile(self._first(b"iCCP"))
        xmp: bytes | None = None
        photoshop: tuple[tuple[int, bytes], ...] = ()
        texts = []
        seen: set[bytes] = set()
        for kind in _TEXTS:
            for data in self._others.get(kind, []):
                keyword, _, _ = data.partition(b"\0")
                is_raw = keyword.startswith(_RAW_PROFILE)
                if (is_raw or keyword == XMP_KEYWORD) and keyword in seen:  # the first counts; inflating takes time
                    continue
                seen.add(keyword)
                if keyword == XMP_KEYWORD and kind == b"iTXt":
                    xmp = xmp or _international_text(data)
                elif is_raw:
                    profile = _raw_profile(kind, data)
                    name = keyword.removeprefix(_RAW_PROFILE).lower()
                    if profile.startswith(EXIF_PREFIX):  # named exif or APP1
                        exif = exif or profile.removeprefix(EXIF_PREFIX)
                    elif name == b"xmp":
                        xmp = xmp or profile or None
                    elif name in (b"icc", b"icm"):
                        icc = icc or profile or None
                    elif name in (b"iptc", b"8bim"):
                        is_bare = profile.startswith(b"\x1c")
                        photoshop = ((IPTC, profile),) if is_bare else kept_resources(profile)
                else:
                    texts.append((kind, data))
        lost = dict.fromkeys(what for kind, what in _LOST.items() if kind in self._others)
        return Metadata(
            exif=exif,
            xmp=xmp,
            icc_profile=icc,
            resolution=self._resolution(),
            color=self._color(),
            photoshop=photoshop,
            texts=tuple(texts),
            lost=tuple(lost),
        )


def _inflated(data: bytes) -> bytes | None:
    """Return compressed metadata; None if they are damaged, or would fill the memory."""
    inflater = zlib.decompressobj()
    try:
        value = inflater.decompress(data, _LARGEST_VALUE)
    except zlib.error:
        return None
    return value if inflater.eof else None


def _profile(stored: bytes | None) -> bytes | None:
    if stored is None:
        return None
    _, _, rest = stored.partition(b"\0")
    return _inflated(rest[1:]) or None


def _international_text(data: bytes) -> bytes | None:
    """Return the text of an iTXt chunk."""
    _, _, rest = data.partition(b"\0")
    compressed, rest = rest[:1], rest[2:]
    _, _, rest = rest.partition(b"\0")  # its language
    _, _, text = rest.partition(b"\0")  # its keyword in that language
    return (_inflated(text) if compressed == b"\1" else text) or None


def _raw_profile(kind: bytes, data: bytes) -> bytes:
    """Return the content of a text of ImageMagick: a name, a length, and hexadecimal digits; empty if damaged."""
    _, _, rest = data.partition(b"\0")
    text = {b"tEXt": rest, b"zTXt": _inflated(rest[1:]), b"iTXt": _international_text(data)}[kind]
    lines = (text or b"").split()
    try:
        return bytes.fromhex(b"".join(lines[2:]).decode("ascii"))
    except ValueError:
        return b""
