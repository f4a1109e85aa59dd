"""An image file that has been opened: its header, and its pixels on demand."""

import io
import struct
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from deblur.image_io.formats.exif import EXIF_PREFIX, orientation_of
from deblur.image_io.formats.metadata import Compression, Metadata

Levels: TypeAlias = NDArray[np.uint8 | np.uint16]

RAW: Final = "raw file of a camera"
_SAVE: Final = "save it with 8 or 16 bits a channel as gray or RGB, such as in a PNG, and give that file"
_DEVELOP: Final = "raw files need developing first: give the TIFF or JPEG that a program for them writes"
# Modes of Pillow
_GRAY_MODES: Final = frozenset({"1", "L", "LA"})
_COLOR_MODES: Final = frozenset({"P", "PA", "RGB", "RGBA", "RGBX", "YCbCr"})
_OPAQUE_MODES: Final = frozenset({"1", "L", "P", "RGB", "RGBX"})


class BadImageError(ValueError):
    """A file that cannot be used as an image. Its text is a short reason, to follow a file's name: `is truncated`."""


class UnreadableKindError(BadImageError):
    """An intact file of a kind that is not read.

    Attributes:
        advice: what can be done about it.
    """

    def __init__(self, kind: str, advice: str = _SAVE) -> None:
        """Name the kind, to follow `it` (`is a JPEG of 12 bits a channel`), and an imperative without a full stop."""
        super().__init__(f"cannot be read: it {kind}")
        self.advice = advice


def raw_error() -> UnreadableKindError:
    """Return the error of a camera's raw file."""
    return UnreadableKindError(f"is a {RAW}", _DEVELOP)


@dataclass(frozen=True, eq=False)
class Raster:
    """Decoded pixels, as they are stored: not turned.

    Attributes:
        pixels: gray (H, W) or red, green and blue (H, W, 3), uint8 or uint16, full range.
        alpha: opacity (H, W) of the type of the pixels, or None. Colors are not multiplied by it.
    """

    pixels: Levels
    alpha: Levels | None = None


class Container(ABC):
    """An image file whose header has been read.

    Attributes:
        format: PNG, JPEG, WEBP, BMP, TIFF, AVIF or HEIF.
        width: of the stored pixels [px].
        height: of the stored pixels [px].
        frames: number of images of an animation, of which the first is read.
        pages: number of full images of a file of several.
        space: `cmyk` for the inks of a print, which `decoded` turns into RGB without a profile; `color` otherwise.
        exif: EXIF from its byte order mark on.
        xmp: XMP in UTF-8.
    """

    format: str
    width: int
    height: int
    frames: int = 1
    pages: int = 1
    space: Literal["color", "cmyk"] = "color"
    exif: bytes | None = None
    xmp: bytes | None = None

    @property
    def orientation(self) -> int:
        """Orientation of the stored pixels, 1 to 8 as in EXIF; another number leaves them as they are."""
        return orientation_of(self.exif, self.xmp)

    @abstractmethod
    def decoded(self) -> Raster:
        """Decode the pixels.

        Raises:
            BadImageError: The file is damaged, or of a kind that is not read.
            Exception: Anything that a decoder raises for a damaged file.
        """

    def opaque_luma(self) -> NDArray[np.uint8] | None:
        """Return the luma of 8-bit pixels without alpha (H, W) as Pillow computes it; None for other images.

        It equals that of `decoded`, in a third of the time for a large JPEG.
        """
        return None

    @abstractmethod
    def metadata(self) -> Metadata:
        """Return the metadata, as they are stored."""

    @property
    def compression(self) -> Compression:
        """How the file holds its pixels."""
        return Compression()


class PillowContainer(Container):
    """An image file whose pixels of 8 bits a channel Pillow decodes."""

    def __init__(self, content: bytes) -> None:
        """Read the header; raise what Pillow raises for a damaged file."""
        self._content = content
        self._image = open_with_pillow(content, self.format)
        self.width, self.height = self._image.size
        self.frames = getattr(self._image, "n_frames", 1)
        info: dict[Any, Any] = self._image.info
        self.exif = (info.get("exif") or b"").removeprefix(EXIF_PREFIX) or None
        self.xmp = info.get("xmp") or None
        self._icc_profile: bytes | None = info.get("icc_profile") or None

    def _loaded(self) -> Image.Image:
        """Return the decoded image; of an animation, the first frame."""
        self._image.load()
        return self._image

    def decoded(self) -> Raster:
        """Decode the pixels."""
        return raster_of(self._loaded())

    def opaque_luma(self) -> NDArray[np.uint8] | None:
        """Return the luma of pixels without alpha."""
        image = self._loaded()
        if image.mode not in _OPAQUE_MODES or image.has_transparency_data:
            return None
        return np.asarray(image if image.mode == "L" else image.convert("L"))


def open_with_pillow(content: bytes, file_format: str) -> Image.Image:
    """Open an image with one of Pillow's decoders, whatever its size: callers bound the pixels once they are known.

    `Image.open` has one limit per process, which cannot be set for one image.

    Raises:
        UnidentifiedImageError: The header is damaged.
    """
    Image.init()
    opener, _ = Image.OPEN[file_format]
    try:
        return opener(io.BytesIO(content), "")
    except (SyntaxError, IndexError, TypeError, struct.error) as error:  # as in `Image.open`
        raise UnidentifiedImageError("cannot identify image file") from error


def raster_of(image: Image.Image) -> Raster:
    """Return the pixels of a Pillow image of 8 bits a channel or less; a transparent color becomes alpha."""
    if image.mode not in _GRAY_MODES | _COLOR_MODES:
        raise UnreadableKindError(f"has colors of an unknown kind (mode {image.mode})")
    kind = "L" if image.mode in _GRAY_MODES else "RGB"
    if not image.has_transparency_data:
        return Raster(np.asarray(image if image.mode == kind else image.convert(kind)))
    return split_alpha(np.asarray(image.convert(f"{kind}A")))


def split_alpha(channels: NDArray[Any]) -> Raster:
    """Return pixels whose last channel of 2 or 4 is alpha."""
    pixels = channels[..., 0] if channels.shape[2] == 2 else channels[..., :3]
    return Raster(np.ascontiguousarray(pixels), np.ascontiguousarray(channels[..., -1]))


def straight(pixels: Levels, alpha: Levels) -> Levels:
    """Return colors not multiplied by alpha from multiplied ones, rounded down as Pillow does."""
    channels = pixels if pixels.ndim == 3 else pixels[..., None]
    full = int(np.iinfo(pixels.dtype).max)
    opacity = np.maximum(alpha.astype(np.int64), 1)[..., None]
    divided = channels.astype(np.int64) * full // opacity
    colors: Levels = np.minimum(divided, full).astype(pixels.dtype).reshape(pixels.shape)
    return colors
