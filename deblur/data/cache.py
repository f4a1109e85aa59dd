"""Decoded images on disk: decoded once, then held in memory or memory-mapped."""

import hashlib
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from deblur.data.decoding import Decoded, decode_all
from deblur.data.images import BadImage, report_bad_images
from deblur.data.sources import ImageSource
from deblur.errors import UserError

_FORMAT_VERSION = 1  # raised when the files of a cache change their meaning
_PIXELS = "pixels.npy"
_INDEX = "index.json"
_UNFINISHED = ".building-"  # begins the name of the folder in which a cache is built; the key follows

_DEFAULT_MEMORY_LIMIT = 1024**3  # bytes
_FEWEST_IMAGES_PER_PROCESS = 32  # fewer are decoded before another process has started

_DAMAGE = (OSError, EOFError, ValueError)  # what opening a missing, damaged or older cache raises

_log = logging.getLogger(__name__)


@dataclass
class _Index:
    """What the index file holds: an entry for each good image, and the bad images."""

    names: list[str] = field(default_factory=list)
    shapes: list[tuple[int, int]] = field(default_factory=list)  # height and width in px
    offsets: list[int] = field(default_factory=list)  # of the first pixel in the pixel file
    digests: list[str] = field(default_factory=list)
    bad: list[BadImage] = field(default_factory=list)
    pixels: int = 0  # in all images

    def add(self, name: str, image: Decoded) -> None:
        height, width = image.pixels.shape
        self.names.append(name)
        self.shapes.append((height, width))
        self.offsets.append(self.pixels)
        self.digests.append(image.digest)
        self.pixels += height * width

    @classmethod
    def read(cls, path: Path) -> "_Index":
        content = json.loads(path.read_text(encoding="utf-8"))
        try:
            if content.pop("version") != _FORMAT_VERSION:
                raise ValueError(f"{path.name} is not of version {_FORMAT_VERSION}")
            index = cls(**content)
            index.shapes = [(height, width) for height, width in index.shapes]
            index.bad = [BadImage(**bad) for bad in content["bad"]]
            ends = [start + h * w for start, (h, w) in zip(index.offsets, index.shapes, strict=True)]
            if [*index.offsets, index.pixels] != [0, *ends] or not len(index.names) == len(index.digests) == len(ends):
                raise ValueError(f"{path.name} contradicts itself")
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"{path.name} has another structure: {error}") from error
        return index


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
        index = _Index.read(folder / _INDEX)
        in_memory = index.pixels <= memory_limit or index.pixels == 0  # an empty file cannot be mapped
        pixels = np.load(folder / _PIXELS, mmap_mode=None if in_memory else "r")
        if pixels.dtype != np.uint8 or pixels.shape != (index.pixels,):
            raise ValueError(f"{_PIXELS} does not hold what {_INDEX} says")
        self._folder = folder
        self._pixels: NDArray[np.uint8] = pixels.view(np.ndarray)  # slices of a memmap are slow to make
        self._pixels.flags.writeable = False
        self._offsets = index.offsets
        self.names = tuple(index.names)
        self.shapes = tuple(index.shapes)
        self.digests = tuple(index.digests)
        self.bad = tuple(index.bad)
        self.fingerprint = hashlib.sha256(json.dumps([self.names, self.digests]).encode()).hexdigest()
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
        return self._pixels[start : start + height * width].reshape(height, width)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the place of the files; the copy maps them, whatever their size."""
        return ImageCache, (self._folder, 0, self.was_built, self.seconds)


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
        with _locked(root, key):
            cache = _open_finished(root / key, memory_limit)
            if cache is None:
                _build(source, root, key, workers or _available_cpus(), progress)
                cache = ImageCache(root / key, memory_limit, was_built=True)
    if max_bad_fraction is not None:
        report_bad_images(cache.bad, len(cache), source.description, max_bad_fraction)
    cache.seconds = time.perf_counter() - started
    return cache


def _open_finished(folder: Path, memory_limit: int) -> ImageCache | None:
    """Open the cache that another process may have finished while this one waited; complain if it is damaged."""
    if not folder.exists():
        return None
    try:
        return ImageCache(folder, memory_limit)
    except _DAMAGE as error:
        _log.warning("The image cache %s is damaged and is built anew (%s).", folder, error)
        return None


def _build(source: ImageSource, root: Path, key: str, workers: int, progress: bool) -> None:
    """Decode all images into a folder with a temporary name, and move it when it is complete."""
    workers = max(1, min(workers, len(source.names) // _FEWEST_IMAGES_PER_PROCESS))
    started = time.perf_counter()
    _log.info("Decoding %d images of %s (processes: %d).", len(source.names), source.description, workers)
    unfinished = root / f"{_UNFINISHED}{key}"
    with _disk_errors(root):
        _remove_leftovers(root, key)
        unfinished.mkdir()
        try:
            with (unfinished / _PIXELS).open("wb") as file:
                index = _write_pixels(source, file, workers, progress)
                _flush(file)
            with (unfinished / _INDEX).open("wb") as file:
                file.write(json.dumps({"version": _FORMAT_VERSION, **vars(index)}, default=vars).encode())
                _flush(file)
            shutil.rmtree(root / key, ignore_errors=True)  # a damaged cache
            unfinished.replace(root / key)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    _log.info("Decoded %d images in %.1f s.", len(source.names), time.perf_counter() - started)


def _write_pixels(source: ImageSource, file: IO[bytes], workers: int, progress: bool) -> _Index:
    """Write the pixels of all images one after another, as one flat array in NumPy's format."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    index = _Index()
    _write_header(file, 0)
    first_pixel = file.tell()
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    hidden = not (progress and sys.stderr.isatty())
    with (
        closing(decode_all(source, workers)) as images,
        Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden) as bar,
    ):
        task = bar.add_task("Decoding images", total=len(source.names))
        for name, image in zip(source.names, images, strict=True):
            if isinstance(image, Decoded):
                file.write(np.ascontiguousarray(image.pixels).data)
                index.add(name, image)
            else:
                index.bad.append(BadImage(name, str(image)))
            bar.advance(task)
    file.seek(0)
    _write_header(file, index.pixels)
    if file.tell() != first_pixel:
        raise RuntimeError("NumPy's header has grown over the first pixels")
    return index


def _write_header(file: IO[bytes], pixels: int) -> None:
    """Write NumPy's header, which leaves room for its number to grow: the final one is known only at the end."""
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (pixels,)})


def _flush(file: IO[bytes]) -> None:
    """Wait until a file is on the disk: after a loss of power, a folder must not have its name without its content."""
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _locked(root: Path, key: str) -> Iterator[None]:
    """Keep other processes from building the same cache."""
    lock = FileLock(root / f"{key}.lock")
    with _disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _log.info("Another process is building the image cache %s: waiting for it.", root / key)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _remove_leftovers(root: Path, own_key: str) -> None:
    """Remove what builds that were killed have left: unfinished folders that nobody holds the lock of."""
    for folder in root.glob(f"{_UNFINISHED}*"):
        key = folder.name.removeprefix(_UNFINISHED)
        if key == own_key:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            with suppress(OSError), FileLock(root / f"{key}.lock", timeout=0):  # also another user's lock
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _disk_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"paths.cache_root: the image cache cannot be written to {root} ({error.strerror or error}). "
            "Make it writable, make room on its disk, or choose another folder with paths.cache_root=FOLDER."
        ) from error


def _available_cpus() -> int:
    """Count the CPUs that this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
