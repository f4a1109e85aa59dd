"""Decoded images on disk: decoded once, then held in memory or memory-mapped."""

import hashlib
import json
import logging
import mmap
import os
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deblur.data.building import INDEX, PIXELS, Index, build, locked
from deblur.data.images import report_bad_images
from deblur.data.sources import ImageSource

_DEFAULT_MEMORY_LIMIT = 1024**3  # bytes
_DAMAGE = (OSError, EOFError, ValueError)  # what opening a missing, damaged or older cache raises

_log = logging.getLogger(__name__)


class ImageCache:
    """Decoded images of equal or mixed sizes.

    A copy made by pickling, for another process, holds no pixels: it maps the same files, so that all processes share
    one copy in memory.

    Attributes:
        names: Names of the images, in the order of the source, without those of bad images.
        shapes: Height and width of each image in px.
        digests: Digest of each image; identical images have identical ones.
        bad: Images that were left out.
        fingerprint: Hash of all names and digests. It depends neither on places nor on times.
        was_built: Whether the images were decoded anew.
        seconds: Time that opening took, decoding included.
    """

    def __init__(self, folder: Path, memory_limit: int, was_built: bool = False, seconds: float = 0.0) -> None:
        """Open a finished cache.

        Args:
            folder: Folder of the cache.
            memory_limit: Up to this many bytes of pixels are read into memory; more are memory-mapped.
            was_built: Whether the images were decoded anew.
            seconds: Time that opening took.

        Raises:
            OSError, EOFError, ValueError: A file is missing, damaged or of another version.
        """
        index = Index.read(folder / INDEX)
        in_memory = index.pixels <= memory_limit or index.pixels == 0  # an empty file cannot be mapped
        pixels = np.load(folder / PIXELS, mmap_mode=None if in_memory else "r")
        if pixels.dtype != np.uint8 or pixels.shape != (index.pixels,):
            raise ValueError(f"{PIXELS} does not hold what {INDEX} says")
        self._folder = folder
        self._is_held = in_memory
        self._mapping = _read_as_told(pixels)
        self._first_pixel = 0 if in_memory else pixels.offset  # in the file
        self._pixels: NDArray[np.uint8] = pixels.view(np.ndarray)  # slices of a memmap are slow to make
        self._pixels.flags.writeable = False
        self._subset: dict[str, object] = {}  # what differs from the files
        self._offsets = index.offsets
        self.names = tuple(index.names)
        self.shapes = tuple(index.shapes)
        self.digests = tuple(index.digests)
        self.bad = tuple(index.bad)
        self.fingerprint = _fingerprint(self.names, self.digests)
        self.was_built = was_built
        self.seconds = seconds

    def __len__(self) -> int:
        """Count the good images."""
        return len(self.names)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """Give one image.

        Args:
            index: Place in `names`.

        Returns:
            Grey levels 0 to 255, shape (H, W); a read-only view.
        """
        height, width = self.shapes[index]
        start = self._offsets[index]
        self._read_ahead(start, height * width)
        return self._pixels[start : start + height * width].reshape(height, width)

    def announce(self, indices: Iterable[int]) -> None:
        """Have the disk begin to read images that are wanted soon, unless they are in memory; return at once.

        Args:
            indices: Places in `names`.
        """
        for index in indices if self._mapping is not None else ():
            height, width = self.shapes[index]
            self._read_ahead(self._offsets[index], height * width)

    def _read_ahead(self, start: int, length: int) -> None:
        if self._mapping is not None:
            first = self._first_pixel + start
            page = first - first % mmap.PAGESIZE
            self._mapping.madvise(mmap.MADV_WILLNEED, page, first + length - page)

    @property
    def held_bytes(self) -> int:
        """How much memory the pixels take in this process; none where they are mapped."""
        return self._pixels.nbytes if self._is_held else 0

    def subset(self, indices: Sequence[int]) -> "ImageCache":
        """Give some of the images, on the same pixels, with a fingerprint of their own.

        Args:
            indices: Places in `names`, in the order wanted.
        """
        chosen = object.__new__(ImageCache)
        chosen.__dict__ |= self.__dict__
        chosen._subset = {
            "_offsets": [self._offsets[index] for index in indices],
            "names": tuple(self.names[index] for index in indices),
            "shapes": tuple(self.shapes[index] for index in indices),
            "digests": tuple(self.digests[index] for index in indices),
        }
        chosen.__dict__ |= chosen._subset
        chosen.fingerprint = _fingerprint(chosen.names, chosen.digests)
        return chosen

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the place of the files; the copy maps them, whatever their size."""
        told = {"bad": self.bad, "fingerprint": self.fingerprint}
        return ImageCache, (self._folder, 0, self.was_built, self.seconds), self._subset | told


def open_cache(
    source: ImageSource,
    root: Path,
    *,
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
        max_bad_fraction: Largest share of bad images, 0 to 1; null leaves it to the caller to speak of them.
        workers: Most processes that decode; null takes the number of CPUs that this process may use.
        progress: Whether a progress bar is shown, if standard error is a terminal.
        memory_limit: Up to this many bytes of pixels are read into memory; more are memory-mapped.

    Returns:
        The good images.

    Raises:
        UserError: There are too many bad images or no good ones, `root` cannot be written, or the disk is full.
    """
    started = time.perf_counter()
    root = root.absolute()
    key = source.cache_key()
    cache = None
    with suppress(*_DAMAGE):
        cache = ImageCache(root / key, memory_limit)
    if cache is None:
        with locked(root, key):
            cache = _open_finished(root / key, memory_limit)
            if cache is None:
                build(source, root, key, workers or _available_cpus(), progress)
                cache = ImageCache(root / key, memory_limit, was_built=True)
    if max_bad_fraction is not None:
        report_bad_images(cache.bad, len(cache), source.description, max_bad_fraction)
    cache.seconds = time.perf_counter() - started
    return cache


def _read_as_told(pixels: NDArray[np.uint8]) -> mmap.mmap | None:
    """Keep the system from reading more of a mapped file than it is told to.

    Where a page is missing the system reads what lies around it as well, megabytes on some machines, of which images in
    random order need nothing: with 8 MiB this was ten times slower, and in little memory it drives other images out
    (`python -m benchmarks.scale`).

    Returns:
        The mapping to tell it; None for pixels in memory, and on Windows, which cannot be told.
    """
    mapping: Any = pixels.base if isinstance(pixels, np.memmap) else None
    if not isinstance(mapping, mmap.mmap) or not hasattr(mapping, "madvise"):
        return None
    mapping.madvise(mmap.MADV_RANDOM)
    return mapping


def _open_finished(folder: Path, memory_limit: int) -> ImageCache | None:
    """Open the cache that another process may have finished while this one waited; complain if it is damaged."""
    if not folder.exists():
        return None
    try:
        return ImageCache(folder, memory_limit)
    except _DAMAGE as error:
        _log.warning("The image cache %s is damaged and is built anew (%s).", folder, error)
        return None


def _fingerprint(names: Sequence[str], digests: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps([names, digests]).encode()).hexdigest()


def _available_cpus() -> int:
    """Count the CPUs that this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
