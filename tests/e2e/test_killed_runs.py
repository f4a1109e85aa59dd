"""Sweeps that are killed before one of the changes that they make to their files, and are then given again."""

import re
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from forked_commands import Start, run_forked
from hindered import watch_changes
from run_content import content_of
from sampling import sampled
from workplaces import SMALL

pytestmark = pytest.mark.slow

KILLS = 8  # spread over all changes that a sweep makes to its files
OVERRIDES = ("-m", "blur=box,gaussian", "sweep=two", *SMALL, "trainer.max_epochs=2")


def sweep(root: Path, cache: Path, at: int = 0, counted: Path | None = None) -> tuple[int, str]:
    """Run the sweep, and kill it at one of its changes to files if that is not 0; return its exit code and errors."""
    overrides = (*OVERRIDES, f"paths.output_root={root}", f"paths.cache_root={cache}")
    done = run_forked(Start("deblur.train", overrides, first=partial(watch_changes, str(root), at, counted)))
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stderr


def contents(root: Path) -> dict[str, Any]:
    """Return what each run says, and which other files there are."""
    runs = {path.parent.name: content_of(path.parent) for path in root.rglob("metrics.json")}
    files = {re.sub(r"(?<=tfevents\.).*", "", path.relative_to(root).as_posix()) for path in root.rglob("*")}
    return {"runs": runs, "files": sorted(files)}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> tuple[dict[str, Any], int]:
    """What a sweep leaves that nothing disturbs, and how many changes to files that took."""
    root = tmp_path_factory.mktemp("undisturbed")
    counted = tmp_path_factory.mktemp("counted") / "changes"
    assert sweep(root, cache_root, counted=counted) == (0, "")
    changes = counted.stat().st_size
    found = contents(root)
    assert len(found["runs"]) == 2
    assert changes > 100
    return found, changes


@pytest.mark.parametrize("number", sampled(range(KILLS), 3))
def test_a_killed_sweep_ends_as_if_nothing_had_happened(
    tmp_path: Path, cache_root: Path, undisturbed: tuple[dict[str, Any], int], number: int
) -> None:
    expected, changes = undisturbed
    at = 1 + round((number + 0.5) * changes / KILLS)
    assert sweep(tmp_path / "outputs", cache_root, at)[0] == -signal.SIGKILL
    assert sweep(tmp_path / "outputs", cache_root) == (0, "")
    found = contents(tmp_path / "outputs")
    assert found["files"] == expected["files"]
    assert found["runs"] == expected["runs"]
