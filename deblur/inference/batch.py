"""Restore many images: the next one is read and the last one written while the network works."""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from rich.console import Console
from rich.markup import escape
from rich.progress import MofNCompleteColumn, Progress, TaskID, TimeRemainingColumn

from deblur.console import is_terminal
from deblur.errors import UserError
from deblur.image_io.decoding import printable
from deblur.image_io.images import DecodedImage
from deblur.image_io.reading import read_image
from deblur.image_io.writing import write_fitting
from deblur.inference.places import Task
from deblur.text import one_line

AHEAD: Final = 2  # images that are read ahead, and restored ones that wait to be written
SEVERAL_TILES: Final = 8  # from here on an image takes long enough for its own bar

_log = logging.getLogger(__name__)

Work: TypeAlias = Callable[[Task, DecodedImage], Iterator[tuple[Path, DecodedImage]]]
Failed: TypeAlias = Callable[[Task, UserError], None]


def restore_all(
    tasks: Sequence[Task], work: Work, failed: Failed, max_megapixels: float, done: Callable[[Task], None]
) -> None:
    """Read, restore and write images, different ones at the same time.

    What copies do not hold of their files (metadata, films of motion photos, gain maps) is logged once at the end.

    Args:
        tasks: images to restore.
        work: yields the files of a decoded image, which it has checked by `refuse_unfit`, and their content.
        failed: called for each image that cannot be read, restored or written; the others continue.
        max_megapixels: larger images are not read.
        done: called for each image that is finished or has failed.
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
        with _reporting(task, failed):
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
            with _reporting(task, failed):
                futures += [writer.submit(write_fitting, path, result) for path, result in work(task, future.result())]
            written.append((task, futures))
            while len(written) > AHEAD:
                finish_first()
        while written:
            finish_first()
        for what, names in left_out.items():
            shown = printable(names[0])
            where = shown if len(set(names)) == 1 else f"{len(set(names))} images, such as {shown}"
            _log.warning("left out of the copy of %s: %s", where, what)
    finally:  # after Ctrl-C, files that are being written are finished, and no others are begun
        for pool in (reader, writer):
            pool.shutdown(cancel_futures=True)


@contextmanager
def _reporting(task: Task, failed: Failed) -> Iterator[None]:
    """Report the failure of an image instead of ending all others."""
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


class ImageBar:
    """Shows how many images are done, and the progress of a large one."""

    def __init__(self, bar: Progress, images: int) -> None:
        """Begin with no image done."""
        self._bar = bar
        self._images = bar.add_task("Images", total=images, visible=images > 1)
        self._tiles: TaskID | None = None

    def tiles(self, name: str, count: int) -> Callable[[], None] | None:
        """Begin with an image; return what to call after each of its tiles."""
        if self._tiles is not None:
            self._bar.remove_task(self._tiles)
            self._tiles = None
        if count < SEVERAL_TILES:
            return None
        tiles = self._tiles = self._bar.add_task(escape(one_line(name)), total=count)
        return lambda: self._bar.advance(tiles)

    def done(self, _task: Task) -> None:
        """Count an image."""
        self._bar.advance(self._images)


@contextmanager
def progress(images: int) -> Iterator[ImageBar]:
    """Show a bar on standard error, if that is a terminal, while the block works on some images."""
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=Console(stderr=True), transient=True, disable=not is_terminal(of_errors=True)
    ) as bar:
        yield ImageBar(bar, images)
