import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def rewritten(run: Path, folder: Path, psnrs: list[str], inputs: list[str], exact: int = 0) -> Path:
    """Copy a run and give its test images other PSNRs; an empty one is infinite, or not defined."""
    shutil.copytree(run, folder)
    with (run / "images.csv").open(newline="") as file:
        columns = list(csv.DictReader(file).fieldnames or ())
    rows = [
        dict.fromkeys(columns, "1") | {"name": f"{place}.png", "psnr": psnr, "input_psnr": given}
        for place, (psnr, given) in enumerate(zip(psnrs, inputs, strict=True))
    ]
    with (folder / "images.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["test"] |= {"exactly_restored": exact, "images": len(rows)}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def compared(first: Path, second: Path, output: Path) -> tuple[dict[str, Any], str]:
    said = compare([str(first), str(second)], output)
    return json.loads((output / "metrics.json").read_text()), said


def test_exact_images_count_as_a_test_counts_them(run: Path, tmp_path: Path) -> None:
    inputs = ["20", "20", "20", "", ""]  # the last two are exact before they are restored
    first = rewritten(run, tmp_path / "first", ["", "21", "19.8", "", "30"], inputs, exact=2)
    second = rewritten(run, tmp_path / "second", ["25", "20", "19.95", "", "40"], inputs, exact=1)
    found, said = compared(first, second, tmp_path / "out")
    assert (found["images"], found["left_out"]) == (3, 2)
    assert found["share_better"] == 2 / 5  # one of them exact, where the second is not
    assert (found["first_degraded"], found["second_degraded"]) == (2 / 5, 1 / 5)
    assert "On 3 test images the first is" in said
    assert "2 images without a finite PSNR left out." in said
    assert "It is better on 40% of all 5 images; at worst -10.00 dB, on 4.png." in said


def test_a_psnr_that_is_not_defined_is_better_than_none(run: Path, tmp_path: Path) -> None:
    first = rewritten(run, tmp_path / "first", ["", "21"], ["20", "20"], exact=0)
    second = rewritten(run, tmp_path / "second", ["19", "20"], ["20", "20"])
    found, _ = compared(first, second, tmp_path / "out")
    assert (found["share_better"], found["first_degraded"], found["second_degraded"]) == (1 / 2, 0, 1 / 2)


def test_a_comparison_says_what_was_compared_on(run: Path, tmp_path: Path) -> None:
    found, said = compared(run, run, tmp_path / "out")
    assert found["measured_on"]["blur"] == "box (size 7 px)"
    assert found["measured_on"]["data"] == "synthetic"
    assert "\nData: synthetic; seed 0; 12 images to train, 2 to validate, 2 to test; symmetric boundary;" in said
    assert "\nBlur: box (size 7 px); no noise; no JPEG.\n" in said


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
