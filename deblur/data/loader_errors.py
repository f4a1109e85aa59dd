"""Sentences for what fails in loader processes."""

import errno
import gc
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from deblur.data.loading import NO_ROOM
from deblur.errors import UserError, too_many_files

_DEAD: Final = re.compile(r"DataLoader worker \(pid(?:\(s\))? [\d, ]+\) (?:is killed by signal: ([^.]+)|exited)")
_CODE: Final = re.compile(r"exited unexpectedly with exit code (\d+)")
_CAUGHT: Final = re.compile(r"Caught (\w+) in (?:DataLoader worker process|pin memory thread)")
_MODULES: Final = ("torch.utils.data", "torch.multiprocessing", "multiprocessing")  # that work for a loader
_GONE: Final = (ConnectionError, EOFError, FileNotFoundError)  # while a process hands over a batch
_NOT_STARTED: Final = (errno.EAGAIN, errno.ENOMEM)


@contextmanager
def loader_errors_as_user_errors(num_workers: int) -> Iterator[None]:
    """Turn what fails in loaders, or for want of what they need, into a sentence.

    A loader process that is killed raises an error in the main thread, wherever that stands, and as a trainer cleans up
    it may raise another one. So this is put around the whole of a training, a test or an evaluation.

    Args:
        num_workers: loader processes.

    Raises:
        UserError: for such an error, and for a `UserError` behind another error.
        KeyboardInterrupt: if Ctrl-C is behind the error.
    """
    try:
        yield
    except Exception as error:
        with _quietly():
            causes = list(_causes(error))
            if any(isinstance(cause, KeyboardInterrupt) for cause in causes):
                raise KeyboardInterrupt from None
            sentences = (tell(cause, num_workers) for tell in (_certain, _likely) for cause in causes)
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
    hears = sys.platform != "win32" and threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL) if hears else None
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
    """Return a sentence for an error that tells its reason; None for another one."""
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
    if num_workers and (code == errno.ENOSPC or (NO_ROOM in text and _is_of_loader(error))):
        return _of_shared_memory(num_workers)
    if (dead := _DEAD.search(text)) and dead[1]:
        return _of_shared_memory(num_workers) if dead[1] == "Bus error" else _of_end(num_workers, dead[1])
    if kind == MemoryError.__name__ or (caught and os.strerror(errno.ENOMEM) in text):
        return "The memory does not suffice: take smaller images, a smaller data.batch_size or data.eval_batch_size" + (
            f", or fewer loader processes than data.num_workers={num_workers}." if num_workers else "."
        )
    return None


def _likely(error: BaseException, num_workers: int) -> str | None:
    """Return a sentence for an error that a loader process left behind without a reason; None for another one."""
    if not num_workers:
        return None
    if _DEAD.search(str(error)):
        return _of_end(num_workers)
    if not _is_of_loader(error):
        return None
    if isinstance(error, _GONE):
        return _of_end(num_workers)
    if getattr(error, "errno", None) in _NOT_STARTED or "can't start new thread" in str(error):
        return (
            f"A loader process cannot be started ({getattr(error, 'strerror', None) or error}): take fewer than "
            f"data.num_workers={num_workers}, or end other programs."
        )
    return None


def _is_of_loader(error: BaseException) -> bool:
    """Tell whether an error was raised in what starts loader processes or takes batches from them."""
    names = (str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(name == module or name.startswith(f"{module}.") for name in names for module in _MODULES)


def _of_end(num_workers: int, by: str | None = None) -> str:
    reason = {None: "", "Killed": " (signal: Killed), as when the memory does not suffice"}.get(by, f" (signal: {by})")
    return (
        f"One of data.num_workers={num_workers} loader processes ended unexpectedly{reason}. Take fewer of them, or a "
        "smaller data.batch_size; data.num_workers=0 needs none."
    )


def _of_shared_memory(num_workers: int) -> str:
    return (
        f"The shared memory (/dev/shm) is full, where data.num_workers={num_workers} loader processes leave batches. "
        "Give it more room (docker run --shm-size=1g), or take fewer of them or a smaller data.batch_size; "
        "data.num_workers=0 needs none."
    )
