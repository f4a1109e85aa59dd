"""Loaders of batches and the processes that they start."""

import errno
import multiprocessing.queues
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final

import cv2
from torch.utils.data import DataLoader

from deblur.data.datasets import Sample
from deblur.errors import UserError, too_many_files
from deblur.processes import end_with_parent

NO_ROOM: Final = "No space left on device"  # what torch says of the shared memory


class ImageLoader(DataLoader[Sample]):
    """A loader that begins with its first batch, not when it is asked for an iterator.

    With loader processes, torch draws the order of an epoch and sends for the first batches at once. A trainer asks for
    the iterator long before its first epoch, while a resumed run is still being restored: the sampler would not know
    yet which epoch it is.
    """

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override] # what is needed of torch's iterator is that it is one
        """Yield the batches of one epoch.

        Raises:
            UserError: as one of its processes has raised it; torch puts the traceback of the process into the text.
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
    """Prepare a loader process: one thread for OpenCV, and ends that are quiet or told.

    It ends with the training, also if that is killed. Ctrl-C in a terminal and the signals of a batch system reach all
    processes, and what they end in a loader process must not pass for its failure: the training hears them as well.
    Batches are handed over by a thread, whose errors Python only prints: the training would wait for the batch forever.
    """
    single_thread_opencv()
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    sys.excepthook = _hear_of_thread
    multiprocessing.queues.Queue._on_queue_feeder_error = staticmethod(_end_process)  # type: ignore[attr-defined] # missing in its stub


def _hear_of_thread(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Deal with an error of the thread that hands over open files: the training has ended, or none can be opened."""
    if too_many_files(error):
        _end_process(error, None)
    elif not isinstance(error, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, trace)


def _end_process(error: BaseException, _batch: object | None) -> None:
    """End this process with an exit code that tells the reason, an `errno`: nothing else arrives any more."""
    code = errno.ENOSPC if NO_ROOM in str(error) else errno.EMFILE if too_many_files(error) else None
    if code is None:
        traceback.print_exception(error)
    os._exit(code or 1)
