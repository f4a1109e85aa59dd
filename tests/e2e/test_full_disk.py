"""Disks that are full, and files that may grow no more: one sentence, and the run continues once there is room."""

import os
import re
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest
from forked_commands import Start, run_forked
from hindered import limit_files
from run_content import content_of
from small_disks import SmallDisk, make_room
from workplaces import SMALL, Workplace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size"),
]


def train(*overrides: str, limit: int = 0, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run the command in a process whose files may have so many bytes; return its exit code and its complaint."""
    first = partial(limit_files, limit) if limit else None
    done = run_forked(Start("deblur.train", overrides, environment={**os.environ, **(environment or {})}, first=first))
    assert "Traceback" not in done.stdout
    return done.returncode, done.stderr


def assert_one_sentence(code: int, complaint: str, reason: str) -> None:
    assert code == 1
    assert complaint.startswith("error: ")
    assert complaint.count("\n") == 1
    assert f"({reason})" in complaint


def assert_continues(root: Path, overrides: tuple[str, ...], finished: Workplace) -> None:
    """Resume the run, or start it again if it had not begun, and compare it with an undisturbed one."""
    states = list(root.rglob("status.json"))
    for log in root.rglob("train.log"):
        assert "Traceback" not in log.read_text()
    assert train(*((f"resume={states[0].parent}",) if states else overrides)) == (0, "")
    (metrics,) = root.rglob("metrics.json")
    assert content_of(metrics.parent) == content_of(finished.run)


@pytest.mark.parametrize(("limit", "file"), [(300, "The run folder"), (3_000, "events.out.tfevents")])
def test_files_that_may_grow_no_more(
    finished: Workplace, tmp_path: Path, cache_root: Path, limit: int, file: str
) -> None:
    overrides = (*SMALL, f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}")
    code, complaint = train(*overrides, limit=limit)
    assert_one_sentence(code, complaint, "File too large")
    assert file in complaint
    assert not list(tmp_path.rglob("*.partial"))
    assert_continues(tmp_path, overrides, finished)


@pytest.mark.parametrize("size", [4, 24, 100, 120, 132])
def test_a_full_disk(finished: Workplace, small_disk: SmallDisk, cache_root: Path, tmp_path: Path, size: int) -> None:
    """From the start of the run over its checkpoints and events to its samples and metrics, whichever is full first."""
    disk = small_disk(size)
    overrides = (*SMALL, f"paths.output_root={disk}", f"paths.cache_root={cache_root}")
    code, complaint = train(*overrides, environment={"TMPDIR": str(tmp_path)})
    assert_one_sentence(code, complaint, "No space left on device")
    make_room(disk, 4096)
    assert_continues(disk, overrides, finished)


def test_a_full_disk_under_the_cache(finished: Workplace, small_disk: SmallDisk, tmp_path: Path) -> None:
    disk = small_disk(200)
    overrides = (*SMALL, f"paths.output_root={tmp_path / 'outputs'}", f"paths.cache_root={disk}")
    assert_one_sentence(*train(*overrides), "No space left on device")
    make_room(disk, 8192)
    assert_continues(tmp_path / "outputs", overrides, finished)


def test_a_sweep_continues_once_there_is_room(finished: Workplace, small_disk: SmallDisk, cache_root: Path) -> None:
    disk = small_disk(300)
    overrides = (
        "-m",
        "blur=box,none",
        "sweep=two",
        *SMALL,
        f"paths.output_root={disk}",
        f"paths.cache_root={cache_root}",
    )
    code, complaint = train(*overrides)
    assert code == 1
    assert complaint
    assert all(re.match("error: .*No space left on device", line) for line in complaint.splitlines())
    make_room(disk, 4096)
    assert train(*overrides) == (0, "")
    found = {path.parent.name: path.parent for path in disk.rglob("metrics.json")}
    assert len(found) == 2
    (box,) = (run for name, run in found.items() if "-box-" in name)
    assert content_of(box) == content_of(finished.run)


def test_places_where_nothing_can_be_written(tmp_path: Path, cache_root: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for overrides in ((), ("-m", "blur=box,none", "sweep=two")):
        code, complaint = train(*overrides, *SMALL, f"paths.output_root={file}", f"paths.cache_root={cache_root}")
        assert code == 2
        assert complaint.startswith("error: ")
        assert complaint.count("\n") == 1
        assert "choose another paths.output_root." in complaint
    assert file.read_text() == ""
