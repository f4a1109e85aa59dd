"""WebP files."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from deblur.image_io.formats.container import Container, Raster, luma_of, open_with_pillow, raster_of
from deblur.image_io.formats.metadata import Compression, Metadata
from deblur.image_io.orientation import orientation_of

_START: Final = 12  # bytes before the first chunk


class WebpFile(Container):
    """A WebP that has been opened."""

    format = "WEBP"

    def __init__(self, content: bytes) -> None:
        """Read the header.

        Raises:
            Exception: Anything that Pillow raises for a damaged file.
        """
        self._content = content
        self._image = open_with_pillow(content, "WEBP")
        self.width, self.height = self._image.size
        self.frames = getattr(self._image, "n_frames", 1)
        info: dict[str | tuple[int, int], Any] = self._image.info
        self._exif: bytes | None = (info.get("exif") or b"").removeprefix(b"Exif\0\0") or None
        self._xmp: bytes | None = info.get("xmp") or None

    @property
    def orientation(self) -> int:
        """How the pixels are to be turned."""
        return orientation_of(self._exif, self._xmp)

    def decoded(self) -> Raster:
        """Decode the pixels, those of the first frame."""
        self._image.load()
        return raster_of(self._image)

    def opaque_luma(self) -> NDArray[np.uint8] | None:
        """Return the luma of pixels without alpha."""
        self._image.load()
        return luma_of(self._image)

    def metadata(self) -> Metadata:
        """Return what the chunks say beside the pixels."""
        return Metadata(exif=self._exif, xmp=self._xmp, icc_profile=self._image.info.get("icc_profile") or None)

    def compression(self) -> Compression:
        """Return whether there is a chunk of exact pixels."""
        return Compression(lossless=b"VP8L" in self._kinds())

    def _kinds(self) -> Iterator[bytes]:
        place = _START
        while place + 8 <= len(self._content):
            yield self._content[place : place + 4]
            size = int.from_bytes(self._content[place + 4 : place + 8], "little")
            place += 8 + size + size % 2
