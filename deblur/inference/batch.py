"""Restore many images: the next one is read and the last one written while the network works."""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deblur.errors import UserError
from deblur.image_io.gray import printable
from deblur.image_io.images import DecodedImage, refuse_unfit
from deblur.image_io.reading import read_image
from deblur.image_io.writing import write_image
from deblur.inference.places import Task

AHEAD: Final = 2  # images that are read before their turn, and restored ones that wait to be written

_log = logging.getLogger(__name__)

Work = Callable[[Task, DecodedImage], Iterator[tuple[Path, DecodedImage]]]
Failed = Callable[[Task, UserError], None]


def restore_all(
    tasks: Sequence[Task], work: Work, failed: Failed, max_megapixels: float, done: Callable[[Task], None]
) -> None:
    """Read, restore and write images, at the same time for different ones.

    What copies do not hold of their files (metadata, films of motion photos, gain maps) is logged once in the end.

    Args:
        tasks: what is to be done.
        work: takes an image that was read, and yields what is to be written where.
        failed: is told of each image that cannot be read, restored or written; the others go on.
        max_megapixels: larger images are not read.
        done: is told of each image that is finished, or has failed.
    """
    remaining = iter(tasks)
    read: deque[tuple[Task, Future[DecodedImage]]] = deque()
    written: deque[tuple[Task, list[Future[tuple[str, ...]]]]] = deque()
    left_out: dict[str, list[str]] = {}
    reader, writer = ThreadPoolExecutor(1), ThreadPoolExecutor(1)

    def read_next() -> None:
        task = next(remaining, None)
        if task is not None:
            read.append((task, reader.submit(read_image, task.source, max_megapixels)))

    def finish_first() -> None:
        task, futures = written.popleft()
        with _telling(task, failed):
            for future in futures:
                for what in future.result():
                    left_out.setdefault(what, []).append(task.name)
        done(task)

    try:
        for _ in range(AHEAD):
            read_next()
        while read:
            task, future = read.popleft()
            read_next()
            futures: list[Future[tuple[str, ...]]] = []
            with _telling(task, failed):
                image = future.result()
                refuse_unfit(image, task.target)
                futures += [writer.submit(write_image, path, result) for path, result in work(task, image)]
            written.append((task, futures))
            while len(written) > AHEAD:
                finish_first()
        while written:
            finish_first()
        _log_left_out(left_out)
    finally:  # after Ctrl-C what has begun to be written is finished, and nothing else is begun
        for pool in (reader, writer):
            pool.shutdown(cancel_futures=True)


@contextmanager
def _telling(task: Task, failed: Failed) -> Iterator[None]:
    """Tell of an image's failure instead of ending all others."""
    try:
        yield
    except MemoryError:
        failed(task, UserError(f"{task.source} needs more memory than there is: give a smaller image."))
    except RuntimeError as error:
        if "memory" not in str(error):
            raise
        failed(task, UserError(f"{task.source} needs more memory than the device has: give a smaller image."))
    except UserError as error:
        failed(task, error)


def _log_left_out(left_out: Mapping[str, Sequence[str]]) -> None:
    """Say once for all images what their copies do not hold."""
    for what, given in left_out.items():
        names = list(dict.fromkeys(given))
        where = printable(names[0]) if len(names) == 1 else f"{len(names)} images, such as {printable(names[0])}"
        _log.warning("left out of the copy of %s: %s", where, what)
