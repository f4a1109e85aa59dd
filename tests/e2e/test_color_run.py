"""A network for RGB images, from its training to the report of its sweep."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_trainings import SMALLEST_DATA, UNROLLED_MODEL

from deblur import evaluate, report, train

UNROLLED = (
    *UNROLLED_MODEL,
    "blur=box,gaussian",
    "blur.noise_sigma=2",
    "data.color=rgb",
    "data.max_images=16",
    "trainer.max_epochs=2",
    *SMALLEST_DATA,
)


@pytest.mark.slow
def test_an_rgb_sweep_is_trained_evaluated_crossed_and_reported(tmp_path: Path, cache_root: Path) -> None:
    places = (f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}")
    assert train.main(["-m", "sweep=colors", *UNROLLED, *places]) == 0
    sweep = tmp_path / "sweeps" / "colors"
    runs = sorted(path.parent for path in sweep.glob("*/metrics.json"))
    assert len(runs) == 2
    for run in runs:
        test = json.loads((run / "metrics.json").read_text())["test"]
        assert test["gain"] > 1

    asked = (f"run={runs[0]}", "baseline=[none,dct_wiener]", "split=test", f"output={tmp_path / 'out'}")
    assert evaluate.main([*asked, "accelerator=cpu", *places]) == 0
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert found["boundaries"].keys() == {"symmetric", "valid"}
    for boundary in found["boundaries"].values():
        network, none, wiener = boundary["restorers"].values()
        assert none["psnr"] == none["input_psnr"] == network["input_psnr"] == wiener["input_psnr"]
    symmetric = found["boundaries"]["symmetric"]
    network, _, wiener = symmetric["restorers"].values()
    assert min(network["gain"], wiener["gain"]) > 1
    assert symmetric["baselines"]["dct_wiener"]["noise_sigma"] == pytest.approx(2, abs=0.3)

    assert evaluate.main(["sweep=colors", "matrix=true", "accelerator=cpu", *places]) == 0
    with (sweep / "matrix.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["trained_on"] for row in rows} == {"box", "gaussian"}
    assert {row["data"] for row in rows} == {"synthetic in RGB"}
    own = next(row for row in rows if row["trained_on"] == "box" and row["condition"] == "size 7")
    assert float(own["gain"]) == pytest.approx(
        json.loads((next(run for run in runs if "-box-" in run.name) / "metrics.json").read_text())["test"]["gain"],
        abs=1e-4,
    )

    assert report.main(["colors", f"--output-root={tmp_path}"]) == 0
    page = (sweep / "report" / "report.html").read_text()
    assert "synthetic in RGB" in page
    assert "trained on box, tested on gaussian: " in page
    with Image.open(next((sweep / "report").glob("grid_1_*.png"))) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert (np.ptp(pixels, axis=2) > 30).mean() > 0.05
