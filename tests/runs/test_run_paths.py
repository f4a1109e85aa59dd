"""Folders and names that are no runs and no sweeps, in every command that takes one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deblur import evaluate, export, report, restore, train
from deblur.errors import UserError
from deblur.runs.paths import near_place, no_run, sweep_folder
from deblur.runs.records import read_config

Shown = pytest.CaptureFixture[str]
Refused = Callable[..., str]
RUN = "srcnn_915-box-lr_0.001-seed_0"
FILES = (
    f"outputs/runs/{RUN}/2026-01-01_00-00-00/config.yaml",
    f"outputs/runs/{RUN}/2026-01-02_00-00-00/config.yaml",
    f"outputs/runs/{RUN}/2026-01-02_00-00-00/checkpoints/last.ckpt",
    "outputs/sweeps/grid/sweep.json",
    "outputs/sweeps/grid/report/report.html",
    f"outputs/sweeps/grid/{RUN}/config.yaml",
    f"outputs/sweeps/grid/{RUN}/status.json",
    "outputs/sweeps/wide/sweep.json",
    "outputs/evaluations/box/metrics.json",
    "faces/1.png",
)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with runs, sweeps and their like, all of empty files."""
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    return tmp_path


FOLDERS = [
    ("outputs/sweeps/grid", f"it is the sweep grid. Give one of its 1 runs, such as outputs/sweeps/grid/{RUN}; python"),
    ("outputs/sweeps/grid", "python -m deblur.evaluate sweep=grid and python -m deblur.report grid take all of them."),
    ("outputs/sweeps/grid/report", "it lies in the sweep grid. Give one of its 1 runs, such as "),
    ("outputs/sweeps/wide", "it is the sweep wide. Give one of its 0 runs; python -m"),
    (f"outputs/runs/{RUN}", f"it holds 2. Give one of them, such as outputs/runs/{RUN}/2026-01-02_00-00-00."),
    (f"outputs/runs/{RUN}/2026-01-02_00-00-00/checkpoints", "2026-01-02_00-00-00. Give that folder."),
    ("outputs", "runs lie deeper in it. python -m deblur.report --list shows them."),
    ("outputs/runs", "runs lie deeper in it. python -m deblur.report --list shows them."),
    ("outputs/sweeps", "runs lie deeper in it. python -m deblur.report --list shows them."),
    ("outputs/evaluations/box", "it holds the results of an evaluation. Give the folder of the run itself."),
    ("faces", "it has no config.yaml. Give a folder such as outputs/runs/RUN/TIME."),
]


@pytest.mark.parametrize(("folder", "sentence"), FOLDERS)
def test_a_folder_that_is_no_run_is_refused_with_what_it_is(workplace: Path, folder: str, sentence: str) -> None:  # noqa: ARG001
    with pytest.raises(UserError) as caught:
        read_config(Path(folder))
    assert str(caught.value) == no_run(Path(folder))
    assert str(caught.value).startswith(f"{folder} is no run: ")
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "command",
    [
        (evaluate, "run={}"),
        (restore, "--network={}", "faces/1.png"),
        (export, "{}", "--format=onnx"),
        (train, "resume={}"),
    ],
)
def test_every_command_says_so(workplace: Path, capsys: Shown, command: tuple) -> None:  # type: ignore[type-arg] # of any length
    program, *overrides = command
    for folder in ("outputs/sweeps/grid", "outputs/sweeps/grid/report", f"outputs/runs/{RUN}"):
        assert program.main([word.format(folder) for word in overrides]) == 2
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)
        assert no_run(Path(folder).resolve() if program is train else Path(folder)) in said.err
    assert sorted(path for path in workplace.rglob("*") if path.is_file()) == sorted(workplace / name for name in FILES)


@pytest.mark.parametrize(
    ("place", "near"),
    [
        ("outputs/runs/srcnn_915-box-lr_0.01-seed_0", f"outputs/runs/{RUN}"),
        ("outputs/sweeps/gird", "outputs/sweeps/grid"),
        ("outptus/sweeps/grid", "outputs"),
        ("faces/1.pgn", "faces/1.png"),
        ("zzz", None),
    ],
)
def test_a_place_that_is_not_there(workplace: Path, place: str, near: str | None) -> None:  # noqa: ARG001
    assert near_place(Path(place)) == ("" if near is None else f" Did you mean {near}?")


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ((evaluate, "run=outputs/sweeps/gird"), "Did you mean outputs/sweeps/grid?"),
        ((export, "outputs/sweeps/gird", "--format=onnx"), "Did you mean outputs/sweeps/grid?"),
        ((restore, "--network=outputs/sweeps/gird", "faces/1.png"), "Did you mean outputs/sweeps/grid?"),
        ((restore, "--network=motoin", "faces/1.png"), "Did you mean motion?"),
        ((restore, "--network=MOTION", "faces/1.png"), "Did you mean motion?"),
        (
            (restore, "faces/1.pgn"),
            "faces/1.pgn does not exist: give an image, or a folder of images. Did",
        ),
        ((evaluate, "sweep=gird"), "the sweeps there are grid, wide. Did you mean grid?"),
        ((evaluate, "sweep=outputs/sweeps/grid"), "the sweeps there are grid, wide. Did you mean grid?"),
        ((evaluate, "sweep=GRID", "matrix=true"), "the sweeps there are grid, wide."),
        ((evaluate, "sweep=.."), "There is no sweep .. in outputs/sweeps"),
        ((report, "grid", "outputs/sweeps/wide"), "Did you mean wide?"),
        ((report, ".."), "There is no sweep .. in outputs/sweeps"),
        ((report, "a", "--output-root=none"), "Give another folder of outputs with --output-root DIR."),
    ],
)
def test_names_are_helped(workplace: Path, capsys: Shown, overrides: tuple, sentence: str) -> None:  # type: ignore[type-arg] # of any length # noqa: ARG001
    program, *given = overrides
    assert program.main(given) == 2
    said = capsys.readouterr()
    assert sentence in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)


def test_a_sweep_is_found(workplace: Path) -> None:
    assert sweep_folder(workplace / "outputs", "grid") == workplace / "outputs" / "sweeps" / "grid"
