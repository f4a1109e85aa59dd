"""Runs whose folder is moved away while they are trained."""

from pathlib import Path

import pytest
from workplaces import SMALL, Workplace

from deblur.train import main


@pytest.mark.slow
@pytest.mark.parametrize("replaced", [False, True])
def test_a_moved_run_ends_and_resumes_where_it_is(
    finished: Workplace, workplace: Workplace, tmp_path: Path, capsys: pytest.CaptureFixture[str], replaced: bool
) -> None:
    moved = tmp_path / "moved"
    overrides = (
        "+callbacks.move._target_=watchers.MoveRun",
        f"+callbacks.move.to='{moved}'",
        "trusted=[watchers]",
        "logger=none",
    )
    assert workplace.train(*SMALL, *overrides, f"+callbacks.move.replaced={replaced}") == 2
    error = capsys.readouterr().err
    assert "was moved, deleted or replaced while a run was alive in it" in error
    assert "Traceback" not in error
    assert [path.name for path in workplace.root.rglob("*") if path.is_file()] == ["theirs"] * replaced
    there = Workplace(moved, workplace.cache_root)
    assert there.read("status.json")["epoch"] == 1
    assert main([f"resume={moved}", f"paths.cache_root={workplace.cache_root}", "trusted=[watchers]"]) == 0
    assert there.read("metrics.json")["test"] == finished.read("metrics.json")["test"]
