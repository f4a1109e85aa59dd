"""AVIF and HEIC files. Pillow reads AVIF; HEIC is read by pillow-heif, which is optional."""

import importlib.util
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import features

from deblur.image_io.formats.container import (
    Container,
    Raster,
    luma_of,
    open_with_pillow,
    raster_of,
    split_alpha,
    straight,
)
from deblur.image_io.formats.kinds import UnreadableKindError
from deblur.image_io.formats.metadata import ColorSpace, Compression, Metadata
from deblur.image_io.formats.quiet import without_warnings
from deblur.image_io.orientation import orientation_of

HAS_HEIF: Final = importlib.util.find_spec("pillow_heif") is not None
INSTALL_HEIF: Final = 'pip install "deblur-lab[heif]"'

_CONTAINERS: Final = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"iinf": 6}  # boxes of boxes, and the bytes before these
_BOX_HEADER: Final = 8  # bytes
_DEEPEST: Final = 8  # of boxes within boxes
_UNSPECIFIED: Final = 2  # of ITU-T H.273
_GAIN_MAPS: Final = ("hdrgainmap", "gainmap")  # in the names of auxiliary images


class AvifFile(Container):
    """An AVIF that has been opened."""

    format = "AVIF"

    def __init__(self, content: bytes) -> None:
        """Read the header.

        Raises:
            UnreadableKindError: Pillow is built without AVIF.
            Exception: Anything that Pillow raises for a damaged file.
        """
        if not features.check("avif"):
            raise UnreadableKindError("is an AVIF, and Pillow here is built without them", "install Pillow from PyPI")
        self._content = content
        with without_warnings():  # of EXIF, which Pillow reads at once
            self._image = open_with_pillow(content, "AVIF")
        self.width, self.height = self._image.size
        self.frames = getattr(self._image, "n_frames", 1)
        info: dict[Any, Any] = self._image.info
        # Pillow gives the turns that the file's own boxes ask for in EXIF, in place of the camera's.
        self._exif: bytes | None = (info.get("exif") or b"").removeprefix(b"Exif\0\0") or None
        self._xmp: bytes | None = info.get("xmp") or None
        self._icc_profile: bytes | None = info.get("icc_profile") or None

    @property
    def orientation(self) -> int:
        """How the pixels are to be turned."""
        return orientation_of(self._exif)

    def decoded(self) -> Raster:
        """Decode the pixels, those of the first frame."""
        self._image.load()
        return raster_of(self._image)

    def opaque_luma(self) -> NDArray[np.uint8] | None:
        """Return the luma of pixels without alpha."""
        self._image.load()
        return luma_of(self._image)

    def metadata(self) -> Metadata:
        """Return what the boxes say beside the pixels."""
        boxes = [(kind, data) for kind, data in _boxes(self._content)]
        lost = []
        if any(kind == b"av1C" and len(data) > 2 and data[2] & 0x40 for kind, data in boxes):
            lost.append("the bits beyond 8 of each channel")
        if any(kind == b"infe" and b"tmap" in data[:16] for kind, data in boxes):
            lost.append("the gain map")
        colors = (data[4:] for kind, data in boxes if kind == b"colr" and data.startswith(b"nclx") and len(data) >= 11)
        nclx = next(colors, None)
        color = None if nclx is None else color_of_numbers(*struct.unpack_from(">HH", nclx))
        return Metadata(exif=self._exif, xmp=self._xmp, icc_profile=self._icc_profile, color=color, lost=tuple(lost))

    def compression(self) -> Compression:
        """Return that pixels are not stored exactly."""
        return Compression(lossless=False)


class HeifFile(Container):
    """A HEIC that has been opened; of several images, the primary one."""

    format = "HEIF"

    def __init__(self, content: bytes) -> None:
        """Read the header.

        Raises:
            UnreadableKindError: pillow-heif is not installed.
            Exception: Anything that it raises for a damaged file.
        """
        if not HAS_HEIF:
            raise UnreadableKindError("is a HEIC image, which pillow-heif reads", f"install it: {INSTALL_HEIF}")
        import pillow_heif  # here: few images need it

        opened = pillow_heif.open_heif(content, convert_hdr_to_8bit=False)
        self._image = opened[opened.primary_index]
        self._further = len(opened) - 1
        self.width, self.height = self._image.size
        self._info: Mapping[str, Any] = self._image.info

    def decoded(self) -> Raster:
        """Decode the pixels, turned as the file asks for; those of more than 8 bits become 16."""
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
        """Return what the file says of its primary image."""
        lost = ["the images beside the primary one"] if self._further else []
        auxiliary = [str(name).lower() for name in self._info.get("aux", {})]
        if any(mark in name for mark in _GAIN_MAPS for name in auxiliary):
            lost.append("the gain map")
        if self._info.get("depth_images"):
            lost.append("the depth image")
        nclx: Mapping[str, Any] = self._info.get("nclx_profile") or {}
        numbers = [int(nclx.get(name, _UNSPECIFIED)) for name in _NUMBERS]
        exif: bytes = self._info.get("exif") or b""
        return Metadata(
            exif=exif.removeprefix(b"Exif\0\0") or None,
            xmp=self._info.get("xmp") or None,
            icc_profile=self._info.get("icc_profile") or None,
            color=color_of_numbers(*numbers) if nclx else None,
            lost=tuple(lost),
        )

    def compression(self) -> Compression:
        """Return that pixels are not stored exactly."""
        return Compression(lossless=False)


_NUMBERS: Final = ("color_primaries", "transfer_characteristics")


def color_of_numbers(primaries: int, transfer: int) -> ColorSpace | None:
    """Return the color of decoded RGB by the numbers of ITU-T H.273; None if they say nothing."""
    if primaries == _UNSPECIFIED and transfer == _UNSPECIFIED:
        return None
    return ColorSpace(cicp=(primaries, transfer, 0, 1))  # RGB of full range


def _boxes(
    content: bytes, start: int = 0, end: int | None = None, depth: int = _DEEPEST
) -> Iterator[tuple[bytes, bytes]]:
    """Give the boxes of a file and those within them, as far as metadata go; damage ends the list."""
    end = len(content) if end is None else end
    while depth and start + _BOX_HEADER <= end:
        size, kind = struct.unpack_from(">I4s", content, start)
        size = end - start if size == 0 else size
        if size < _BOX_HEADER or start + size > end:  # sizes of 64 bits are those of pixels
            return
        if kind in _CONTAINERS:
            yield from _boxes(content, start + _BOX_HEADER + _CONTAINERS[kind], start + size, depth - 1)
        elif kind != b"mdat":
            yield kind, content[start + _BOX_HEADER : start + size]
        start += size
