import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from deblur import evaluate
from deblur.evaluation.comparison import compare

Refuse = Callable[..., str]


def better_copy(run: Path, folder: Path, by: float) -> Path:
    """Copy a run and raise the PSNR of each test image but the first."""
    shutil.copytree(run, folder)
    with (run / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for place, row in enumerate(rows):
        row["psnr"] = str(float(row["psnr"]) + (by if place else -1.0))
    with (folder / "images.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_a_known_difference_is_found(run: Path, tmp_path: Path) -> None:
    other = better_copy(run, tmp_path / "better", 0.5)
    said = compare([str(other), str(run)], tmp_path / "out")
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())
    count = found["images"]
    assert found["difference"] == pytest.approx((0.5 * (count - 1) - 1) / count, abs=1e-9)
    assert found["share_better"] == pytest.approx((count - 1) / count)
    assert found["worst"]["difference"] == pytest.approx(-1.0, abs=1e-9)
    assert found["interval"][0] <= found["difference"] <= found["interval"][1]
    assert found["worst"]["name"] in said
    with (tmp_path / "out" / "differences.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert np.mean([float(row["difference"]) for row in rows]) == pytest.approx(found["difference"])


def test_the_command_compares(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = better_copy(run, tmp_path / "better", 0.5)
    assert evaluate.main([f"compare=['{other}','{run}']", f"output={tmp_path / 'out'}"]) == 0
    assert "of them; at worst -1.00 dB" in capsys.readouterr().out


def test_runs_on_other_images_are_not_compared(trained: Path, run: Path, refused: Refuse, tmp_path: Path) -> None:
    (gaussian,) = trained.glob("sweeps/two/*-gaussian-*")
    assert "were tested on different images, or on images degraded differently" in refused(
        f"compare=['{run}','{gaussian}']"
    )
    assert "is no finished run" in refused(f"compare=['{run}','{tmp_path}']")
    assert refused(f"compare=['{run}']").endswith("give two run folders.")
