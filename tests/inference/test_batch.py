"""Many images at the same time, and the bar over them."""

import threading
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from decoded_files import noise
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from deblur.errors import UserError
from deblur.image_io.images import DecodedImage
from deblur.inference.batch import SEVERAL_TILES, ImageBar, progress, restore_all
from deblur.inference.places import Task

TASK = Task("a.png", Path("a.png"), Path("b.png"), "a")


def tasks(root: Path, count: int) -> list[Task]:
    made = []
    for index in range(count):
        Image.fromarray(noise(8, 8, seed=index)).save(root / f"{index}.png")
        made.append(Task(f"{index}.png", root / f"{index}.png", root / "out" / f"{index}.png", str(index)))
    return made


def test_all_are_written_in_order_and_told(tmp_path: Path) -> None:
    work: list[str] = []
    done: list[str] = []

    def restore(task: Task, decoded: DecodedImage) -> Iterator[tuple[Path, DecodedImage]]:
        work.append(task.name)
        yield task.target, decoded

    made = tasks(tmp_path, 7)
    restore_all(made, restore, lambda *_: pytest.fail("nothing fails"), 1.0, lambda task: done.append(task.name))
    assert work == done == [task.name for task in made]
    for index, task in enumerate(made):
        np.testing.assert_array_equal(np.asarray(Image.open(task.target)), noise(8, 8, seed=index))


def test_each_failure_is_told_once_whoever_fails(tmp_path: Path) -> None:
    made = tasks(tmp_path, 5)
    made[1].source.write_bytes(b"")  # cannot be read
    made[3].target.mkdir(parents=True)  # cannot be written
    failed: list[str] = []
    done: list[str] = []

    def restore(task: Task, decoded: DecodedImage) -> Iterator[tuple[Path, DecodedImage]]:
        if task.name == "2.png":
            raise UserError("the network has failed")
        if task.name == "4.png":
            raise MemoryError
        yield task.target, decoded

    restore_all(made, restore, lambda task, _: failed.append(task.name), 1.0, lambda task: done.append(task.name))
    assert sorted(failed) == ["1.png", "2.png", "3.png", "4.png"]
    assert sorted(done) == sorted(task.name for task in made)
    assert made[0].target.is_file()


def test_few_images_are_held_at_once(tmp_path: Path) -> None:
    made = tasks(tmp_path, 12)
    threads: list[int] = []
    failed: list[str] = []

    def restore(task: Task, decoded: DecodedImage) -> Iterator[tuple[Path, DecodedImage]]:
        threads.append(threading.active_count())
        time.sleep(0.05)  # time enough to read all of them, if nothing held the reader back
        made[-1].source.unlink(missing_ok=True)
        yield task.target, decoded

    before = threading.active_count()
    restore_all(made, restore, lambda task, _: failed.append(task.name), 1.0, lambda _: None)
    assert failed == ["11.png"]  # it was not yet read while the first was restored
    assert max(threads) <= before + 2  # one reads, one writes
    assert threading.active_count() == before


def test_a_crash_ends_all_and_leaves_no_thread(tmp_path: Path) -> None:
    def restore(task: Task, decoded: DecodedImage) -> Iterator[tuple[Path, DecodedImage]]:
        if task.name == "2.png":
            raise KeyboardInterrupt
        yield task.target, decoded

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        restore_all(tasks(tmp_path, 6), restore, lambda *_: None, 1.0, lambda _: None)
    assert threading.active_count() == before
    assert not (tmp_path / "out" / "3.png").exists()
    assert [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == []


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
