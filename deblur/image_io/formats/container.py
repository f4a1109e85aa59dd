"""An image file that has been opened: what its header says, and its pixels on demand."""

import io
import struct
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from deblur.image_io.formats.kinds import UnreadableKindError
from deblur.image_io.formats.metadata import Compression, Metadata
from deblur.image_io.orientation import UPRIGHT

Levels: TypeAlias = NDArray[np.uint8 | np.uint16]

LEVELS_OF_16_BITS_PER_8: Final = 257  # 65535 / 255


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
    """

    format: str
    width: int
    height: int
    frames: int = 1
    pages: int = 1
    space: Literal["color", "cmyk"] = "color"

    @abstractmethod
    def decoded(self) -> Raster:
        """Decode the pixels.

        Raises:
            BadImageError: The file is damaged, or of a kind that is not read.
            Exception: Anything that a decoder raises for a damaged file.
        """

    def opaque_luma(self) -> NDArray[np.uint8] | None:
        """Return the luma of the pixels (H, W), for images of 8 bits without alpha of which Pillow reckons it at once.

        This is what `decoded` gives, in a third of the time for a large JPEG; None for other images.
        """
        return None

    @property
    def orientation(self) -> int:
        """How the pixels are to be turned, 1 to 8 as in EXIF; another number leaves them as they are."""
        return UPRIGHT

    @abstractmethod
    def metadata(self) -> Metadata:
        """Return what the file says beside the pixels, as it is stored."""

    def compression(self) -> Compression:
        """Return how the file holds its pixels."""
        return Compression()


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
    """Return the pixels of a Pillow image of 8 bits a channel or less; a transparent color becomes alpha.

    Raises:
        UnreadableKindError: The mode is none that files of this kind have.
    """
    if image.mode not in _GRAY_MODES | _COLOR_MODES:
        raise UnreadableKindError(f"has colors of an unknown kind (mode {image.mode})")
    kind = "L" if image.mode in _GRAY_MODES else "RGB"
    if not image.has_transparency_data:
        return Raster(np.asarray(image if image.mode == kind else image.convert(kind)))
    return split_alpha(np.asarray(image.convert(f"{kind}A")))


def luma_of(image: Image.Image) -> NDArray[np.uint8] | None:
    """Return the luma of a loaded Pillow image of 8 bits a channel; None if it is transparent, or of other modes."""
    if image.mode not in _OPAQUE_MODES or image.has_transparency_data:
        return None
    return np.asarray(image if image.mode == "L" else image.convert("L"))


_OPAQUE_MODES: Final = frozenset({"1", "L", "P", "RGB", "RGBX"})
_GRAY_MODES: Final = frozenset({"1", "L", "LA"})
_COLOR_MODES: Final = frozenset({"P", "PA", "RGB", "RGBA", "RGBX", "YCbCr"})


def split_alpha(channels: NDArray[Any]) -> Raster:
    """Return pixels whose last channel of 2 or 4 is alpha."""
    pixels = channels[..., 0] if channels.shape[2] == 2 else channels[..., :3]
    return Raster(np.ascontiguousarray(pixels), np.ascontiguousarray(channels[..., -1]))


def alpha_of_level(matches: NDArray[np.bool_], like: NDArray[Any]) -> Levels:
    """Return alpha that hides the pixels of one level or color."""
    opaque = np.iinfo(like.dtype).max
    alpha: Levels = np.where(matches, 0, opaque).astype(like.dtype)
    return alpha


def straight(pixels: Levels, alpha: Levels) -> Levels:
    """Return colors that are not multiplied by alpha from such that are, rounded down as Pillow does."""
    channels = pixels if pixels.ndim == 3 else pixels[..., None]
    full = int(np.iinfo(pixels.dtype).max)
    opacity = np.maximum(alpha.astype(np.int64), 1)[..., None]
    divided = channels.astype(np.int64) * full // opacity
    colors: Levels = np.minimum(divided, full).astype(pixels.dtype).reshape(pixels.shape)
    return colors
