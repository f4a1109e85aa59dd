import json
from collections.abc import Callable
from pathlib import Path

import pytest

from deblur.errors import UserError
from deblur.reporting.results import collect, markdown

Files = Callable[..., Path]


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        collect(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


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


@pytest.mark.usefixtures("runs")
def test_a_row_has_all_metrics_of_a_finished_run_and_none_of_another(sweep: Path) -> None:
    failed, done, *_, perfect = collect(sweep)
    assert not [key for key in failed if "." in key]
    assert (done["test.psnr"], done["test.images"], done["seconds.fit"]) == (25.4321, 15, 1.5)
    assert (done["versions.torch"], done["git"]) == ("2.13.0", None)
    assert perfect["test.psnr"] is None


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


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("metrics.json", '{"test": {"psnr": 25.', "is damaged (Expecting "),
        ("metrics.json", "", "is damaged (Expecting value"),
        ("metrics.json", "[]", "is damaged: it holds no mapping."),
        ("status.json", '{"sta', "is damaged (Unterminated string"),
        ("status.json", "{}", "is damaged: it tells no state."),
        ("config.yaml", "model: {name", "is damaged (while parsing a flow mapping"),
        ("config.yaml", "seed: 0", "is damaged: it lacks model._target_, blur._target_, optimizer.lr."),
        ("config.yaml", "model: srcnn\nseed: 0", "is damaged: it lacks model._target_, blur._target_, "),
    ],
)
def test_a_damaged_file_is_named(make_run: Files, sweep: Path, file: str, content: str, reason: str) -> None:
    path = make_run("run", "done", {"psnr": 1.0}) / file
    path.write_text(content)
    assert refusal(sweep).startswith(f"{path} {reason}")


def test_a_run_without_its_configuration_is_named(make_run: Files, sweep: Path) -> None:
    folder = make_run("run", "done")
    (folder / "config.yaml").unlink()
    assert refusal(sweep).startswith(f"{folder} is no run: it has no config.yaml.")


@pytest.mark.usefixtures("runs")
def test_the_main_columns_are_a_markdown_table(sweep: Path) -> None:
    assert markdown(collect(sweep)[:2] + collect(sweep)[-1:]).splitlines() == [
        "| model | blur | learning rate | seed | state | blurred [dB] | restored [dB] | gain [dB] | SSIM blurred | "
        "SSIM restored |",
        "|---|---|---|---|---|---|---|---|---|---|",
        "| srcnn_915 | gaussian | 0.001 | 0 | failed |  |  |  |  |  |",
        "| srcnn_915 | box | 0.001 | 0 | done | 22.23 | 25.43 | +3.20 | 0.7000 | 0.8123 |",
        "| srcnn_915 | none | 0.001 | 0 | done | 22.23 |  |  | 0.7000 | 0.8123 |",
    ]


def test_a_loss_has_its_sign(make_run: Files, sweep: Path) -> None:
    make_run("run", "done", {"gain": -0.5})
    assert "| -0.50 |" in markdown(collect(sweep))


def test_no_runs_are_a_heading() -> None:
    assert len(markdown([]).splitlines()) == 2


@pytest.mark.usefixtures("runs")
def test_reading_changes_nothing(sweep: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in sweep.rglob("*")}
    markdown(collect(sweep))
    assert {path: path.stat().st_mtime_ns for path in sweep.rglob("*")} == before


def test_a_number_comes_back_from_the_files_as_it_was(make_run: Files, sweep: Path) -> None:
    folder = make_run("run", "done", {"psnr": 25.123456789012345})
    assert json.loads((folder / "metrics.json").read_text())["test"]["psnr"] == collect(sweep)[0]["test.psnr"]
