import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from deblur.report import main

Files = Callable[..., Path]


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)


def refusal(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    return said.err.removeprefix("error: ").rstrip()


@pytest.mark.usefixtures("runs")
def test_a_sweep_is_shown_and_written(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep=grid"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    table = said.out.partition("\n\n")[0]
    assert len(table.splitlines()) == 2 + 5
    assert "| srcnn_915 | box | 0.001 | 0 | done | 22.23 | 25.43 | +3.20 | 0.7000 | 0.8123 |" in table
    assert said.out.endswith("\n\nAll columns are in outputs/sweeps/grid/report/results.csv\n")
    with (sweep / "report" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == ["a_failed", "b_done", "c_interrupted", "d_running", "e_perfect"]
    assert (rows[0]["test.psnr"], rows[1]["test.psnr"], rows[4]["test.psnr"]) == ("", "25.4321", "")
    assert rows[1]["versions.torch"] == "2.13.0"


@pytest.mark.usefixtures("runs")
def test_a_second_report_is_the_same(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for _ in range(2):
        assert main(["sweep=grid"]) == 0
        outputs.append((capsys.readouterr().out, (sweep / "report" / "results.csv").read_bytes()))
    assert outputs[0] == outputs[1]


@pytest.mark.usefixtures("runs")
def test_the_folder_may_have_any_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "outputs").rename(tmp_path / "out put [1]")
    assert main(["sweep=grid", "paths.output_root=out put [1]"]) == 0
    assert "out put [1]/sweeps/grid/report/results.csv" in capsys.readouterr().out


def test_a_sweep_may_be_called_by_a_number(make_run: Files, sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run("run", "done")
    sweep.rename(sweep.parent / "2024")
    assert main(["sweep=2024"]) == 0
    assert "sweeps/2024/report" in capsys.readouterr().out


def test_an_unknown_sweep_lists_the_known_ones(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sweep.parent / "a").mkdir()
    assert refusal(["sweep=gird"], capsys) == (
        "sweep=gird does not exist in outputs/sweeps: the sweeps there are a, grid."
    )
    assert refusal(["sweep=a", "paths.output_root=absent"], capsys) == (
        "sweep=a does not exist in absent/sweeps: the sweeps there are none."
    )


def test_a_sweep_without_runs_is_a_sentence(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(["sweep=grid"], capsys) == "outputs/sweeps/grid holds no runs."
    assert list(sweep.iterdir()) == []


def test_a_damaged_file_is_named_and_no_report_is_written(
    make_run: Files, sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (make_run("run", "done", {"psnr": 1.0}) / "metrics.json").write_text('{"test": {')
    assert refusal(["sweep=grid"], capsys).startswith("outputs/sweeps/grid/run/metrics.json is damaged (")
    assert not (sweep / "report").exists()


@pytest.mark.parametrize("word", ["sweep=", "sweep=null"])
def test_a_report_needs_a_name(capsys: pytest.CaptureFixture[str], word: str) -> None:
    assert refusal([word], capsys) == f"{word} is not allowed: give the name of a sweep: sweep=NAME."
