"""Read image files as gray or RGB images of 8 bits, and report those that cannot be used."""

import hashlib
import importlib.metadata
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from deblur.errors import UserError, too_many_files
from deblur.image_io.formats.container import BadImageError as BadImageError
from deblur.image_io.formats.container import Container, Levels, Raster
from deblur.image_io.formats.exif import upright
from deblur.image_io.formats.opening import FORMAT_BY_SUFFIX, open_image
from deblur.image_io.formats.webp_heif import HAS_HEIF
from deblur.luma import LUMA_65536THS
from deblur.text import lines

IMAGE_SUFFIXES: Final = frozenset(FORMAT_BY_SUFFIX)

# Part of every cache key. The first number is raised if `read_gray` or `read_rgb_and_gray` returns other
# pixels than before for any file.
_HEIF_VERSION: Final = f"-heif-{importlib.metadata.version('pillow_heif')}" if HAS_HEIF else ""
DECODER_VERSION: Final = f"3-pillow-{PIL.__version__}{_HEIF_VERSION}"

_LISTED_BAD_IMAGES = 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BadImage:
    """An image that cannot be used, and why."""

    name: str
    reason: str


def read_gray(path: Path) -> NDArray[np.uint8]:
    """Decode a PNG, JPEG, WebP, BMP, TIFF, AVIF or HEIC file as a gray image.

    Gray images of 8 bits keep their levels; of 16 bits, levels are divided by 257 and rounded. Colors become full-range
    luma with the weights of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, in integer arithmetic, from the decoded RGB
    values (a JPEG's own luma channel differs from that if colors were clipped). Transparent images are laid on white,
    as in a browser; fully opaque pixels keep their values. The orientation in EXIF is applied; color profiles are
    ignored. Of an animation or of several pages the first is read, and no thumbnail.

    Returns:
        Gray levels 0 to 255, shape (H, W).

    Raises:
        BadImageError: The file cannot be read, is damaged or cut short, is of a kind that is not read, or has so many
            pixels that it looks like a decompression bomb (`PIL.Image.MAX_IMAGE_PIXELS`).
        UserError: No further file can be opened.
    """
    (gray,) = _read(path, _gray)
    return gray


def read_rgb_and_gray(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Decode an image file once, as an RGB image of 8 bits, by the rules of `read_gray`, and as a gray one.

    `luma` of the first equals the second, but for images of 16 bits, of which each channel is rounded: their luma may
    differ by one level. Gray images have three equal channels.

    Returns:
        Red, green and blue, 0 to 255, shape (H, W, 3), and what `read_gray` returns.

    Raises:
        BadImageError: As `read_gray`.
        UserError: As `read_gray`.
    """
    rgb, gray = _read(path, _rgb_and_gray)
    return rgb, gray


def _read(path: Path, pixels_of: Callable[[Container], Sequence[NDArray[np.uint8]]]) -> list[NDArray[np.uint8]]:
    """Open an image file, and return its upright pixels, in one way or several."""
    try:
        with warnings.catch_warnings():  # of odd metadata, which change no pixel
            warnings.simplefilter("ignore")
            image = open_image(not_empty(path.read_bytes()), path)
            _refuse_bomb(image)
            return [np.array(upright(pixels, image.orientation), order="C") for pixels in pixels_of(image)]
    except (BadImageError, MemoryError):
        raise
    # A damaged file can raise nearly anything from a decoder: OSError, SyntaxError, struct.error, KeyError, ...
    except Exception as error:
        if too_many := too_many_files(error):
            raise UserError(too_many) from error
        raise BadImageError(reason_for(error)) from error


def luma(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the full-range luma (H, W) of an RGB image (H, W, 3), rounded to the nearest level.

    0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), in integer arithmetic with weights in 65536ths.
    """
    return np.asarray(Image.fromarray(image).convert("L"))


def digest(image: NDArray[np.uint8]) -> str:
    """Return the SHA-256 of an image (H, W) or (H, W, 3), its shape and pixels, in hexadecimal digits."""
    hasher = hashlib.sha256(f"{'x'.join(map(str, image.shape))}:".encode())
    hasher.update(np.ascontiguousarray(image).data)
    return hasher.hexdigest()


def report_bad_images(bad: Sequence[BadImage], good: int, description: str, max_bad_fraction: float) -> None:
    """Warn once of all bad images; refuse too many of them, and a lack of good ones.

    Args:
        bad: Bad images; the first of them are named.
        good: Number of good images.
        description: Name of all the images.
        max_bad_fraction: Largest fraction of bad images, 0 to 1.

    Raises:
        UserError: The fraction of bad images is larger, or there are no good ones.
    """
    total = len(bad) + good
    listed = [f"  {printable(image.name)} {image.reason}" for image in bad[:_LISTED_BAD_IMAGES]]
    if len(bad) > _LISTED_BAD_IMAGES:
        listed.append(f"  and {len(bad) - _LISTED_BAD_IMAGES} more")
    if good == 0:
        sentence = f"data: none of the {total} images of {description} can be used. Fix them, or choose others."
        raise UserError(lines(sentence, *listed))
    if len(bad) / total > max_bad_fraction:
        sentence = (
            f"data.max_bad_fraction: {len(bad)} of {total} images of {description} cannot be used; a share of "
            f"{max_bad_fraction:g} is allowed. Fix or remove these files, or raise data.max_bad_fraction."
        )
        raise UserError(lines(sentence, *listed))
    if bad:
        sentence = f"{len(bad)} of {total} images of {description} cannot be used and are left out:"
        _log.warning(lines(sentence, *listed))


def _refuse_bomb(image: Container) -> None:
    pixels = image.width * image.height
    if Image.MAX_IMAGE_PIXELS is not None and pixels > Image.MAX_IMAGE_PIXELS:
        raise BadImageError(f"has too many pixels ({pixels} pixels, where {Image.MAX_IMAGE_PIXELS} are allowed)")


def _gray(image: Container) -> Sequence[NDArray[np.uint8]]:
    """Return the luma of pixels on white, 8 bits."""
    opaque = image.opaque_luma()
    return [_luma_on_white(image.decoded()) if opaque is None else opaque]


def _rgb_and_gray(image: Container) -> Sequence[NDArray[np.uint8]]:
    """Return red, green and blue of pixels on white, and their luma, 8 bits."""
    raster = image.decoded()
    is_deep = raster.pixels.dtype == np.uint16
    pixels = eight_bits(_on_white_16(raster.pixels, raster.alpha)) if is_deep else _on_white(raster)
    rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    return rgb, _luma_on_white(raster) if is_deep else luma(rgb)


def _luma_on_white(raster: Raster) -> NDArray[np.uint8]:
    if raster.pixels.dtype == np.uint16:
        return eight_bits(_on_white_16(_luma_of_16_bits(raster.pixels), raster.alpha))
    pixels = _on_white(raster)
    return luma(pixels) if pixels.ndim == 3 else pixels


def _on_white(raster: Raster) -> NDArray[np.uint8]:
    """Return pixels of 8 bits on white: gray ones without alpha (H, W), others (H, W, 3)."""
    if raster.alpha is None:
        return raster.pixels.astype(np.uint8, copy=False)
    channels = Image.fromarray(np.dstack([raster.pixels, raster.alpha])).convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", channels.size, "white"), channels).convert("RGB"))


def _on_white_16(levels: NDArray[Any], alpha: Levels | None) -> NDArray[np.uint16]:
    """Return levels of 16 bits, (H, W) or (H, W, 3), on white."""
    if alpha is None:
        return levels.astype(np.uint16, copy=False)
    opacity = alpha.astype(np.int64).reshape(*alpha.shape, *(1,) * (levels.ndim - 2))
    return ((levels.astype(np.int64) * opacity + 65535 * (65535 - opacity) + 32767) // 65535).astype(np.uint16)


def _luma_of_16_bits(pixels: Levels) -> Levels:
    """Return the luma of pixels of 16 bits; gray ones as they are."""
    if pixels.ndim == 2:
        return pixels
    return ((pixels.astype(np.int64) @ np.array(LUMA_65536THS, np.int64) + 2**15) >> 16).astype(np.uint16)


def eight_bits(levels: NDArray[np.uint8 | np.uint16]) -> NDArray[np.uint8]:
    """Return 16-bit levels as 8-bit ones, rounded to the nearest; 8-bit ones as they are."""
    if levels.dtype == np.uint8:
        return levels.astype(np.uint8, copy=False)
    return ((levels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def not_empty(content: bytes) -> bytes:
    """Return the content of a file, or raise BadImageError if there is none."""
    if not content:
        raise BadImageError("is empty (0 bytes)")
    return content


def reason_for(error: Exception) -> str:
    """Return why a file cannot be used, to follow its name, from an error of reading it."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be read ({error.strerror})"
    if isinstance(error, UnidentifiedImageError):
        return "is damaged (its header cannot be read)"
    if isinstance(error, Image.DecompressionBombError):
        return f"has too many pixels ({text})"
    if "truncated" in text.lower():
        return "is truncated"
    return f"is damaged ({text or type(error).__name__})"


def printable(name: str) -> str:
    """Return a name with escapes for what would disturb a terminal or cannot be encoded in a log file."""
    return name if name.isprintable() else ascii(name)
