"""On what runs were tested stands where their numbers stand."""

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from run_files import write_report

from deblur.reporting import listing, state_table
from deblur.reporting.configurations import arrange
from deblur.reporting.results import read_sweep

Files = Callable[..., Path]
BOX = {"name": "box", "_target_": "deblur.blur.Box", "size": 7, "noise_sigma": 0.0, "jpeg_quality": None}
DATA = {
    "name": "folder",
    "_target_": "deblur.data.FolderData",
    "root": "/home/me/faces",
    "seed": 3,
    "max_images": 50,
    "eval_crop": 64,
    "boundary": "symmetric",
}
COUNTS = {"counts": {"train": 40, "val": 5, "test": 2}, "fingerprint": "abcdef0123456789"}


@pytest.fixture
def make(make_measured: Files) -> Files:
    """Write a finished run with a blur and data of its own."""

    def write(name: str, blur: Mapping[str, Any] = BOX, data: Mapping[str, Any] = DATA, **more: Any) -> Path:
        folder = make_measured(name, [1.0, 2.0], **more)
        config = yaml.safe_load((folder / "config.yaml").read_text()) | {"blur": dict(blur), "data": dict(data)}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        metrics = json.loads((folder / "metrics.json").read_text()) | {"data": COUNTS}
        (folder / "metrics.json").write_text(json.dumps(metrics))
        return folder

    return write


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


FULL = (
    "Data: folder faces; seed 3; 40 images to train, 5 to validate, 2 to test; symmetric boundary; "
    "center crop of 64 px; fingerprint abcdef01."
)


def test_what_all_runs_share_stands_in_the_first_lines(make: Files, sweep: Path, tmp_path: Path) -> None:
    make("a", BOX | {"noise_sigma": 2.0, "jpeg_quality": 50})
    make("b", BOX | {"noise_sigma": 2, "jpeg_quality": 50}, lr=0.01)
    write_report([sweep], tmp_path / "out")
    blur = "Blur: box (size 7 px); noise of 2 gray levels; JPEG quality 50."
    assert (tmp_path / "out" / "report.md").read_text().splitlines()[:5] == ["# Report of grid", "", FULL, "", blur]
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.index(FULL) < page.index(blur) < page.index("<h2>")
    assert "What the test settings differ in" not in page
    above, _, rows = state_table(sweep).partition("\n\n")
    assert " ".join(above.splitlines()) == f"sweep grid, PSNR in dB {FULL} {blur}"
    assert max(map(len, [*above.splitlines(), *rows.splitlines()])) <= 80


def test_what_runs_differ_in_stands_in_columns(make: Files, sweep: Path, tmp_path: Path) -> None:
    for size in (7, 9):
        for sigma in (0.0, 2.0):
            make(f"{size}-{sigma:g}", BOX | {"size": size, "noise_sigma": sigma})
    write_report([sweep], tmp_path / "out")
    written = (tmp_path / "out" / "report.md").read_text()
    blur = "Blur: box (size 7 px) or box (size 9 px); no noise or noise of 2 gray levels; no JPEG."
    assert written.splitlines()[2:5] == [FULL, "", blur]
    table = written[written.index("### What the test settings differ in") :].splitlines()
    assert table[2] == "| test setting | blur | noise |"
    assert "| box noise_sigma 2, size 9 | box (size 9 px) | noise of 2 gray levels |" in table
    runs = written[written.index("## All runs") :].splitlines()
    assert runs[2].startswith("| run | state | blur | noise | blurred")
    assert any(line.startswith("| 9-2 | done | box (size 9 px) | noise of 2 gray levels | 20.00 |") for line in runs)


def test_the_settings_are_always_columns_of_the_table(make: Files, sweep: Path, tmp_path: Path) -> None:
    make("a")
    write_report([sweep], tmp_path / "out", grids=False)
    (row,) = rows_of(tmp_path / "out")
    told = {key: row[key] for key in row if key.startswith(("blur", "data."))}
    assert told == {
        "blur": "box",
        "blur._target_": "deblur.blur.Box",
        "blur.size": "7",
        "blur.noise_sigma": "0.0",
        "blur.jpeg_quality": "",
        "data._target_": "deblur.data.FolderData",
        "data.boundary": "symmetric",
        "data.color": "gray",
        "data.eval_crop": "64",
        "data.max_images": "50",
        "data.name": "folder",
        "data.root": "faces",
        "data.seed": "3",
        "data.counts.train": "40",
        "data.counts.val": "5",
        "data.counts.test": "2",
        "data.fingerprint": "abcdef0123456789",
    }


def test_of_several_sweeps_each_is_told(make: Files, sweep: Path, tmp_path: Path) -> None:
    make("a")
    make("a", BOX | {"size": 9}, into=sweep.parent / "other")
    write_report([sweep, sweep.parent / "other"], tmp_path / "out", grids=False)
    lines = [line for line in (tmp_path / "out" / "report.md").read_text().splitlines() if line.startswith("**")]
    assert lines == [
        f"**grid.** {FULL}",
        "**grid.** Blur: box (size 7 px); no noise; no JPEG.",
        f"**other.** {FULL}",
        "**other.** Blur: box (size 9 px); no noise; no JPEG.",
    ]
    assert [row["blur.size"] for row in rows_of(tmp_path / "out")] == ["7", "9"]


def test_a_list_tells_data_and_blurs(make: Files, make_run: Files, sweep: Path) -> None:
    root = sweep.parent.parent
    for size in range(3, 13, 2):
        make(f"many-{size}", BOX | {"size": size}, into=sweep.parent / "many")
    make("a")
    make("b", BOX | {"size": 9})
    make("single/2026", into=root / "runs")
    (make_run("broken", "done", into=sweep.parent / "broken") / "config.yaml").write_text("{")
    table = [line.split("  ") for line in listing(root).splitlines()]
    found = {parts[0]: parts[1:] for line in table if (parts := [part.strip() for part in line if part.strip()])}
    assert found["single/2026"] == ["folder faces", "box (size 7 px)"]
    assert found["grid"] == ["folder faces", "box (size 7 px) or box (size 9 px)"]
    assert found["many"] == ["folder faces", "5 blurs"]
    assert found["broken"] == ["\N{EN DASH}", "\N{EN DASH}"]


def test_a_number_that_is_written_in_two_ways_is_one_setting(make: Files, sweep: Path) -> None:
    make("a", BOX | {"noise_sigma": 0})
    make("b", BOX | {"noise_sigma": 0.0}, seed=1)
    make("c", BOX | {"size": [3, 9]})
    make("d", BOX | {"size": [3.0, 9.0]}, seed=1)
    test_settings = arrange([read_sweep(sweep)]).test_settings
    assert [
        [run.name for configuration in test_setting.configurations for run in configuration.runs]
        for test_setting in test_settings
    ] == [
        ["a", "b"],
        ["c", "d"],
    ]


def test_models_whose_labels_are_cut_to_the_same_text_stay_distinct(make: Files, sweep: Path) -> None:
    for name, widths in (("a", [64, 32]), ("b", [64, 16])):
        folder = make(name)
        config = yaml.safe_load((folder / "config.yaml").read_text())
        config["model"] |= {"name": "m" * 80, "widths": widths}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (test_setting,) = arrange([read_sweep(sweep)]).test_settings
    assert len(test_setting.configurations) == 2
    assert len({configuration.name for configuration in test_setting.configurations}) == 2


@pytest.mark.parametrize("key", ["leaves", "max_test_images"])
def test_runs_that_are_asked_on_other_images_are_another_problem(make_run: Files, sweep: Path, key: str) -> None:
    for name, value in (("a", 0), ("b", 1)):
        folder = make_run(name, "running")
        config = yaml.safe_load((folder / "config.yaml").read_text())
        config["data"][key] = value
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
    assert len(arrange([read_sweep(sweep)]).test_settings) == 2


def test_runs_that_began_with_other_weights_are_other_configurations(make: Files, sweep: Path, tmp_path: Path) -> None:
    runs = "/o/runs/srcnn_915-box/2026-01-0"
    given = {"a": "absent", "b": None, "c": "mixed", "d": f"{runs}1_00-00-00", "e": f"{runs}2_00-00-00"}
    for name, weights in given.items():
        folder = make(name)
        if weights != "absent":  # as in a run of an earlier version
            config = yaml.safe_load((folder / "config.yaml").read_text()) | {"weights": weights}
            (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (setting,) = arrange([read_sweep(sweep)]).test_settings
    names = {one.hyperparameters: [run.name for run in one.runs] for one in setting.configurations}
    assert names == {
        "weights none": ["a", "b"],
        "weights mixed": ["c"],
        "weights srcnn_915-box": ["d"],
        "weights srcnn_915-box (2)": ["e"],
    }
    write_report([sweep], tmp_path / "out")
    texts = {row["run"]: row["weights"] for row in rows_of(tmp_path / "out")}
    assert texts == {"a": "", "b": "", "c": "mixed", "d": "srcnn_915-box", "e": "srcnn_915-box"}
    page = (tmp_path / "out" / "report.md").read_text()
    assert "weights mixed" in page
    assert "/o/runs" not in page
