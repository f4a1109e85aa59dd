"""A progress bar over images and their tiles, where a person watches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import MofNCompleteColumn, Progress, TaskID, TimeRemainingColumn

from deblur.console import is_terminal
from deblur.inference.places import Task
from deblur.text import one_line

SEVERAL_TILES = 8  # from here on an image takes long enough for a bar of its own


class ImageBar:
    """Shows how many images are done, and how much of a large one."""

    def __init__(self, bar: Progress, images: int) -> None:
        """Begin with no image done."""
        self._bar = bar
        self._images = bar.add_task("Images", total=images, visible=images > 1)
        self._tiles: TaskID | None = None

    def tiles(self, name: str, count: int) -> Callable[[], None] | None:
        """Begin with an image; return what to call after each of its tiles."""
        self._end_tiles()
        if count < SEVERAL_TILES:
            return None
        tiles = self._tiles = self._bar.add_task(escape(one_line(name)), total=count)
        return lambda: self._bar.advance(tiles)

    def done(self, _task: Task) -> None:
        """Count an image."""
        self._bar.advance(self._images)

    def _end_tiles(self) -> None:
        if self._tiles is not None:
            self._bar.remove_task(self._tiles)
            self._tiles = None


@contextmanager
def progress(images: int) -> Iterator[ImageBar]:
    """Show a bar on standard error, if that is a terminal, while the block works on some images."""
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=Console(stderr=True), transient=True, disable=not is_terminal(of_errors=True)
    ) as bar:
        yield ImageBar(bar, images)
