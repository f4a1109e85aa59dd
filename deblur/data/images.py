"""Find image files in a folder and read them as grey images: the one decoding path."""

import hashlib
import logging
import os
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from deblur.data.orientation import orientation, upright
from deblur.errors import UserError, too_many_files

# What a file may be called, and the Pillow decoder behind each name. A name only admits a file: any of these decoders
# may then read it, so a JPEG that is called .png is read.
DECODERS: Final = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
IMAGE_SUFFIXES: Final = frozenset(DECODERS)
FORMATS: Final = sorted(set(DECODERS.values()))

# Pillow's modes that hold 8 bits or less a channel; `convert` gives the luma of their colours.
_8_BIT_MODES: Final = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK"})
GRAY_16_BIT_MODES: Final = frozenset({"I;16", "I;16B"})  # `convert` would clip these, not scale them
UNUSABLE_MODES: Final = {
    "I": "has whole numbers with a sign or of 32 bits, and no white level is defined for them",
    "F": "has fractional numbers, and no white level is defined for them",
}
_LEVELS_OF_16_BITS_PER_8 = 257  # 65535 / 255

# The tags of TIFF that change what the pixels mean
_BITS_PER_SAMPLE, _PHOTOMETRIC = 0x0102, 0x0106
_WHITE_IS_ZERO = 0  # a value of the photometric interpretation

# Part of every cache key. The first number is raised when `read_gray` gives other pixels than before for any file.
DECODER_VERSION: Final = f"2-pillow-{PIL.__version__}"

_LISTED_BAD_IMAGES = 20

_log = logging.getLogger(__name__)


class BadImageError(ValueError):
    """A file that cannot be used as an image. Its text is a short reason, to follow a file's name: `is truncated`."""


@dataclass(frozen=True)
class BadImage:
    """An image that cannot be used, and why."""

    name: str
    reason: str


def find_images(root: Path, key: str = "data.root") -> list[str]:
    """Find all images in a folder and the folders within it.

    Files and folders whose names start with a dot are left out. Links are followed; a folder that is reached in several
    ways is visited once, by its own place rather than by a link, so that loops end.

    Args:
        root: Folder to search.
        key: What names the folder in the configuration, for messages.

    Returns:
        Names relative to `root` with `/` between their parts, sorted.

    Raises:
        UserError: `root` is missing or no folder, a folder cannot be listed, or there is no image.
    """
    accepted = f"Accepted are files that end in {', '.join(sorted(IMAGE_SUFFIXES))}, also in folders within it."
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "does not exist"
        raise UserError(f"{key}: {root} {problem}. Name a folder of images. {accepted}")
    names = sorted(_walk(root, key))
    if not names:
        raise UserError(f"{key}: there is no image in {root}. {accepted}")
    return names


def read_gray(path: Path, min_size: int = 1) -> NDArray[np.uint8]:
    """Decode a PNG, JPEG, WebP, BMP or TIFF file as a grey image.

    Grey pictures of 8 bits keep their levels; of 16 bits, levels are divided by 257 and rounded. Colours become
    full-range luma with the weights of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, in Pillow's integer arithmetic, from
    the decoded RGB values (a JPEG's own luma channel differs from that where colours were clipped). Transparent
    pictures are laid on white, as a page or a browser shows them; fully opaque pixels keep their values. The
    orientation in EXIF is applied; colour profiles are ignored. Of an animation or of several pages the first is read.

    Colours and transparent greys of 16 bits are read from the high 8 bits of each channel, as Pillow gives them: these
    levels can be one lower than rounding would make them.

    Args:
        path: File to read.
        min_size: Smallest width and height in px.

    Returns:
        Grey levels 0 to 255, shape (H, W).

    Raises:
        BadImageError: The file cannot be read, is damaged or cut short, is no picture of these formats, has levels of
            which the white one is not known, is smaller than `min_size`, or has so many pixels that it looks like a
            decompression bomb (`PIL.Image.MAX_IMAGE_PIXELS`).
        UserError: No further file can be opened.
    """
    try:
        # Decoders warn of odd metadata, which cannot change a pixel; each would appear once for every such file.
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if os.fstat(file.fileno()).st_size == 0:
                raise BadImageError("is empty (0 bytes)")
            with Image.open(file, formats=FORMATS) as image:
                if min(image.size) < min_size:
                    size = f"{image.width}x{image.height}"
                    raise BadImageError(f"is {size}, smaller than {min_size}x{min_size}")
                return _to_gray(image)
    except (BadImageError, MemoryError):
        raise
    # A damaged file can raise nearly anything from a decoder: OSError, SyntaxError, struct.error, KeyError, ...
    except Exception as error:
        if too_many := too_many_files(error):
            raise UserError(too_many) from error
        raise BadImageError(reason_for(error)) from error


def gray_of_16_bits(image: Image.Image) -> NDArray[np.uint16]:
    """Return the levels of a grey picture of 16 bits.

    Args:
        image: A loaded picture of one of `GRAY_16_BIT_MODES`.

    Returns:
        Grey levels 0 to 65535, shape (H, W), as stored: not turned.

    Raises:
        BadImageError: The levels have another number of bits.
    """
    levels = np.asarray(image).astype(np.uint16)
    if isinstance(image, TiffImageFile):
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, (16,))
        if bits != (16,):
            raise BadImageError(f"has {bits[0]} bits a level, neither 8 nor 16")
        if image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:  # Pillow inverts 8 bits, but not 16
            levels = 65535 - levels
    return levels


def digest(image: NDArray[np.uint8]) -> str:
    """Identify an image by its size and pixels.

    Args:
        image: Grey levels, shape (H, W).

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
    lines = [f"\n  {printable(image.name)} {image.reason}" for image in bad[:_LISTED_BAD_IMAGES]]
    if len(bad) > _LISTED_BAD_IMAGES:
        lines.append(f"\n  and {len(bad) - _LISTED_BAD_IMAGES} more")
    listed = "".join(lines)
    if good == 0:
        raise UserError(
            f"data: none of the {total} images of {description} can be used. Mend them, or choose others.{listed}"
        )
    if len(bad) / total > max_bad_fraction:
        raise UserError(
            f"data.max_bad_fraction: {len(bad)} of {total} images of {description} cannot be used; a share of "
            f"{max_bad_fraction:g} is allowed. Mend or remove these files, or raise data.max_bad_fraction.{listed}"
        )
    if bad:
        _log.warning("%d of %d images of %s cannot be used and are left out:%s", len(bad), total, description, listed)


def _walk(root: Path, key: str) -> Iterator[str]:
    """Give the relative name of every image below `root`, in no useful order."""
    visited: set[tuple[int, int]] = set()
    folders, linked_folders = deque([""]), deque[str]()
    while folders or linked_folders:
        folder = (folders or linked_folders).popleft()
        try:
            place = (root / folder).stat()
            if (place.st_dev, place.st_ino) in visited:
                continue
            visited.add((place.st_dev, place.st_ino))
            with os.scandir(root / folder) as found:
                # Sorted, so that of two links to a folder outside the same one is followed everywhere.
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            raise UserError(
                f"{key}: the folder {root / folder} cannot be listed ({error.strerror}). "
                "Make it readable, or move it elsewhere."
            ) from error
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name.startswith("."):
                continue
            is_folder, is_file = _kind(entry)
            if is_folder:
                (linked_folders if entry.is_symlink() else folders).append(name)
            # Pipes and devices are left out: reading them would block.
            elif is_file and os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES:  # noqa: PTH122 # 5 times as fast
                yield name


def _kind(entry: os.DirEntry[str]) -> tuple[bool, bool]:
    """Tell whether a name leads to a folder, and whether to a file; a broken link passes for a file, a bad image.

    Where it is no link, the folder's own listing has said so: most systems need not look at the file for it.
    """
    try:
        is_folder = entry.is_dir()
        return is_folder, entry.is_file() or (not is_folder and entry.is_symlink() and not _exists(entry))
    except OSError:  # such as links that lead to each other
        return False, True


def _exists(entry: os.DirEntry[str]) -> bool:
    try:
        entry.stat()
    except FileNotFoundError:
        return False
    return True


def _to_gray(image: Image.Image) -> NDArray[np.uint8]:
    image.load()  # a TIFF is turned upright by it, and forgets its orientation
    gray = _scaled_to_8_bits(image) if image.mode in GRAY_16_BIT_MODES else np.asarray(_luma(image))
    return np.array(upright(gray, orientation(image)), order="C")


def _luma(image: Image.Image) -> Image.Image:
    if image.mode == "YCbCr":
        image = image.convert("RGB")  # its Y alone is not the luma of clipped colours
    if image.mode not in _8_BIT_MODES:
        raise BadImageError(UNUSABLE_MODES.get(image.mode, f"has colours of an unknown kind (mode {image.mode})"))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("L")


def _scaled_to_8_bits(image: Image.Image) -> NDArray[np.uint8]:
    """Scale grey levels 0 to 65535 to 0 to 255, rounded to the nearest."""
    levels = gray_of_16_bits(image)
    half = _LEVELS_OF_16_BITS_PER_8 // 2
    scaled = ((levels.astype(np.uint32) + half) // _LEVELS_OF_16_BITS_PER_8).astype(np.uint8)
    if image.has_transparency_data:  # one level of a PNG stands for nothing there
        scaled[levels == image.info["transparency"]] = 255
    return scaled


def reason_for(error: Exception) -> str:
    """Say why a file cannot be used, to follow its name, from what reading it raised."""
    text = " ".join(str(error).split())
    if isinstance(error, UnidentifiedImageError):
        return f"is not a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} picture"
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be read ({error.strerror})"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"has too many pixels ({text})"
    if "truncated" in text.lower():
        return "is truncated"
    return f"is damaged ({text or type(error).__name__})"


def printable(name: str) -> str:
    """Escape what would disturb a terminal or cannot be encoded for a log file."""
    return name if name.isprintable() else ascii(name)
