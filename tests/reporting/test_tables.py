import json
from collections.abc import Callable
from pathlib import Path

import pytest

from deblur.reporting.results import read_sweep
from deblur.reporting.tables import origin_table

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
