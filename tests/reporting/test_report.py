import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deblur.report import main
from deblur.reporting.tables import NOTHING

Files = Callable[..., Path]


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)


def refusal(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(argv) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    return said.err.removeprefix("error: ").rstrip()


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("runs")
def test_a_sweep_is_shown_and_written(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grid"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    lines = [line.split() for line in said.out.splitlines()]
    assert ["b_done", "done", "22.23", "25.43", "+3.20", "2"] in lines
    assert ["a_failed", "failed", NOTHING, NOTHING, NOTHING, NOTHING] in lines
    assert "a_failed: ValueError: no" in said.out.splitlines()
    assert "box: srcnn_915, 25.43 dB, 3.20 dB above the blurred input." in said.out
    assert said.out.endswith(
        "The report is outputs/sweeps/grid/report/report.html\n"
        "All numbers are in outputs/sweeps/grid/report/results.csv, a LaTeX table in "
        "outputs/sweeps/grid/report/table.tex\n"
    )
    rows = table(sweep / "report" / "results.csv")
    assert [row["run"] for row in rows] == ["a_failed", "b_done", "c_interrupted", "d_running", "e_perfect"]
    assert (rows[0]["test.psnr"], rows[1]["test.psnr"], rows[4]["test.psnr"]) == ("", "25.4321", "")
    assert rows[1]["versions.torch"] == "2.13.0"
    assert "sweep" not in rows[0]


@pytest.mark.usefixtures("runs")
def test_a_second_report_is_the_same(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for _ in range(2):
        assert main(["grid"]) == 0
        files = {path.name: path.read_bytes() for path in (sweep / "report").iterdir()}
        outputs.append((capsys.readouterr().out, files))
    assert outputs[0] == outputs[1]


@pytest.mark.usefixtures("runs")
def test_figures_are_vector_files_if_asked_for(sweep: Path) -> None:
    assert main(["grid", "--vector"]) == 0
    folder = sweep / "report"
    stems = {path.stem for path in folder.glob("*.png")}
    assert (
        {path.stem for path in folder.glob("*.pdf")} == {path.stem for path in folder.glob("*.svg")} == stems != set()
    )
    assert main(["grid"]) == 0
    assert [path for path in folder.iterdir() if path.suffix in (".pdf", ".svg")] == []  # of other numbers


@pytest.mark.usefixtures("runs")
def test_the_folder_may_have_any_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "outputs").rename(tmp_path / "out put [1]")
    assert main(["grid", "--output-root=out put [1]"]) == 0
    assert "out put [1]/sweeps/grid/report/results.csv" in capsys.readouterr().out


def test_a_sweep_may_be_called_by_a_number(make_run: Files, sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run("run", "done")
    sweep.rename(sweep.parent / "2024")
    assert main(["2024"]) == 0
    assert "sweeps/2024/report" in capsys.readouterr().out


@pytest.mark.parametrize("argv", ["grid other", "grid other grid"])
def test_several_sweeps_have_a_report_of_their_own(
    make_measured: Files, sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], argv: str
) -> None:
    make_measured("a", [1.0, 2.0])
    make_measured("a", [2.0, 2.5], into=sweep.parent / "other")
    assert main(argv.split()) == 0
    assert "srcnn_915, other restores best" in capsys.readouterr().out
    rows = table(tmp_path / "outputs" / "reports" / "grid+other" / "results.csv")
    assert [(row["sweep"], row["run"], row["test.gain"]) for row in rows] == [
        ("grid", "a", "1.5"),
        ("other", "a", "2.25"),
    ]
    assert not (sweep / "report").exists()


def test_a_report_goes_where_it_is_sent(make_run: Files, sweep: Path, tmp_path: Path) -> None:
    make_run("run", "done")
    assert main(["grid", "--output=else where", "--no-grids"]) == 0
    assert (tmp_path / "else where" / "report.html").is_file()
    assert not (sweep / "report").exists()


def test_a_place_that_cannot_be_written_is_a_sentence(
    make_run: Files, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run("run", "done")
    (tmp_path / "file").touch()
    assert refusal(["grid", "--output=file/in"], capsys) == (
        "file/in cannot be written (Not a directory): choose another with --output DIR."
    )
    assert refusal(["grid", "--output=file"], capsys) == (
        "--output file is no folder: give one, into which several files go."
    )
    assert refusal(["grid", "--output=report.html"], capsys) == (
        "--output report.html names a file: give a folder, into which several files go."
    )


def test_an_unknown_sweep_lists_the_known_ones(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sweep.parent / "a").mkdir()
    assert refusal(["gird"], capsys) == (
        "There is no sweep gird in outputs/sweeps: the sweeps there are a, grid. Did you mean grid?"
    )
    assert refusal([".."], capsys).startswith("There is no sweep .. in outputs/sweeps")
    assert refusal(["a", "--output-root=absent"], capsys) == (
        "There is no sweep a in absent/sweeps: the sweeps there are none. Give another folder of outputs with "
        "--output-root DIR."
    )


def test_a_sweep_without_runs_is_a_sentence(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(["grid"], capsys) == "outputs/sweeps/grid holds no runs."
    assert list(sweep.iterdir()) == []


@pytest.mark.parametrize("file", ["metrics.json", "images.csv", "history.csv"])
def test_a_damaged_file_is_named_and_the_other_runs_are_reported(
    make_measured: Files, sweep: Path, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    (make_measured("run", [1.0, 2.0]) / file).write_text('{"test": {')
    make_measured("sound", [1.5, 2.5])
    assert main(["grid"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"error: outputs/sweeps/grid/run/{file} is damaged (")
    assert "Traceback" not in said.err
    assert ["sound", "done", "20.00", "22.00", "+2.00", "2"] in [line.split() for line in said.out.splitlines()]
    rows = table(sweep / "report" / "results.csv")
    assert [(row["run"], row["state"], row["test.gain"]) for row in rows] == [
        ("run", "damaged", ""),
        ("sound", "done", "2.0"),
    ]
    assert f"{file} is damaged (" in (sweep / "report" / "report.md").read_text()


@pytest.mark.parametrize("argv", [["--list"], ["--list", "grid"]])
@pytest.mark.parametrize("file", ["status.json", "config.yaml", "metrics.json", "images.csv", "history.csv"])
def test_the_list_shows_what_is_damaged(
    make_measured: Files, capsys: pytest.CaptureFixture[str], argv: list[str], file: str
) -> None:
    run = make_measured("run", [1.0, 2.0])
    make_measured("sound", [1.5, 2.5])
    (run / file).unlink(missing_ok=True)
    os.mkfifo(run / file)
    assert main(argv) == 0
    said = capsys.readouterr().out
    assert f"outputs/sweeps/grid/run/{file} cannot be read (it is a pipe, no file): restore the file" in said
    expected = ["grid", "1", *[NOTHING] * 4, "1", NOTHING] if len(argv) == 1 else ["run", "damaged", *[NOTHING] * 4]
    assert expected in [line.split()[: len(expected)] for line in said.splitlines()]


def test_a_report_needs_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal([], capsys) == "SWEEPS is missing: give the name of a sweep, or --list to see them."
    assert refusal([""], capsys).startswith("Invalid value for 'SWEEPS': it is empty")


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("--grids=maybe", "Option '--grids' does not take a value"),
        ("--list=3", "Option '--list' does not take a value"),
        ("--output=", "Invalid value for '--output' / '-o': it is empty"),
        ("--output-root=", "Invalid value for '--output-root': it is empty"),
        ("--grid", "No such option: --grid"),
    ],
)
def test_a_wrong_value_is_named(capsys: pytest.CaptureFixture[str], word: str, sentence: str) -> None:
    said = refusal(["grid", word], capsys)
    assert said.startswith(sentence)
    assert said.endswith(" python -m deblur.report --help shows what is allowed.")


@pytest.mark.usefixtures("runs")
def test_the_list_shows_runs_and_sweeps(
    make_run: Files, sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (sweep / "sweep.json").write_text(json.dumps({"runs": ["b_done", "gone", "lost"]}))
    run = make_run("box/2026", "done", {"psnr": 21.5, "gain": 1.25}, into=tmp_path / "outputs" / "runs")
    (run / "status.json").write_text(json.dumps({"state": "done", "ended": "2026-01-02T03:04:05+00:00"}))
    (make_run("broken/2026", "done", into=tmp_path / "outputs" / "runs") / "status.json").write_text("{")
    ended = {"state": "done", "ended": "2026-05-06T07:08:09+00:00"}
    (sweep / "b_done" / "status.json").write_text(json.dumps(ended))  # the others tell no time
    assert main(["--list"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["box/2026", "done", "21.50", "+1.25", "2026-01-02", "03:04"] in lines
    assert ["broken/2026", "damaged", NOTHING, NOTHING, NOTHING] in lines
    assert ["grid", "2", NOTHING, "2", "1", "2", "2026-05-06", "07:08"] in lines
    assert not (sweep / "report").exists()


@pytest.mark.usefixtures("runs")
def test_the_list_of_a_sweep_shows_its_runs(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "grid"]) == 0
    assert "b_done" in capsys.readouterr().out
    assert not (sweep / "report").exists()


def test_an_empty_folder_lists_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert capsys.readouterr().out == "There are no runs and no sweeps in outputs.\n"


@pytest.mark.slow
@pytest.mark.parametrize("word", ["--help", "--list"])
def test_what_draws_nothing_loads_no_library_for_it(word: str) -> None:
    """Nor torch: the answer comes within a second."""
    code = (
        "import sys; from deblur.report import main; main([sys.argv[1]]); "
        "print({'torch', 'lightning', 'matplotlib', 'scipy', 'jinja2'} & set(sys.modules))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code, word], capture_output=True, text=True, env=environment)
    assert done.stdout.endswith("set()\n")


@pytest.mark.slow
def test_a_report_loads_no_torch(make_measured: Files) -> None:
    make_measured("run", [1.0, 2.0])
    code = "import sys; from deblur.report import main; main(['sweep=grid']); sys.exit('torch' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment).returncode == 0
