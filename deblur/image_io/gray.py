"""Read image files as gray images: the one decoding path."""

import hashlib
import importlib.metadata
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from deblur.errors import UserError, too_many_files
from deblur.image_io.formats.container import LEVELS_OF_16_BITS_PER_8, Container, Raster
from deblur.image_io.formats.heif import HAS_HEIF
from deblur.image_io.formats.kinds import FORMAT_BY_SUFFIX
from deblur.image_io.formats.kinds import BadImageError as BadImageError
from deblur.image_io.formats.opening import open_image
from deblur.image_io.orientation import upright
from deblur.text import lines

DECODERS: Final = FORMAT_BY_SUFFIX
IMAGE_SUFFIXES: Final = frozenset(DECODERS)

# Part of every cache key. The first number is raised when `read_gray` gives other pixels than before for any file.
_HEIF_VERSION: Final = f"-heif-{importlib.metadata.version('pillow_heif')}" if HAS_HEIF else ""
DECODER_VERSION: Final = f"3-pillow-{PIL.__version__}{_HEIF_VERSION}"

_LUMA: Final = (19595, 38470, 7471)  # weights of ITU-R BT.601 in 65536ths, with which Pillow reckons as well

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
    values (a JPEG's own luma channel differs from that where colors were clipped). Transparent images are laid on
    white, as a page or a browser shows them; fully opaque pixels keep their values. The orientation in EXIF is applied;
    color profiles are ignored. Of an animation or of several pages the first is read, and no thumbnail.

    Args:
        path: File to read.

    Returns:
        Gray levels 0 to 255, shape (H, W).

    Raises:
        BadImageError: The file cannot be read, is damaged or cut short, is of a kind that is not read, or has so many
            pixels that it looks like a decompression bomb (`PIL.Image.MAX_IMAGE_PIXELS`).
        UserError: No further file can be opened.
    """
    try:
        # Decoders warn of odd metadata, which cannot change a pixel; each would appear once for every such file.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = path.read_bytes()
            if not content:
                raise BadImageError("is empty (0 bytes)")
            image = open_image(content, path)
            _refuse_bomb(image)
            return np.array(upright(_gray(image), image.orientation), order="C")
    except (BadImageError, MemoryError):
        raise
    # A damaged file can raise nearly anything from a decoder: OSError, SyntaxError, struct.error, KeyError, ...
    except Exception as error:
        if too_many := too_many_files(error):
            raise UserError(too_many) from error
        raise BadImageError(reason_for(error)) from error


def digest(image: NDArray[np.uint8]) -> str:
    """Identify an image by its size and pixels.

    Args:
        image: Gray levels, shape (H, W).

    Returns:
        SHA-256 in hexadecimal digits; equal images have equal digests.
    """
    height, width = image.shape
    hasher = hashlib.sha256(f"{height}x{width}:".encode())
    hasher.update(np.ascontiguousarray(image).data)
    return hasher.hexdigest()


def report_bad_images(bad: Sequence[BadImage], good: int, description: str, max_bad_fraction: float) -> None:
    """Warn once of all bad images; refuse too many of them, and a lack of good ones.

    Args:
        bad: Bad images; the first of them are named.
        good: Number of good images.
        description: What the images are.
        max_bad_fraction: Largest share of bad images, 0 to 1.

    Raises:
        UserError: The share of bad images is larger, or there are no good ones.
    """
    total = len(bad) + good
    listed = [f"  {printable(image.name)} {image.reason}" for image in bad[:_LISTED_BAD_IMAGES]]
    if len(bad) > _LISTED_BAD_IMAGES:
        listed.append(f"  and {len(bad) - _LISTED_BAD_IMAGES} more")
    if good == 0:
        told = f"data: none of the {total} images of {description} can be used. Fix them, or choose others."
        raise UserError(lines(told, *listed))
    if len(bad) / total > max_bad_fraction:
        told = (
            f"data.max_bad_fraction: {len(bad)} of {total} images of {description} cannot be used; a share of "
            f"{max_bad_fraction:g} is allowed. Fix or remove these files, or raise data.max_bad_fraction."
        )
        raise UserError(lines(told, *listed))
    if bad:
        told = f"{len(bad)} of {total} images of {description} cannot be used and are left out:"
        _log.warning(lines(told, *listed))


def _refuse_bomb(image: Container) -> None:
    pixels = image.width * image.height
    if Image.MAX_IMAGE_PIXELS is not None and pixels > Image.MAX_IMAGE_PIXELS:
        raise BadImageError(f"has too many pixels ({pixels} pixels, where {Image.MAX_IMAGE_PIXELS} are allowed)")


def _gray(image: Container) -> NDArray[np.uint8]:
    """Return the luma of pixels on white, 8 bits."""
    luma = image.opaque_luma()
    return _on_white(image.decoded()) if luma is None else luma


def _on_white(raster: Raster) -> NDArray[np.uint8]:
    if raster.pixels.dtype == np.uint16:
        return _scaled_to_8_bits(_luma_of_16_bits(raster))
    if raster.alpha is not None:
        image = Image.fromarray(np.dstack([raster.pixels, raster.alpha])).convert("RGBA")
        return np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("L"))
    if raster.pixels.ndim == 3:
        return np.asarray(Image.fromarray(raster.pixels).convert("L"))
    return raster.pixels.astype(np.uint8, copy=False)


def _luma_of_16_bits(raster: Raster) -> NDArray[np.uint32]:
    """Return the luma of pixels of 16 bits on white."""
    levels = raster.pixels.astype(np.int64)
    if levels.ndim == 3:
        levels = (levels @ np.array(_LUMA, np.int64) + 2**15) >> 16
    if raster.alpha is not None:
        alpha = raster.alpha.astype(np.int64)
        levels = (levels * alpha + 65535 * (65535 - alpha) + 32767) // 65535
    return levels.astype(np.uint32)


def _scaled_to_8_bits(levels: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Scale levels 0 to 65535 to 0 to 255, rounded to the nearest."""
    return ((levels + LEVELS_OF_16_BITS_PER_8 // 2) // LEVELS_OF_16_BITS_PER_8).astype(np.uint8)


def reason_for(error: Exception) -> str:
    """Say why a file cannot be used, to follow its name, from what reading it raised."""
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
    """Escape what would disturb a terminal or cannot be encoded for a log file."""
    return name if name.isprintable() else ascii(name)
