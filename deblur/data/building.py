"""Decode images into the files of a cache, once, whichever processes need it and whatever ends them."""

import hashlib
import logging
import os
import shutil
import time
import warnings
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Final, NamedTuple

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from deblur.choices import DataColor
from deblur.data.cache_files import INDEX, PIXELS, Index, note_verified, state_of
from deblur.data.sources import ImageSource, checked_image
from deblur.errors import UserError, disk_error, too_many_files
from deblur.image_io.decoding import BadImage, BadImageError, digest, luma, printable
from deblur.text import counted

_UNFINISHED: Final = ".building-"  # begins the name of the folder in which a cache is built; the key follows
_AHEAD: Final = 2  # images decoded ahead per thread

_log = logging.getLogger(__name__)


class Decoded(NamedTuple):
    """A decoded image.

    Attributes:
        pixels: Levels 0 to 255, (H, W) or (H, W, 3).
        digest: Of the gray image.
        color_digest: Of the colors; None for a gray image.
        is_colored: Whether the channels differ.
    """

    pixels: NDArray[np.uint8]
    digest: str
    color_digest: str | None = None
    is_colored: bool = False


def decode_all(source: ImageSource, workers: int, color: DataColor = "gray") -> Generator[Decoded | BadImageError]:
    """Decode all images of a source in threads, in order, holding at most two per thread.

    RGB images become their luma if gray ones are wanted; for the other way, see `ImageSource.decode_rgb`.

    Yields:
        Each image, or why it cannot be used.

    Raises:
        UserError: A thread cannot be started, or a custom source decodes no images.
    """
    count = len(source.names)
    pending: deque[Future[Decoded | BadImageError]] = deque()
    # Filters of warnings belong to the process: of two decoders that set them, the later one restores those of the
    # other. So they are set around all of them.
    with warnings.catch_warnings(), ThreadPoolExecutor(workers, "decode") as threads:
        warnings.simplefilter("ignore")
        try:
            for index in range(count):
                pending.append(_submitted(threads, source, color, index))
                if len(pending) == _AHEAD * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


def _submitted(
    threads: ThreadPoolExecutor, source: ImageSource, color: DataColor, index: int
) -> Future[Decoded | BadImageError]:
    try:
        return threads.submit(_decode, source, color, index)
    except RuntimeError as error:  # of the system, which starts no more threads
        raise UserError(
            f"A thread that decodes images of {source.description} cannot be started: end other programs."
        ) from error


def _decode(source: ImageSource, color: DataColor, index: int) -> Decoded | BadImageError:
    try:
        if color == "gray":
            pixels = checked_image(source, index, source.decode(index))
            gray = luma(pixels) if pixels.ndim == 3 else pixels
            return Decoded(gray, digest(gray))
        colors, gray = (checked_image(source, index, pixels) for pixels in source.decode_rgb(index))
    except BadImageError as error:
        return error
    if gray.ndim != 2 or colors.shape != (*gray.shape, 3):
        raise UserError(
            f"data: {type(source).__name__}.decode_rgb returns arrays of shapes {colors.shape} and {gray.shape} for "
            f"{printable(source.names[index])}: give the RGB image (H, W, 3) and its gray image (H, W)."
        )
    is_colored = not all(np.array_equal(colors[..., 0], colors[..., channel]) for channel in (1, 2))
    return Decoded(colors, digest(gray), digest(colors), is_colored)


def build(source: ImageSource, root: Path, key: str, workers: int, progress: bool, color: DataColor = "gray") -> None:
    """Decode all images into a folder with a temporary name, and move it when it is complete.

    Args:
        source: Images to decode.
        root: Folder of all caches; its lock for `key` has to be held.
        key: Name of the cache's folder.
        workers: Threads that decode.
        progress: Whether a progress bar is shown, if standard error is a terminal.
        color: Whether gray or RGB images are wanted.

    Raises:
        UserError: As `decode_all`; `root` cannot be written, or the disk is full.
    """
    started = time.perf_counter()
    _log.info(f"Decoding {counted(len(source.names), 'image')} of {source.description} (threads: {workers}).")
    unfinished = root / f"{_UNFINISHED}{key}"
    with _disk_errors(root):
        _remove_leftovers(root, key)
        unfinished.mkdir()
        try:
            with (unfinished / PIXELS).open("wb") as file:
                index = _write_pixels(source, file, color, workers, progress)
                _flush(file)
            content = index.to_bytes()
            with (unfinished / INDEX).open("wb") as file:
                file.write(content)
                _flush(file)
            note_verified(unfinished, hashlib.sha256(content).hexdigest(), state_of((unfinished / PIXELS).stat()))
            shutil.rmtree(root / key, ignore_errors=True)  # a damaged cache
            unfinished.replace(root / key)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    _log.info(f"Decoded {counted(len(source.names), 'image')} in {time.perf_counter() - started:.1f} s.")


def _write_pixels(source: ImageSource, file: IO[bytes], color: DataColor, workers: int, progress: bool) -> Index:
    """Write the pixels of all images one after another, as one flat array in NumPy's format."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    from deblur.console import is_terminal

    index = Index(channels=1 if color == "gray" else 3)
    _write_header(file, 0)
    first_pixel = file.tell()
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    hidden = not (progress and is_terminal(of_errors=True))
    with (
        closing(decode_all(source, workers, color)) as images,
        Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden) as bar,
    ):
        task = bar.add_task("Decoding images", total=len(source.names))
        for name, image in zip(source.names, images, strict=True):
            if isinstance(image, Decoded):
                file.write(np.ascontiguousarray(image.pixels).data)
                height, width = image.pixels.shape[:2]
                index.add(name, (height, width), image.digest, image.color_digest)
                index.has_colors |= image.is_colored
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
def locked(root: Path, key: str) -> Iterator[None]:
    """Keep other processes from building the cache `root / key`; `root` is created if it is missing.

    Raises:
        UserError: `root` cannot be written.
    """
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
    """Remove what killed builds have left: unfinished folders that nobody holds the lock of."""
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
        raise disk_error(
            error,
            too_many_files(error)
            or f"paths.cache_root: the image cache cannot be written to {root} ({error.strerror or error}). "
            "Make it writable, make room on its disk, or choose another folder with paths.cache_root=FOLDER.",
        ) from error
