"""Decode all images of a source, in this process or in several."""

import multiprocessing
import signal
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from deblur.data.sources import ImageSource
from deblur.errors import UserError, too_many_files
from deblur.image_io.gray import BadImageError, digest
from deblur.processes import end_with_parent

# Pixels that travel between processes at once: enough to make the way cheap, few enough for photographs to fit.
_CHUNK_BYTES = 2 * 1024**2
_LARGEST_CHUNK = 8  # images; after Ctrl-C, processes finish the chunks that they have


@dataclass(frozen=True)
class Decoded:
    """A decoded image: gray levels 0 to 255 of shape (H, W), and their digest."""

    pixels: NDArray[np.uint8]
    digest: str


def decode_all(source: ImageSource, workers: int) -> Generator[Decoded | BadImageError]:
    """Decode all images of a source, in order, holding few of them at a time.

    Processes are started afresh ("spawn"): a forked copy of a process with the threads of torch can hang. Yet the main
    module is not imported again in them, as it usually is: this takes seconds for one that imports torch, and fails for
    scripts without a main guard. A source whose class is defined in the main module is therefore decoded in this
    process, like all sources in a daemonic process, which may not start others.

    Args:
        source: Images to decode.
        workers: Processes that decode; with 1, this process does.

    Yields:
        Each image, or why it cannot be used.

    Raises:
        UserError: A process cannot be started, or ended unexpectedly.
    """
    if workers == 1 or type(source).__module__ == "__main__" or multiprocessing.current_process().daemon:
        yield from _decode_range(source, 0, len(source.names))
    else:
        yield from _decode_in_processes(source, workers)


def _decode_range(source: ImageSource, start: int, stop: int) -> Iterator[Decoded | BadImageError]:
    for index in range(start, stop):
        try:
            pixels = source.decode(index)
        except BadImageError as error:
            yield error
        else:
            yield Decoded(pixels, digest(pixels))


def _decode_in_processes(source: ImageSource, workers: int) -> Iterator[Decoded | BadImageError]:
    count = len(source.names)
    start, chunk = 0, 1
    pending: deque[Future[list[Decoded | BadImageError]]] = deque()
    executor = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker, (source,))
    try:
        while start < count or pending:
            while start < count and len(pending) < 2 * workers:
                stop = min(start + chunk, count)
                with _quiet_start():  # `submit` starts a process when none is idle
                    pending.append(executor.submit(_decode_chunk, start, stop))
                start = stop
            decoded = pending.popleft().result()
            largest = max((item.pixels.size for item in decoded if isinstance(item, Decoded)), default=1)
            chunk = max(1, min(_LARGEST_CHUNK, _CHUNK_BYTES // largest))
            yield from decoded
    except (BrokenProcessPool, OSError) as error:
        raise UserError(
            too_many_files(error)
            or f"A process that decodes images of {source.description} could not be started or ended unexpectedly "
            f"({error}). It may have run out of memory: end other programs, or choose smaller images."
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


@contextmanager
def _quiet_start() -> Iterator[None]:
    """Let the processes that start within know neither the main module of this one nor Ctrl-C.

    Ctrl-C reaches all processes of a terminal. One that starts with the signal blocked never sees it, not even while it
    imports. This process sees it when the block ends: a start that is broken off would leave half a process.
    """
    main_module = sys.modules["__main__"]
    interrupts: list[int] = []
    in_main_thread = threading.current_thread() is threading.main_thread()  # no other may set handlers
    handler = signal.getsignal(signal.SIGINT) if in_main_thread else None
    if handler is not None:  # blocking is not enough: another thread may take the signal for this one
        signal.signal(signal.SIGINT, lambda number, _crop: interrupts.append(number))
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if sys.platform != "win32" else None
    sys.modules["__main__"] = ModuleType("__main__")  # without a name or file that "spawn" could import
    try:
        yield
    finally:
        sys.modules["__main__"] = main_module
        if blocked is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
        if interrupts:
            signal.raise_signal(signal.SIGINT)


_worker_source: ImageSource  # set in worker processes only, so that it travels once


def _start_worker(source: ImageSource) -> None:
    import cv2  # here: only drawing needs it

    global _worker_source
    _worker_source = source
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for systems that cannot block signals
    cv2.setNumThreads(0)  # the processes share the CPUs already
    end_with_parent()


def _decode_chunk(start: int, stop: int) -> list[Decoded | BadImageError]:
    return list(_decode_range(_worker_source, start, stop))
