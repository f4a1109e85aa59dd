"""A search in a report."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_files import write_history, write_report

from deblur.reporting import listing, read_sweep
from deblur.reporting.searches import read_searches
from deblur.reporting.tables import NOTHING

Files = Callable[..., Path]
TRIALS: list[dict[str, Any]] = [
    {"settings": {"optimizer.lr": 0.001, "model": "a"}, "run": "one", "values": {"2": 21.0, "4": 23.5}, "error": None},
    {"settings": {"optimizer.lr": 0.01, "model": "b"}, "run": "two", "values": {"2": 20.0}, "error": None},
    {"settings": {"optimizer.lr": 0.1, "model": "a"}, "run": "three", "values": {}, "error": "diverged"},
]
SEARCH = {
    "wanted": 3,
    "rungs": [2, 4],
    "eta": 2,
    "seed": 0,
    "space": {"optimizer.lr": {"log": [0.001, 0.1]}, "model": {"choice": ["a", "b"]}},
    "common": {},
    "optuna": "4.5.0",
    "trials": TRIALS,
}


@pytest.fixture
def searched(make_measured: Files, make_run: Files, sweep: Path) -> Path:
    write_history(make_measured("one", [2.0, 3.0]), [1.0, 2.0, 3.0, 3.5])
    write_history(make_run("two", "paused", lr=0.01), [0.0, 0.0])
    make_run("three", "failed", lr=0.1, error="diverged")
    (sweep / "search").mkdir()
    (sweep / "search" / "search.json").write_text(json.dumps(SEARCH))
    return sweep


def test_the_report_has_the_trials_and_the_best_settings(searched: Path, tmp_path: Path) -> None:
    page = write_report([searched], tmp_path / "report")
    text = page.with_name("report.md").read_text()
    assert "- Best settings of grid: optimizer.lr=0.001 model=a, 23.50 dB on the validation images." in text
    assert "- 3 trials, trained until the epochs of the rungs: 2 to 2, 1 to 4; 1 trial failed." in text
    assert "| **1** | **0.001** | **a** | **full length** | **21.00** | **23.50** | **22.50** |" in text
    assert f"| 2 | 0.01 | b | after 2 epochs | 20.00 | {NOTHING} | {NOTHING} |" in text
    assert f"| 3 | 0.1 | a | failed: diverged | {NOTHING} | {NOTHING} | {NOTHING} |" in text
    assert "trial 1: 21.00 after 2, 23.50 after 4; trial 2: 20.00 after 2" in text
    for name in ("rungs", "settings"):
        assert (page.parent / f"search_grid_{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "1 of 2 runs is done" in text  # a paused run is not to be done
    assert "| two | paused |" not in text.partition("## Failed or missing")[2].partition("## How")[0]
    assert "paused" in str(listing(searched.parents[1]))


@pytest.mark.parametrize("content", ["{", "[]", json.dumps(SEARCH | {"trials": [{"run": "../evil"}]})])
def test_a_damaged_search_is_a_sentence(searched: Path, tmp_path: Path, content: str) -> None:
    (searched / "search" / "search.json").write_text(content)
    damages: list[str] = []
    assert read_searches([read_sweep(searched)], damages) == []
    assert len(damages) == 1
    assert "search.json" in damages[0]
    assert "delete the file" in damages[0]
    assert "## Search" not in write_report([searched], tmp_path / "report").with_name("report.md").read_text()
