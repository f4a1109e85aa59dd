import json
from collections.abc import Callable
from pathlib import Path

import pytest

from deblur.reporting.results import Row, read_sweep, rows_of

Files = Callable[..., Path]


def collect(folder: Path) -> list[Row]:
    return rows_of(read_sweep(folder), {})


def damage(folder: Path) -> str:
    (found,) = read_sweep(folder).damages
    assert "\n" not in found
    return found


@pytest.mark.usefixtures("runs")
def test_every_run_is_a_row_by_path(sweep: Path) -> None:
    rows = collect(sweep)
    assert [(row["run"], row["state"], row["blur"]) for row in rows] == [
        ("a_failed", "failed", "gaussian"),
        ("b_done", "done", "box"),
        ("c_interrupted", "interrupted", "box"),
        ("d_running", "interrupted", "box"),
        ("e_perfect", "done", "none"),
    ]
    assert {(row["model"], row["lr"], row["seed"]) for row in rows} == {("srcnn_915", 0.001, 0)}
    assert [row.get("error") for row in rows] == ["ValueError: no", None, None, None, None]


@pytest.mark.usefixtures("runs")
def test_a_row_has_all_metrics_of_a_finished_run_and_none_of_another(sweep: Path) -> None:
    failed, done, *_, perfect = collect(sweep)
    assert not [key for key in failed if "." in key]
    assert (done["test.psnr"], done["test.images"], done["seconds.fit"]) == (25.4321, 15, 1.5)
    assert (done["versions.torch"], done["git"]) == ("2.13.0", None)
    assert perfect["test.psnr"] is None


def test_metrics_of_an_earlier_attempt_are_no_result(make_run: Files, sweep: Path) -> None:
    make_run("run", "failed", {"psnr": 1.0})
    assert "test.psnr" not in collect(sweep)[0]


def test_runs_are_found_at_any_depth(make_run: Files, sweep: Path) -> None:
    folder = make_run("run/2026-01-01_00-00-00", "done")
    assert [row["run"] for row in collect(sweep)] == ["run/2026-01-01_00-00-00"]
    assert [row["run"] for row in collect(folder)] == ["2026-01-01_00-00-00"]


def test_other_files_are_no_runs(sweep: Path) -> None:
    (sweep / "report").mkdir()
    (sweep / "report" / "results.csv").touch()
    (sweep / "multirun.yaml").touch()
    assert collect(sweep) == []


def test_an_option_without_a_name_is_shown_by_its_class(make_run: Files, sweep: Path) -> None:
    path = make_run("run", "done") / "config.yaml"
    path.write_text(path.read_text().replace("name: srcnn_915, ", ""))
    assert collect(sweep)[0]["model"] == "deblur.models.SRCNN"


def test_runs_come_in_the_order_of_the_command_and_what_is_missing_is_told(make_run: Files, sweep: Path) -> None:
    for name in ("a", "b", "later"):
        make_run(name, "done")
    asked = {"commands": ["python -m deblur.train -m"], "runs": ["b", "gone", "a"]}
    (sweep / "sweep.json").write_text(json.dumps(asked))
    found = read_sweep(sweep)
    states = [(run.name, run.state) for run in found.runs]
    assert states == [("b", "done"), ("gone", "missing"), ("a", "done"), ("later", "done")]
    assert found.commands == ("python -m deblur.train -m",)
    assert (found.states["done"], found.states["missing"]) == (3, 1)


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("metrics.json", '{"test": {"psnr": 25.', "is damaged (Expecting "),
        ("metrics.json", "", "is damaged (it is empty)"),
        ("metrics.json", "[]", "is damaged (it holds no mapping)"),
        ("metrics.json", "{}", "is damaged (test: field required)"),
        ("metrics.json", '{"test": {"psnr": "high"}}', "is damaged (test.psnr: "),
        ("metrics.json", '{"test": [1]}', "is damaged (test: "),
        ("metrics.json", '{"test": {}, "val": 3}', "is damaged (val: "),
        ("metrics.json", '{"test": {}, "data": {"counts": 5}}', "is damaged (data.counts: "),
        ("metrics.json", '{"test": {}, "seconds": {"fit": true}}', "is damaged (seconds.fit: "),
        ("metrics.json", '{"test": {}, "model": {"parameters": [3]}}', "is damaged (model.parameters"),
        ("metrics.json", '{"test": {"psnr": 1' + "0" * 400 + "}}", "is damaged ("),
        ("metrics.json", '{"a":' * 10**5, "is damaged (it is nested too deeply)"),
        ("status.json", '{"sta', "is damaged (Unterminated string"),
        ("status.json", "{}", "is damaged (state: field required)"),
        ("status.json", '{"state": 7}', "is damaged (state: "),
        ("status.json", '{"state": "done", "epoch": "x"}', "is damaged (epoch: "),
        ("status.json", '{"state": "done", "epoch": -1}', "is damaged (epoch: "),
        ("status.json", '{"state": "done", "ended": 5}', "is damaged (ended: "),
        ("status.json", '{"state": "done", "data": ["a"]}', "is damaged (data: "),
        ("config.yaml", "model: {name", "is damaged (while parsing a flow mapping"),
        ("config.yaml", "seed: 0", "is damaged (it lacks model._target_, blur._target_, optimizer.lr)"),
        ("config.yaml", "model: srcnn\nseed: 0", "is damaged (model: "),
        ("config.yaml", "data: [1]\nseed: 0", "is damaged (data: "),
        ("config.yaml", "model: {name: [1]}", "is damaged (model.name: "),
        ("config.yaml", "optimizer: {lr: fast}", "is damaged (optimizer.lr: "),
        ("config.yaml", "a: &a [*a]", "is damaged (it has aliases"),
        ("../sweep.json", '{"runs": 3}', "is damaged (runs: "),
        ("../sweep.json", '{"commands": [1]}', "is damaged (commands.0: "),
        ("../sweep.json", '{"data": []}', "is damaged (data: "),
        ("../sweep.json", "{", "is damaged (Expecting property name"),
    ],
)
def test_a_damaged_file_is_named_and_the_other_runs_are_read(
    make_run: Files, sweep: Path, file: str, content: str, reason: str
) -> None:
    path = (make_run("run", "done", {"psnr": 1.0}).resolve() / file).resolve()
    make_run("sound", "done", {"psnr": 2.0})
    path.write_text(content)
    assert damage(sweep).startswith(f"{path} {reason}")
    is_the_sweeps = path.name == "sweep.json"
    assert [(row["run"], row["state"]) for row in collect(sweep)] == [
        ("run", "done" if is_the_sweeps else "damaged"),
        ("sound", "done"),
    ]
    assert [row.get("test.psnr") for row in collect(sweep)] == [1.0 if is_the_sweeps else None, 2.0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "it is empty"),
        ("name,psnr\na,1\n", "lacks the columns input_psnr, gain"),
        ("name,input_psnr,psnr,gain,input_ssim,ssim\na,1,x,1,1,1\n", "'x' is no number"),
        ("name,input_psnr,psnr,gain,input_ssim,ssim\na,1,2\n", "line 2 has 3 cells instead of 6"),
    ],
)
def test_a_damaged_table_is_named(make_measured: Files, sweep: Path, content: str, reason: str) -> None:
    path = make_measured("run", [1.0]) / "images.csv"
    path.write_text(content)
    assert damage(sweep).startswith(f"{path} is damaged (")
    assert reason in damage(sweep)
    (run,) = read_sweep(sweep).runs
    assert (run.state, run.images, run.history, run.measured) == ("damaged", {}, [], False)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "it is empty"),
        ("step\n1\n", "it lacks the columns epoch"),
        ("epoch,val/psnr\n0,x\n", "'x' is no number"),
        ("epoch,val/psnr\n0.5,1\n", "0.5 is no epoch"),
        ("epoch,val/psnr\n,1\n", "None is no epoch"),
        ("epoch,val/psnr\n-1,1\n", "-1 is no epoch"),
        ("epoch,val/psnr\n0\n", "line 2 has 1 cells instead of 2"),
    ],
)
def test_a_damaged_history_is_named(make_measured: Files, sweep: Path, content: str, reason: str) -> None:
    path = make_measured("run", [1.0]) / "history.csv"
    path.write_text(content)
    assert damage(sweep).startswith(f"{path} is damaged ({reason}")


def test_epochs_of_early_versions_are_counted_from_1_as_well(make_measured: Files, sweep: Path) -> None:
    for name, first in (("early", 0), ("new", 1)):
        folder = make_measured(name, [1.0])
        (folder / "history.csv").write_text(f"epoch,val/psnr\n{first},20.5\n{first + 1},21\n")
        metrics = json.loads((folder / "metrics.json").read_text())
        (folder / "metrics.json").write_text(json.dumps(metrics | {"val": {"psnr": 21.0, "epoch": first + 1}}))
    for run in read_sweep(sweep).runs:
        assert [row["epoch"] for row in run.history] == [1, 2]
        assert run.number("val.epoch") == 2


def test_a_run_without_its_configuration_is_named(make_run: Files, sweep: Path) -> None:
    folder = make_run("run", "done")
    (folder / "config.yaml").unlink()
    assert damage(sweep).startswith(f"{folder} is damaged (it has no config.yaml): ")


def test_what_an_infinite_psnr_left_empty_is_no_number(make_measured: Files, sweep: Path) -> None:
    make_measured("run", [1.0, None])
    first, second = read_sweep(sweep).runs[0].images.values()
    assert (first["psnr"], first["gain"]) == (21.0, 1.0)
    assert second["psnr"] != second["psnr"]


@pytest.mark.usefixtures("runs")
def test_reading_changes_nothing(sweep: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in sweep.rglob("*")}
    collect(sweep)
    assert {path: path.stat().st_mtime_ns for path in sweep.rglob("*")} == before


def test_a_number_comes_back_from_the_files_as_it_was(make_run: Files, sweep: Path) -> None:
    folder = make_run("run", "done", {"psnr": 25.123456789012345})
    assert json.loads((folder / "metrics.json").read_text())["test"]["psnr"] == collect(sweep)[0]["test.psnr"]
