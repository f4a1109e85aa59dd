"""Find image files in a folder and read them as grey images: the one decoding path."""

import hashlib
import logging
import os
import stat
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

from deblur.errors import UserError

# What a file may be called, and the Pillow decoder behind each name. A name only admits a file: any of these decoders
# may then read it, so a JPEG that is called .png is read.
_DECODERS: Final = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
IMAGE_SUFFIXES: Final = frozenset(_DECODERS)

# Pillow's modes that hold 8 bits or less a channel. A 16-bit grey picture would be clipped, not scaled, by `convert`.
# YCbCr, which neither format gives, would have to become RGB first: its Y alone is not the luma of clipped colours.
_READABLE_MODES: Final = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK"})

# Part of every cache key. The first number is raised when `read_gray` gives other pixels than before for any file.
DECODER_VERSION: Final = f"1-pillow-{PIL.__version__}"


_LISTED_BAD_IMAGES = 20

_log = logging.getLogger(__name__)


class BadImageError(ValueError):
    """A file that cannot be used as an image. Its text is a short reason, to follow a file's name: `is truncated`."""


@dataclass(frozen=True)
class BadImage:
    """An image that cannot be used, and why."""

    name: str
    reason: str


def find_images(root: Path) -> list[str]:
    """Find all images in a folder and the folders within it.

    Files and folders whose names start with a dot are left out. Links are followed; a folder that is reached in several
    ways is visited once, by its own place rather than by a link, so that loops end.

    Args:
        root: Folder to search.

    Returns:
        Names relative to `root` with `/` between their parts, sorted.

    Raises:
        UserError: `root` is missing or no folder, a folder cannot be listed, or there is no image.
    """
    accepted = f"Accepted are files that end in {', '.join(sorted(IMAGE_SUFFIXES))}, also in folders within it."
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "does not exist"
        raise UserError(f"data.root: {root} {problem}. Name a folder of images. {accepted}")
    names = sorted(_walk(root))
    if not names:
        raise UserError(f"data.root: there is no image in {root}. {accepted}")
    return names


def read_gray(path: Path, min_size: int = 1) -> NDArray[np.uint8]:
    """Decode a PNG or JPEG file as a grey image.

    Grey pictures keep their levels. Colours become full-range luma with the weights of ITU-R BT.601, 0.299 R + 0.587 G
    + 0.114 B, in Pillow's integer arithmetic, from the decoded RGB values (a JPEG's own luma channel differs from that
    where colours were clipped). Transparent pictures are laid on white, as a page or a browser shows them; fully opaque
    pixels keep their values. Of an animation the first frame is read. Colour profiles and the orientation in EXIF are
    ignored.

    Args:
        path: File to read.
        min_size: Smallest width and height in px.

    Returns:
        Grey levels 0 to 255, shape (H, W).

    Raises:
        BadImageError: The file cannot be read, is damaged or cut short, is no picture of these formats, is smaller than
            `min_size`, or has so many pixels that it looks like a decompression bomb (`PIL.Image.MAX_IMAGE_PIXELS`).
    """
    try:
        # Decoders warn of odd metadata, which cannot change a pixel; each would appear once for every such file.
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if os.fstat(file.fileno()).st_size == 0:
                raise BadImageError("is empty (0 bytes)")
            with Image.open(file, formats=sorted(set(_DECODERS.values()))) as image:
                if min(image.size) < min_size:
                    size = f"{image.width}x{image.height}"
                    raise BadImageError(f"is {size}, smaller than {min_size}x{min_size}")
                return _to_gray(image)
    except (BadImageError, MemoryError):
        raise
    # A damaged file can raise nearly anything from a decoder: OSError, SyntaxError, struct.error, KeyError, ...
    except Exception as error:
        raise BadImageError(_reason(error)) from error


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
    lines = [f"\n  {_printable(image.name)} {image.reason}" for image in bad[:_LISTED_BAD_IMAGES]]
    if len(bad) > _LISTED_BAD_IMAGES:
        lines.append(f"\n  and {len(bad) - _LISTED_BAD_IMAGES} more")
    listed = "".join(lines)
    if good == 0:
        raise UserError(
            f"data.root: none of the {total} images of {description} can be used. "
            f"Mend them, or name another folder.{listed}"
        )
    if len(bad) / total > max_bad_fraction:
        raise UserError(
            f"data.max_bad_fraction: {len(bad)} of {total} images of {description} cannot be used; a share of "
            f"{max_bad_fraction:g} is allowed. Mend or remove these files, or raise data.max_bad_fraction.{listed}"
        )
    if bad:
        _log.warning("%d of %d images of %s cannot be used and are left out:%s", len(bad), total, description, listed)


def _walk(root: Path) -> Iterator[str]:
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
                f"data.root: the folder {root / folder} cannot be listed ({error.strerror}). "
                "Make it readable, or move it elsewhere."
            ) from error
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name.startswith("."):
                continue
            mode = _mode(entry)
            if stat.S_ISDIR(mode):
                (linked_folders if entry.is_symlink() else folders).append(name)
            # Pipes and devices are left out: reading them would block.
            elif stat.S_ISREG(mode) and Path(entry.name).suffix.lower() in IMAGE_SUFFIXES:
                yield name


def _mode(entry: os.DirEntry[str]) -> int:
    """Tell what a name leads to; a broken link passes for a file, to be reported as a bad image."""
    try:
        return entry.stat().st_mode
    except OSError:
        return stat.S_IFREG


def _to_gray(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode not in _READABLE_MODES:
        raise BadImageError(f"has more than 8 bits a channel (mode {image.mode})")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.array(image.convert("L"), dtype=np.uint8)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, UnidentifiedImageError):
        return f"is not a {' or '.join(sorted(set(_DECODERS.values())))} picture"
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be read ({error.strerror})"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"has too many pixels ({text})"
    if "truncated" in text.lower():
        return "is truncated"
    return f"is damaged ({text or type(error).__name__})"


def _printable(name: str) -> str:
    """Escape what would disturb a terminal or cannot be encoded for a log file."""
    return name if name.isprintable() else ascii(name)
