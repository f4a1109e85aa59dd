"""Evaluations of a sweep in which a file is damaged."""

import os
import shutil
from pathlib import Path

import pytest

from deblur import evaluate


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    """A copy of the output folder, to be damaged."""
    return Path(shutil.copytree(trained, tmp_path / "outputs"))


def box_run(root: Path) -> Path:
    (found,) = (path for path in (root / "sweeps" / "two").iterdir() if "-box-" in path.name)
    return found


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("status.json", b""),
        ("config.yaml", b"a: &a [*a]"),
        ("checkpoints/best.ckpt", b"\0" * 100),
        pytest.param("status.json", b'{"state": 7}', marks=pytest.mark.slow),
        pytest.param("config.yaml", b"data: [1]", marks=pytest.mark.slow),
        pytest.param("metrics.json", b'{"a":' * 10**5, marks=pytest.mark.slow),
        pytest.param("metrics.json", b'{"test": {}, "data": 3}', marks=pytest.mark.slow),
    ],
)
def test_a_damaged_run_is_told_and_the_others_are_measured(
    copied: Path, cache_root: Path, capsys: pytest.CaptureFixture[str], file: str, content: bytes
) -> None:
    (box_run(copied) / file).write_bytes(content)
    places = (f"paths.output_root={copied}", f"paths.cache_root={cache_root}", "accelerator=cpu")
    assert evaluate.main(["sweep=two", *places]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert str(box_run(copied) / file) in said.err
    (measured,) = (copied / "evaluations").iterdir()
    assert "-gaussian-" in measured.name
    assert f"All numbers are in {measured}" in said.out


@pytest.mark.slow
@pytest.mark.parametrize("word", ["matrix=true", "optimal_linear=true"])
def test_tables_of_a_sweep_leave_a_damaged_run_out(
    copied: Path, cache_root: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    (box_run(copied) / "metrics.json").unlink()
    os.mkfifo(box_run(copied) / "metrics.json")
    places = (f"paths.output_root={copied}", f"paths.cache_root={cache_root}", "accelerator=cpu")
    assert evaluate.main(["sweep=two", word, *places]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"error: {box_run(copied) / 'metrics.json'} cannot be read (it is a pipe, no file)")
    (table,) = (path for path in (copied / "sweeps" / "two").glob("*.csv"))
    assert f"All numbers are in {table}" in said.out
    assert "gaussian" in table.read_text()
    assert "-box-" not in table.read_text()


def test_a_sweep_of_which_nothing_can_be_used_says_why(
    copied: Path, cache_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (copied / "sweeps" / "two").glob("*/status.json"):
        path.write_text("")
    places = (f"paths.output_root={copied}", f"paths.cache_root={cache_root}", "accelerator=cpu")
    assert evaluate.main(["sweep=two", *places]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("status.json is damaged (it is empty)") == 2


def test_a_damaged_run_is_not_compared(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = box_run(copied)
    (run / "images.csv").write_text("name\n")
    assert evaluate.main([f"compare=['{run}','{run}']", f"paths.output_root={copied}"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {run / 'images.csv'} is damaged (it lacks the columns")
