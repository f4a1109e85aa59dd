"""Decoded images on disk: decoded once, then held in memory or read image by image."""

import hashlib
import json
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deblur.choices import DataColor
from deblur.data.building import build, locked
from deblur.data.cache_files import INDEX, PIXELS, Index, PixelFile, image_at, verify
from deblur.data.sources import ImageSource
from deblur.errors import UserError
from deblur.image_io.decoding import digest, printable, report_bad_images

_DEFAULT_MEMORY_LIMIT: Final = 1024**3  # bytes
_DAMAGE: Final = (OSError, ValueError)  # what opening a missing, damaged or older cache raises

_OF_COLORS: Final = "-color"  # ends the name of the folder of a cache of RGB images
_PER_IMAGE: Final = ("names", "shapes", "digests", "_digests_of_pixels")

_log = logging.getLogger(__name__)


class ImageCache:
    """Decoded images of equal or mixed sizes.

    A copy made by pickling, for another process, holds no pixels: it reads them from the same files, so that all
    processes share the system's page cache.

    Attributes:
        names: Names of the good images, in the order of the source.
        shapes: Height and width of each image [px].
        channels: Of each image: 1 for gray, 3 for RGB.
        has_colors: Whether the channels of any image in the files differ.
        digests: Digest of each image; identical images have identical ones, in gray and in color.
        bad: Images that were left out.
        fingerprint: Hash of all names and digests. It depends neither on places nor on times.
        was_built: Whether the images were decoded again.
    """

    was_built = False

    def __init__(self, folder: Path, memory_limit: int) -> None:
        """Open a finished cache.

        Args:
            folder: Folder of the cache.
            memory_limit: Up to this many bytes of pixels are read into memory; more are read image by image.

        Raises:
            OSError, ValueError: A file is missing, damaged or of another version.
        """
        index = Index.read(folder / INDEX)
        self._pixels = PixelFile(folder / PIXELS, index.pixels, in_memory=index.pixels <= memory_limit)
        verify(folder, index, self._pixels)
        self._folder = folder
        self._subset: dict[str, object] = {}  # what differs from the files
        self._offsets = index.offsets
        self.names = tuple(index.names)
        self.shapes = tuple(index.shapes)
        self.channels = index.channels
        self.has_colors = index.has_colors
        self.digests = tuple(index.digests)
        self._digests_of_pixels = tuple(index.digests_of_pixels)
        self.bad = tuple(index.bad)
        self.fingerprint = self._fingerprint_of_files = _fingerprint(self.names, self._digests_of_pixels)

    def __len__(self) -> int:
        """Count the good images."""
        return len(self.names)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """Return the image at a place in `names`: levels 0 to 255, (H, W) or (H, W, 3), read-only."""
        try:
            image = image_at(self._pixels, self._offsets[index], self.shapes[index], self.channels)
        except _DAMAGE as error:
            raise _changed_in_use(self._folder, str(error)) from error
        # After the reading, so that no change before it goes unnoticed.
        if self._pixels.has_changed and digest(image) != self._digests_of_pixels[index]:
            name = printable(self.names[index])
            raise _changed_in_use(self._folder, f"{name} has other pixels than when it was decoded")
        return image

    def announce(self, indices: Iterable[int]) -> None:
        """Have the disk begin to read images that are wanted soon, unless they are in memory; return at once."""
        for index in () if self._pixels.held_bytes else indices:
            height, width = self.shapes[index]
            self._pixels.announce(self._offsets[index], height * width * self.channels)

    @property
    def held_bytes(self) -> int:
        """How much memory the pixels take in this process; 0 if they are read image by image."""
        return self._pixels.held_bytes

    def subset(self, indices: Sequence[int]) -> "ImageCache":
        """Return some of the images, in the order of `indices`, on the same pixels, with their own fingerprint."""
        chosen = object.__new__(ImageCache)
        chosen.__dict__ |= self.__dict__
        chosen._subset = {
            "_offsets": [self._offsets[index] for index in indices],
            **{name: tuple(getattr(self, name)[index] for index in indices) for name in _PER_IMAGE},
        }
        chosen.__dict__ |= chosen._subset
        chosen.fingerprint = _fingerprint(chosen.names, chosen._digests_of_pixels)
        return chosen

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the place of the files; the copy reads from them, whatever their size."""
        kept = {name: getattr(self, name) for name in ("bad", "fingerprint", "was_built")}
        return _reopened, (self._folder, self._fingerprint_of_files), self._subset | kept


def open_cache(
    source: ImageSource,
    root: Path,
    *,
    color: DataColor = "gray",
    max_bad_fraction: float | None = 0.05,
    workers: int | None = None,
    progress: bool = True,
    memory_limit: int = _DEFAULT_MEMORY_LIMIT,
) -> ImageCache:
    """Open the cache of a source; decode its images first if that has not been done, or if they have changed.

    Bad images are left out with a warning. Of several processes that need the same cache, one decodes, the others wait.

    Args:
        source: Images to decode.
        root: Folder of all caches; created if it is missing.
        color: Whether gray or RGB images are wanted, whatever the source decodes.
        max_bad_fraction: Largest share of bad images, 0 to 1; None leaves it to the caller to report them.
        workers: Threads that decode; None takes one per CPU of this process, or one for a source that several do not
            speed up.
        progress: Whether a progress bar is shown, if standard error is a terminal.
        memory_limit: As in `ImageCache`.

    Raises:
        UserError: There are too many bad images or no good ones, a custom source decodes no images or no colors, `root`
            cannot be written, or the disk is full.
    """
    root = root.absolute()
    key = source.cache_key()
    if color == "rgb":
        _refuse_no_colors(source)
        key += _OF_COLORS
    cache = _opened(source, root / key, memory_limit)
    if cache is None:
        with locked(root, key):  # another process may have built it meanwhile
            cache = _opened(source, root / key, memory_limit, warns=True)
            if cache is None:
                build(source, root, key, workers or (_available_cpus() if source.is_parallel else 1), progress, color)
                cache = ImageCache(root / key, memory_limit)
                cache.was_built = True
    if max_bad_fraction is not None:
        report_bad_images(cache.bad, len(cache), source.description, max_bad_fraction)
    if color == "rgb" and len(cache) and not cache.has_colors:
        _log.warning(
            "data.color=rgb: the images of %s are gray, and each is repeated to three equal channels. data.color=gray "
            "trains on the same images in less time.",
            source.description,
        )
    return cache


def _refuse_no_colors(source: ImageSource) -> None:
    """Refuse a custom class that derives from one of ours and changes how gray images are decoded, but not RGB ones."""
    kind = type(source)
    changed = next(one for one in kind.__mro__ if "decode" in vars(one))
    of_colors = next(one for one in kind.__mro__ if "decode_rgb" in vars(one))
    if of_colors is not ImageSource and kind.__mro__.index(changed) < kind.__mro__.index(of_colors):
        raise UserError(
            f"data.color=rgb: {changed.__name__} overrides decode and not decode_rgb, by which {of_colors.__name__} "
            "decodes images in color. Override decode_rgb as well, or take data.color=gray."
        )


def _opened(source: ImageSource, folder: Path, memory_limit: int, *, warns: bool = False) -> ImageCache | None:
    """Open the cache of a source; None if it is missing, damaged, of another version or of other images."""
    try:
        cache = ImageCache(folder, memory_limit)
        bad = {image.name for image in cache.bad}
        if cache.names != tuple(name for name in source.names if name not in bad):
            raise ValueError(f"{INDEX} names other images")
    except _DAMAGE as error:
        if warns and folder.exists():
            _log.warning("The image cache %s is damaged and is built again (%s).", folder, error)
        return None
    return cache


def _reopened(folder: Path, fingerprint: str) -> ImageCache:
    """Open the cache that another process has open.

    Raises:
        UserError: It is no longer there, or no longer the same.
    """
    try:
        cache = ImageCache(folder, 0)
    except _DAMAGE as error:
        raise _changed_in_use(folder, str(error)) from error
    if cache.fingerprint != fingerprint:
        raise _changed_in_use(folder, "it holds other images")
    return cache


def _changed_in_use(folder: Path, reason: str) -> UserError:
    return UserError(
        f"The image cache {folder} was changed by another program while it was in use ({reason}). Give the command "
        "again: the cache is checked, and the images are decoded again."
    )


def _fingerprint(names: Sequence[str], digests: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps([names, digests]).encode()).hexdigest()


def _available_cpus() -> int:
    """Count the CPUs that this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
