"""WebP, AVIF and HEIC files. Pillow reads the first two; HEIC is read by pillow-heif, which is optional."""

import importlib.util
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from PIL import features

from deblur.image_io.formats.container import (
    Container,
    PillowContainer,
    Raster,
    UnreadableKindError,
    split_alpha,
    straight,
)
from deblur.image_io.formats.exif import EXIF_PREFIX, UPRIGHT, orientation_of
from deblur.image_io.formats.metadata import ColorSpace, Compression, Metadata, without_warnings

HAS_HEIF: Final = importlib.util.find_spec("pillow_heif") is not None
INSTALL_HEIF: Final = 'pip install "deblur-lab[heif]"'

_FIRST_CHUNK: Final = 12  # place in a WebP
_BOXES: Final = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"iinf": 6}  # boxes of boxes, and the bytes before these
_BOX_HEADER: Final = 8  # bytes
_DEEPEST: Final = 8  # of boxes within boxes
_UNSPECIFIED: Final = 2  # of ITU-T H.273
_NUMBERS: Final = ("color_primaries", "transfer_characteristics")
_GAIN_MAPS: Final = ("hdrgainmap", "gainmap")  # in the names of auxiliary images


class WebpFile(PillowContainer):
    """A WebP that has been opened."""

    format = "WEBP"

    def metadata(self) -> Metadata:
        """Return the metadata of the chunks."""
        return Metadata(exif=self.exif, xmp=self.xmp, icc_profile=self._icc_profile)

    @property
    def compression(self) -> Compression:
        """Lossless if there is a chunk of exact pixels."""
        return Compression(lossless=b"VP8L" in self._kinds())

    def _kinds(self) -> Iterator[bytes]:
        place = _FIRST_CHUNK
        while place + 8 <= len(self._content):
            yield self._content[place : place + 4]
            size = int.from_bytes(self._content[place + 4 : place + 8], "little")
            place += 8 + size + size % 2


class AvifFile(PillowContainer):
    """An AVIF that has been opened."""

    format = "AVIF"
    compression = Compression(lossless=False)

    def __init__(self, content: bytes) -> None:
        """Read the header; raise UnreadableKindError if Pillow is built without AVIF."""
        if not features.check("avif"):
            raise UnreadableKindError("is an AVIF, and Pillow here is built without them", "install Pillow from PyPI")
        with without_warnings():  # of EXIF, which Pillow reads at once
            super().__init__(content)

    @property
    def orientation(self) -> int:
        """Orientation by EXIF, in which Pillow gives the turns of the file's own boxes in place of the camera's."""
        return orientation_of(self.exif)

    def metadata(self) -> Metadata:
        """Return the metadata of the boxes."""
        boxes = list(_boxes(self._content))
        lost = []
        if any(kind == b"av1C" and len(data) > 2 and data[2] & 0x40 for kind, data in boxes):
            lost.append("the bits beyond 8 of each channel")
        if any(kind == b"infe" and b"tmap" in data[:16] for kind, data in boxes):
            lost.append("the gain map")
        colors = (data[4:] for kind, data in boxes if kind == b"colr" and data.startswith(b"nclx") and len(data) >= 11)
        nclx = next(colors, None)
        color = None if nclx is None else _color_of_numbers(*struct.unpack_from(">HH", nclx))
        return Metadata(exif=self.exif, xmp=self.xmp, icc_profile=self._icc_profile, color=color, lost=tuple(lost))


class HeifFile(Container):
    """A HEIC that has been opened; of several images, the primary one."""

    format = "HEIF"
    compression = Compression(lossless=False)
    orientation = UPRIGHT  # the decoder turns the pixels

    def __init__(self, content: bytes) -> None:
        """Read the header; raise UnreadableKindError if pillow-heif is not installed."""
        if not HAS_HEIF:
            raise UnreadableKindError("is a HEIC image, which pillow-heif reads", f"install it: {INSTALL_HEIF}")
        import pillow_heif  # here: few images need it

        opened = pillow_heif.open_heif(content, convert_hdr_to_8bit=False)
        self._image = opened[opened.primary_index]
        self._further = len(opened) - 1
        self.width, self.height = self._image.size
        self._info: Mapping[str, Any] = self._image.info

    def decoded(self) -> Raster:
        """Decode the upright pixels; those of more than 8 bits become 16."""
        channels = np.array(self._image)
        if channels.dtype == np.uint16:  # the bits stand at the upper end
            bits = int(self._info["bit_depth"])
            largest = 2**bits - 1
            levels = (channels >> np.uint16(16 - bits)).astype(np.uint32)
            channels = ((levels * 65535 + largest // 2) // largest).astype(np.uint16)
        if channels.ndim == 2 or channels.shape[2] == 3:
            return Raster(channels)
        raster = split_alpha(channels)
        if self._image.premultiplied_alpha and raster.alpha is not None:
            return Raster(straight(raster.pixels, raster.alpha), raster.alpha)
        return raster

    def metadata(self) -> Metadata:
        """Return the metadata of the primary image."""
        lost = ["the images beside the primary one"] if self._further else []
        auxiliary = [str(name).lower() for name in self._info.get("aux", {})]
        if any(mark in name for mark in _GAIN_MAPS for name in auxiliary):
            lost.append("the gain map")
        if self._info.get("depth_images"):
            lost.append("the depth image")
        nclx: Mapping[str, Any] = self._info.get("nclx_profile") or {}
        return Metadata(
            exif=(self._info.get("exif") or b"").removeprefix(EXIF_PREFIX) or None,
            xmp=self._info.get("xmp") or None,
            icc_profile=self._info.get("icc_profile") or None,
            color=_color_of_numbers(*(int(nclx.get(name, _UNSPECIFIED)) for name in _NUMBERS)),
            lost=tuple(lost),
        )


def _color_of_numbers(primaries: int, transfer: int) -> ColorSpace | None:
    """Return the color space of decoded RGB by the numbers of ITU-T H.273; None if they are unspecified."""
    if primaries == _UNSPECIFIED and transfer == _UNSPECIFIED:
        return None
    return ColorSpace(cicp=(primaries, transfer, 0, 1))  # RGB of full range


def _boxes(
    content: bytes, start: int = 0, end: int | None = None, depth: int = _DEEPEST
) -> Iterator[tuple[bytes, bytes]]:
    """Yield the boxes of a file that hold metadata, also nested ones; damage ends them."""
    end = len(content) if end is None else end
    while depth and start + _BOX_HEADER <= end:
        size, kind = struct.unpack_from(">I4s", content, start)
        size = end - start if size == 0 else size
        if size < _BOX_HEADER or start + size > end:  # sizes of 64 bits are those of pixels
            return
        if kind in _BOXES:
            yield from _boxes(content, start + _BOX_HEADER + _BOXES[kind], start + size, depth - 1)
        elif kind != b"mdat":
            yield kind, content[start + _BOX_HEADER : start + size]
        start += size
