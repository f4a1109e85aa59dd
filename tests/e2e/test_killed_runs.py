"""Sweeps that are killed before one of the changes that they make to their files, and are then given again."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from run_content import content_of
from workplaces import SMALL

pytestmark = pytest.mark.slow

KILLS = 8  # spread over all changes that a sweep makes to its files
OVERRIDES = ("-m", "blur=box,gaussian", "sweep=two", *SMALL, "trainer.max_epochs=2")
KILLER = """
import os, sys

folder, at = os.environ["WATCHED"], int(os.environ["KILLED_AT"])
count = 0


def watch(event, arguments):
    global count
    if event == "open":
        path, _, flags = arguments
        changes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    else:
        path = arguments[1] if event == "os.rename" else arguments[0] if arguments else None
        changes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
    if not changes or not isinstance(path, (str, bytes, os.PathLike)):
        return
    if not os.path.abspath(os.fsdecode(path)).startswith(folder):
        return
    count += 1
    if count == at:
        os.kill(os.getpid(), 9)
    if at < 0:
        os.write(int(os.environ["TOLD"]), b"x")


sys.addaudithook(watch)
"""


@pytest.fixture(scope="module")
def killer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder on Python's path whose code is run when a process starts."""
    folder = tmp_path_factory.mktemp("killer")
    (folder / "sitecustomize.py").write_text(KILLER)
    return folder


def sweep(killer: Path, root: Path, cache: Path, at: int, told: int = -1) -> tuple[int, str]:
    path = os.pathsep.join(filter(None, (str(killer), os.environ.get("PYTHONPATH", ""))))
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, "WATCHED": str(root), "KILLED_AT": str(at)}
    command = [
        sys.executable,
        "-m",
        "deblur.train",
        *OVERRIDES,
        f"paths.output_root={root}",
        f"paths.cache_root={cache}",
    ]
    fds = (told,) if told >= 0 else ()
    done = subprocess.run(
        command, capture_output=True, text=True, env={**env, "TOLD": str(told)}, timeout=300, pass_fds=fds
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stderr


def contents(root: Path) -> dict[str, Any]:
    """Return what each run says, and which other files there are."""
    runs = {path.parent.name: content_of(path.parent) for path in root.rglob("metrics.json")}
    files = {re.sub(r"(?<=tfevents\.).*", "", path.relative_to(root).as_posix()) for path in root.rglob("*")}
    return {"runs": runs, "files": sorted(files)}


@pytest.fixture(scope="module")
def undisturbed(killer: Path, tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> tuple[dict[str, Any], int]:
    """What a sweep leaves that nothing disturbs, and how many changes to files that took."""
    root = tmp_path_factory.mktemp("undisturbed")
    with (root.parent / "changes").open("wb+") as told:
        assert sweep(killer, root, cache_root, -1, told.fileno()) == (0, "")
        changes = told.seek(0, os.SEEK_END)
    found = contents(root)
    assert len(found["runs"]) == 2
    assert changes > 100
    return found, changes


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_sweep_ends_as_if_nothing_had_happened(
    killer: Path, tmp_path: Path, cache_root: Path, undisturbed: tuple[dict[str, Any], int], number: int
) -> None:
    expected, changes = undisturbed
    at = 1 + round((number + 0.5) * changes / KILLS)
    assert sweep(killer, tmp_path / "outputs", cache_root, at)[0] == -signal.SIGKILL
    assert sweep(killer, tmp_path / "outputs", cache_root, 0) == (0, "")
    found = contents(tmp_path / "outputs")
    assert found["files"] == expected["files"]
    assert found["runs"] == expected["runs"]
