import csv
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from deblur import evaluate, report

OVERRIDES = ("optimal_linear=true", "data.max_images=16", "data.eval_crop=64", "accelerator=cpu")


@pytest.mark.slow
def test_wider_filters_restore_more(tmp_path: Path, cache_root: Path) -> None:
    places = (f"paths.cache_root={cache_root}", f"output={tmp_path / 'out'}")
    assert evaluate.main([*OVERRIDES, "blur=box", *places]) == 0
    with (tmp_path / "out" / "filters.csv").open(newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    assert [row["size"] for row in rows] == list(range(5, 42, 2))
    by_size = {row["size"]: row["gain"] for row in rows}
    assert all(row["valid_gain"] > 0 for row in rows)
    assert rows[-1]["gain"] > rows[-1]["valid_gain"]  # the widest relies on the mirror image
    assert abs(rows[0]["gain"] - rows[0]["valid_gain"]) < 0.3
    assert 0 < by_size[5] < by_size[9] < by_size[13]
    with Image.open(tmp_path / "out" / "filters.png") as figure:
        assert min(figure.size) > 300


@pytest.mark.slow
def test_the_networks_of_a_sweep_stand_beside_the_filters(
    trained: Path, cache_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = (f"paths.output_root={trained}", f"paths.cache_root={cache_root}", f"output={tmp_path / 'out'}")
    assert evaluate.main([*OVERRIDES, "sweep=two", "blur=box", *places]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("7 px"))
    assert "srcnn_915, lr 0.001" in line  # two layers of 5 and 3 px see 7 px


@pytest.mark.slow
def test_all_blurs_of_a_sweep_are_studied_and_shown_in_its_report(
    trained: Path, cache_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "outputs"
    shutil.copytree(trained, root)
    places = (f"paths.output_root={root}", f"paths.cache_root={cache_root}")
    assert evaluate.main(["sweep=two", "optimal_linear=true", "accelerator=cpu", *places]) == 0
    path = root / "sweeps" / "two" / "filters.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(range(5, 42, 2))
    assert {row["run"].split("-")[1] for row in rows} == {"box", "gaussian"}
    assert report.main(["two", f"--output-root={root}"]) == 0
    page = (root / "sweeps" / "two" / "report" / "report.md").read_text()
    for blur in ("box (size 7 px)", "gaussian (sigma 3 px)"):
        assert f"*{blur}: the optimal linear filters." in page
    assert page.count("Networks: srcnn_915 (7 px)") == 2  # each beside the filters of its own blur
    path.write_text(path.read_text().replace("psnr", "PSNR"))
    capsys.readouterr()
    assert report.main(["two", f"--output-root={root}"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {path} is damaged (it lacks the columns psnr")


def test_a_sweep_of_several_blurs_is_not_measured_on_the_first_of_them(
    trained: Path, cache_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, tmp_path / "outputs")
    (gaussian,) = tmp_path.glob("outputs/sweeps/two/*-gaussian-*/config.yaml")
    gaussian.write_text(gaussian.read_text().replace("boundary: symmetric", "boundary: valid"))
    places = (f"paths.output_root={tmp_path / 'outputs'}", f"paths.cache_root={cache_root}", "accelerator=cpu")
    told = (
        "optimal_linear=true measures filters on one set of blurred images here, and the runs of the sweep differ in "
    )
    for overrides, keys in (("data.boundary=valid", "blur.name (box or gaussian)"), ("blur=box", "data.boundary (")):
        assert evaluate.main(["optimal_linear=true", "sweep=two", overrides, *places]) == 2
        assert capsys.readouterr().err.startswith(f"error: {told}{keys}")


@pytest.mark.slow
def test_filters_say_what_they_were_measured_on(
    tmp_path: Path, cache_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = (f"paths.cache_root={cache_root}", f"output={tmp_path / 'out'}")
    assert evaluate.main([*OVERRIDES, "blur=box", "blur.size=5", "blur.noise_sigma=1", *places]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "box (size 5 px): the best linear filter of each size"
    assert shown[1].startswith("Data: synthetic; seed 0; ")
    assert shown[2] == "Blur: box (size 5 px); noise of 1 gray level; no JPEG."
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (found["measured_on"]["blur"], found["blur"]["size"]) == ("box (size 5 px)", 5)


@pytest.mark.slow
def test_filters_of_a_circular_boundary_are_those_of_periodic_images_alone(tmp_path: Path, cache_root: Path) -> None:
    places = (f"paths.cache_root={cache_root}", f"output={tmp_path / 'out'}")
    words = (*OVERRIDES, "blur=motion", "blur.length=7", "blur.angle=30", "data.boundary=circular")
    assert evaluate.main([*words, *places]) == 0
    with (tmp_path / "out" / "filters.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert "valid_psnr" not in rows[0]
    assert float(rows[-1]["gain"]) > float(rows[0]["gain"]) > 0
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert found["measured_on"]["boundary"] == "circular boundary"
