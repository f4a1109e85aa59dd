"""The command that measures the parts and writes the needs, on a small sample."""

import json
from pathlib import Path
from typing import Any

import pytest
from small_trainings import SMALLEST

from benchmarks import capacity
from benchmarks.needs import GIB

pytestmark = pytest.mark.slow


def rows(name: str) -> dict[str, Any]:
    written = json.loads(Path(f"outputs/benchmarks/capacity_{name}.json").read_text())
    return {next(iter(row.values())): row for row in written["rows"]}


def test_the_needs_of_many_images_are_derived_from_a_small_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # which the command sets
    counts = ("--images", "1000", "--runs", "4", "--devices", "2", "--sample", "16")
    capacity.main([*SMALLEST, "--color", "rgb", "--networks", "srcnn_915", *counts])
    parts = rows("parts")
    assert 256 * 256 * 3 <= parts["bytes per image: pixels in the cache"]["measured"] < 256 * 256 * 3 + 1024
    assert all(parts[f"srcnn_915: {name}"]["measured"] > 0 for name in ("ms per step", "MiB of the process"))
    assert rows("disk")["cache: decoded pixels"]["GiB"] == pytest.approx(1000 * 256 * 256 * 3 / GIB, rel=1e-3)
    assert rows("cpu")["4 runs, 2 at a time"]["hours"] == pytest.approx(rows("cpu")["srcnn_915"]["hours"] * 2)
    [unknown] = rows("devices").values()
    assert unknown["ms per step"] == "not measured"
