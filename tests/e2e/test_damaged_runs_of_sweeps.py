"""Sweeps in which a file of a run is damaged: that run fails, the others are trained and reported."""

import json
import shutil
from pathlib import Path

import pytest
from damages import copy, damage
from sampling import sampled
from small_trainings import SMALLEST

from deblur import evaluate, report, train

OVERRIDES = ("-m", "blur=box,gaussian", "sweep=two", "data.max_images=16", "trainer.max_epochs=1", *SMALLEST)
FILES = ("status.json", "config.yaml", "metrics.json", "history.csv", "images.csv", "sweep.json")
WAYS = ("empty", "cut", "binary", "nested", "list", "folder", "pipe", "unreadable", "huge", "aliases", "tag")
CASES = [  # each file in a third of the ways, in turn: each takes a training
    (file, way) for number, file in enumerate(FILES) for place, way in enumerate(WAYS) if (number + place) % 3 == 0
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> Path:
    """The output folder of a sweep of two runs."""
    root = tmp_path_factory.mktemp("two") / "outputs"
    assert train.main([*OVERRIDES, f"paths.output_root={root}", f"paths.cache_root={cache_root}"]) == 0
    return root


def runs(root: Path) -> tuple[Path, Path]:
    box, gaussian = sorted(path.parent for path in (root / "sweeps" / "two").glob("*/checkpoints"))
    return box, gaussian


@pytest.mark.slow
@pytest.mark.parametrize(("file", "way"), sampled(CASES, 4))
def test_the_others_are_trained_and_reported(
    trained: Path, cache_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, way: str
) -> None:
    root = copy(trained, tmp_path / "outputs")
    box, gaussian = runs(root)
    expected = json.loads((gaussian / "metrics.json").read_text())["test"]
    shutil.rmtree(gaussian)
    path = (box.parent if file == "sweep.json" else box) / file
    damage(path, way)
    overrides = [*OVERRIDES, f"paths.output_root={root}", f"paths.cache_root={cache_root}"]
    capsys.readouterr()

    is_the_sweeps = file == "sweep.json"
    assert train.main(overrides) == (0 if is_the_sweeps else 1)
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    sentence = next(line for line in (said.out + said.err).splitlines() if str(path) in line)
    assert "is damaged (" in sentence or "cannot be read (" in sentence
    assert ("writes it again" if is_the_sweeps else "overwrite=true") in sentence
    assert json.loads((gaussian / "metrics.json").read_text())["test"] == expected
    page = (box.parent / "report" / "report.md").read_text()
    assert ("is done" in page) is not is_the_sweeps

    if not is_the_sweeps:
        assert report.main(["two", "--no-grids", f"--output-root={root}"]) == 2
        said = capsys.readouterr()
        assert str(path) in said.err
        rows = [line.split() for line in said.out.splitlines()]
        assert [row[1] for row in rows if row[1:] and row[1] in ("damaged", "done")] == ["damaged", "done"]
        assert report.main(["--list", f"--output-root={root}"]) == 0
        assert str(path) in capsys.readouterr().out
        assert train.main([*overrides, "overwrite=true"]) == 0
    assert report.main(["two", "--no-grids", f"--output-root={root}"]) == 0
    assert json.loads((gaussian / "metrics.json").read_text())["test"] == expected


@pytest.mark.slow
@pytest.mark.parametrize("way", ["empty", "pipe", pytest.param("aliases", marks=pytest.mark.slow)])
@pytest.mark.parametrize("file", ["config.yaml", "status.json"])
def test_a_damaged_run_is_not_resumed(
    trained: Path, tmp_path: Path, cache_root: Path, capsys: pytest.CaptureFixture[str], file: str, way: str
) -> None:
    box, _ = runs(copy(trained, tmp_path / "outputs"))
    status = json.loads((box / "status.json").read_text())
    (box / "status.json").write_text(json.dumps(status | {"state": "interrupted"}))
    damage(box / file, way)
    capsys.readouterr()
    assert train.main([f"resume={box}", f"paths.cache_root={cache_root}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {box / file} ")
    assert said.count("\n") == 1
    places = (f"paths.cache_root={cache_root}", f"output={tmp_path / 'out'}", "accelerator=cpu")
    assert evaluate.main([f"run={box}", *places]) == (0 if file == "status.json" else 2)
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.slow
def test_fail_fast_starts_nothing_where_a_run_is_damaged(
    trained: Path, tmp_path: Path, cache_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = copy(trained, tmp_path / "outputs")
    box, gaussian = runs(root)
    shutil.rmtree(gaussian)
    damage(box / "metrics.json", "cut")
    overrides = [*OVERRIDES, f"paths.output_root={root}", f"paths.cache_root={cache_root}", "fail_fast=true"]
    assert train.main(overrides) == 2
    assert "so no job of this sweep was started: " in capsys.readouterr().err
    assert not gaussian.exists()
