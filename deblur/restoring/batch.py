"""Restore many pictures: the next one is read and the last one written while the network works."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deblur.errors import UserError
from deblur.restoring.pictures import Picture, refuse_unfit
from deblur.restoring.places import Task
from deblur.restoring.reading import read_picture
from deblur.restoring.writing import write_picture

AHEAD: Final = 2  # pictures that are read before their turn, and restored ones that wait to be written

Work = Callable[[Task, Picture], Iterator[tuple[Path, Picture]]]
Failed = Callable[[Task, UserError], None]


def restore_all(
    tasks: Sequence[Task], work: Work, failed: Failed, max_megapixels: float, done: Callable[[Task], None]
) -> None:
    """Read, restore and write pictures, at the same time for different ones.

    Args:
        tasks: what is to be done.
        work: takes a picture that was read, and yields what is to be written where.
        failed: is told of each picture that cannot be read, restored or written; the others go on.
        max_megapixels: larger pictures are not read.
        done: is told of each picture that is finished, or has failed.
    """
    remaining = iter(tasks)
    read: deque[tuple[Task, Future[Picture]]] = deque()
    written: deque[tuple[Task, list[Future[None]]]] = deque()
    reader, writer = ThreadPoolExecutor(1), ThreadPoolExecutor(1)

    def read_next() -> None:
        task = next(remaining, None)
        if task is not None:
            read.append((task, reader.submit(read_picture, task.source, max_megapixels)))

    def finish_first() -> None:
        task, futures = written.popleft()
        with _telling(task, failed):
            for future in futures:
                future.result()
        done(task)

    try:
        for _ in range(AHEAD):
            read_next()
        while read:
            task, future = read.popleft()
            read_next()
            futures: list[Future[None]] = []
            with _telling(task, failed):
                picture = future.result()
                refuse_unfit(picture, task.target)
                futures += [writer.submit(write_picture, path, result) for path, result in work(task, picture)]
            written.append((task, futures))
            while len(written) > AHEAD:
                finish_first()
        while written:
            finish_first()
    finally:  # after Ctrl-C what has begun to be written is finished, and nothing else is begun
        for pool in (reader, writer):
            pool.shutdown(cancel_futures=True)


@contextmanager
def _telling(task: Task, failed: Failed) -> Iterator[None]:
    """Tell of a picture's failure instead of ending all others."""
    try:
        yield
    except MemoryError:
        failed(task, UserError(f"{task.source} needs more memory than there is: give a smaller picture."))
    except RuntimeError as error:
        if "memory" not in str(error):
            raise
        failed(task, UserError(f"{task.source} needs more memory than the device has: give a smaller picture."))
    except UserError as error:
        failed(task, error)
