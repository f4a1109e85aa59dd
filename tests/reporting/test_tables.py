import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from deblur.reporting.configurations import arrange
from deblur.reporting.results import read_sweep
from deblur.reporting.tables import cost_table, origin_table

Files = Callable[..., Path]


@pytest.mark.parametrize(
    ("counts", "rows"),
    [
        ([{}, {}], []),
        ([{"train": 0, "val": 0, "test": 0}] * 2, []),
        ([{"train": 0, "val": 0, "test": 0}, {"train": 7, "val": 0, "test": 0}], ["0 (1 of 2 runs); 7 (1 of 2 runs)"]),
        ([{"train": 7, "val": 0, "test": 1}] * 2, ["7", "1"]),
    ],
)
def test_images_that_were_too_small_are_told_where_there_are_any(
    make_measured: Files, sweep: Path, counts: list[dict[str, int]], rows: list[str]
) -> None:
    for number, count in enumerate(counts):
        folder = make_measured(str(number), [1.0, 2.0])
        metrics = json.loads((folder / "metrics.json").read_text())
        metrics["data"]["too_small"] = count
        (folder / "metrics.json").write_text(json.dumps(metrics))
    found = [row for row in origin_table([read_sweep(sweep)]).rows if "too small" in str(row[0])]
    assert [row[1] for row in found] == rows
    assert all(str(row[0]).endswith("images too small for the run") for row in found)


def test_networks_of_one_name_and_different_cost_have_a_row_each(make_measured: Files, sweep: Path) -> None:
    for name, color, macs in (("a", "gray", 8032), ("b", "rgb", 9328), ("c", "gray", 8032), ("d", "gray", 4000)):
        folder = make_measured(name, [1.0, 2.0], seed=ord(name))
        config = yaml.safe_load((folder / "config.yaml").read_text())
        config.setdefault("data", {})["color"] = color
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        metrics = json.loads((folder / "metrics.json").read_text())
        metrics["model"]["macs_per_pixel"] = macs
        (folder / "metrics.json").write_text(json.dumps(metrics))
    found = cost_table(arrange([read_sweep(sweep)]).test_settings).rows
    assert {(row[0], row[5], row[-1]) for row in found} == {
        ("srcnn_915", "8,032", "2"),
        ("srcnn_915", "4,000", "1"),
        ("srcnn_915 RGB", "9,328", "1"),
    }
