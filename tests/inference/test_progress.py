"""The bar over images and tiles."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from deblur.inference.places import Task
from deblur.inference.progress import SEVERAL_TILES, ImageBar, progress

TASK = Task("a.png", Path("a.png"), Path("b.png"), "a")


def test_images_and_the_tiles_of_a_large_one_are_counted() -> None:
    with Progress(console=Console(file=StringIO())) as shown:
        bar = ImageBar(shown, 2)
        assert bar.tiles("small", SEVERAL_TILES - 1) is None
        advance = bar.tiles("large", SEVERAL_TILES)
        assert advance is not None
        for _ in range(3):
            advance()
        bar.done(TASK)
        assert [(task.description, task.completed, task.total) for task in shown.tasks] == [
            ("Images", 1, 2),
            ("large", 3, SEVERAL_TILES),
        ]
        bar.tiles("another", SEVERAL_TILES)
        assert [task.description for task in shown.tasks] == ["Images", "another"]


def test_one_image_needs_no_count() -> None:
    with Progress(console=Console(file=StringIO())) as shown:
        ImageBar(shown, 1)
        assert [task.visible for task in shown.tasks] == [False]


def test_nothing_is_drawn_into_a_file(capfd: pytest.CaptureFixture[str]) -> None:
    with progress(3) as bar:
        advance = bar.tiles("large", SEVERAL_TILES)
        assert advance is not None
        advance()
        bar.done(TASK)
    assert capfd.readouterr() == ("", "")
