"""Loaders of batches, the processes that they start, and sentences for what fails in them."""

import errno
import gc
import multiprocessing.queues
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final

import cv2
from torch import OutOfMemoryError
from torch.utils.data import DataLoader

from deblur.data.datasets import Sample
from deblur.errors import UserError, too_many_files
from deblur.processes import end_with_parent

_NO_ROOM: Final = "No space left on device"  # torch's text for a full shared memory
_NO_MEMORY_OF_TORCH: Final = "DefaultCPUAllocator: "
_DEAD: Final = re.compile(r"DataLoader worker \(pid(?:\(s\))? [\d, ]+\) (?:is killed by signal: ([^.]+)|exited)")
_CODE: Final = re.compile(r"exited unexpectedly with exit code (\d+)")
_CAUGHT: Final = re.compile(r"Caught (\w+) in (?:DataLoader worker process|pin memory thread)")
_MODULES: Final = ("torch.utils.data", "torch.multiprocessing", "multiprocessing")  # that work for a loader
_GONE: Final = (ConnectionError, EOFError, FileNotFoundError)  # while a process hands over a batch
_NOT_STARTED: Final = (errno.EAGAIN, errno.ENOMEM)


class ImageLoader(DataLoader[Sample]):
    """A loader that begins with its first batch, not when it is asked for an iterator.

    With loader processes, torch draws the order of an epoch and requests the first batches at once. A trainer asks for
    the iterator long before its first epoch, while a resumed run is still being restored: the sampler would not know
    yet which epoch it is.
    """

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override] # what is needed of torch's iterator is that it is one
        """Yield the batches of one epoch.

        Raises:
            UserError: As one of its processes has raised it; torch puts the traceback of the process into the text.
        """
        try:
            yield from super().__iter__()
        except UserError as error:
            kind = type(error)
            raise UserError(str(error).rpartition(f"{kind.__module__}.{kind.__qualname__}: ")[2].rstrip()) from None


def single_thread_opencv() -> None:
    """Keep OpenCV from starting threads: at these image sizes they cost time, and in forked processes they can hang."""
    cv2.setNumThreads(0)


def start_loader_process(_worker: int) -> None:
    """Prepare a loader process: one thread for OpenCV, and an end that is quiet or has a reason.

    It ends with the training, also if that is killed. Ctrl-C in a terminal and the signals of a batch system reach all
    processes, and what they end in a loader process must not pass for its failure: the training gets them as well.
    Batches are handed over by a thread, whose errors Python only prints: the training would wait for the batch forever.
    """
    single_thread_opencv()
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    sys.excepthook = _end_after_thread
    multiprocessing.queues.Queue._on_queue_feeder_error = staticmethod(_end_process)  # type: ignore[attr-defined] # missing in its stub


def _end_after_thread(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Handle an error of the thread that hands over open files: the training has ended, or none can be opened."""
    if too_many_files(error):
        _end_process(error, None)
    elif not isinstance(error, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, trace)


def _end_process(error: BaseException, _batch: object | None) -> None:
    """End this process with an `errno` as its exit code: nothing else arrives any more."""
    code = errno.ENOSPC if _NO_ROOM in str(error) else errno.EMFILE if too_many_files(error) else None
    if code is None:
        traceback.print_exception(error)
    os._exit(code or 1)


@contextmanager
def loader_errors_as_user_errors(num_workers: int) -> Iterator[None]:
    """Turn what fails in loaders, or for lack of memory, shared memory or open files, into a sentence.

    A loader process that is killed raises an error in the main thread, at any place, and the trainer may raise another
    one as it cleans up. So this surrounds a whole training, test or evaluation.

    Args:
        num_workers: Loader processes.

    Raises:
        UserError: For such an error, and for a `UserError` behind another error.
        KeyboardInterrupt: Ctrl-C is behind the error.
    """
    try:
        yield
    except Exception as error:
        with _quietly():
            causes = list(_causes(error))
            if any(isinstance(cause, KeyboardInterrupt) for cause in causes):
                raise KeyboardInterrupt from None
            sentences = (explain(cause, num_workers) for explain in (_certain, _likely) for cause in causes)
            sentence = next(filter(None, sentences), None)
            if sentence is None and _CAUGHT.search(str(error)):
                raise type(error)(f"{str(error).strip().splitlines()[-1]} (in a loader process)") from error
            if sentence is None or sentence == str(error):
                raise
            # The loaders go, and with them their processes and open files: how the run ended has yet to be written.
            for cause in causes:
                traceback.clear_frames(cause.__traceback__)
            gc.collect()
        raise UserError(sentence) from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Let no further process that ends raise an error, and no loader that could not be made print one as it goes."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    # No other thread may set handlers.
    may_set = sys.platform != "win32" and threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL) if may_set else None
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGCHLD, before)
        sys.unraisablehook = hook


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors that led to an error, the first one first, and the error itself."""
    before = error.__cause__ or error.__context__
    if before is not None:
        yield from _causes(before)
    yield error


def _certain(error: BaseException, num_workers: int) -> str | None:
    """Return a sentence for an error that contains its reason; None for another one."""
    text = str(error)
    caught = _CAUGHT.search(text)
    kind = caught[1] if caught else type(error).__name__
    code = int(exited[1]) if (exited := _CODE.search(text)) else None
    if kind == UserError.__name__:
        return text.rpartition(f"{UserError.__name__}: ")[2].strip() if caught else text
    if code == errno.EMFILE or (files := too_many_files(error)):
        files = too_many_files(OSError(errno.EMFILE, ""))
        fewer = f" Or take fewer loader processes than data.num_workers={num_workers}, each of which needs some."
        return f"{files}{fewer}" if num_workers else files
    if num_workers and (code == errno.ENOSPC or (_NO_ROOM in text and _is_of_loader(error))):
        return _full_shared_memory(num_workers)
    if (dead := _DEAD.search(text)) and dead[1]:
        return _full_shared_memory(num_workers) if dead[1] == "Bus error" else _unexpected_end(num_workers, dead[1])
    if kind == OutOfMemoryError.__name__:
        return (
            "The memory of the GPU does not suffice: take a smaller data.batch_size or data.patch_size, for validation "
            "and test a smaller data.eval_batch_size or data.eval_crop, or end other programs that use the GPU."
        )
    lacks_memory = kind == MemoryError.__name__ or _NO_MEMORY_OF_TORCH in text
    if lacks_memory or (caught and os.strerror(errno.ENOMEM) in text):
        return "The memory does not suffice: take smaller images, a smaller data.batch_size or data.eval_batch_size" + (
            f", or fewer loader processes than data.num_workers={num_workers}." if num_workers else "."
        )
    return None


def _likely(error: BaseException, num_workers: int) -> str | None:
    """Return a sentence for an error that a loader process left behind without a reason; None for another one."""
    if not num_workers:
        return None
    if _DEAD.search(str(error)):
        return _unexpected_end(num_workers)
    if not _is_of_loader(error):
        return None
    if isinstance(error, _GONE):
        return _unexpected_end(num_workers)
    if getattr(error, "errno", None) in _NOT_STARTED or "can't start new thread" in str(error):
        return (
            f"A loader process cannot be started ({getattr(error, 'strerror', None) or error}): take fewer than "
            f"data.num_workers={num_workers}, or end other programs."
        )
    return None


def _is_of_loader(error: BaseException) -> bool:
    """Return whether an error was raised in what starts loader processes or takes batches from them."""
    names = (str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(name == module or name.startswith(f"{module}.") for name in names for module in _MODULES)


def _unexpected_end(num_workers: int, by: str | None = None) -> str:
    reason = {None: "", "Killed": " (signal: Killed), as when the memory does not suffice"}.get(by, f" (signal: {by})")
    return (
        f"One of data.num_workers={num_workers} loader processes ended unexpectedly{reason}. Take fewer of them, or a "
        "smaller data.batch_size; data.num_workers=0 needs none."
    )


def _full_shared_memory(num_workers: int) -> str:
    return (
        f"The shared memory (/dev/shm) is full, where data.num_workers={num_workers} loader processes leave batches. "
        "Give it more room (docker run --shm-size=1g), or take fewer of them or a smaller data.batch_size; "
        "data.num_workers=0 needs none."
    )
