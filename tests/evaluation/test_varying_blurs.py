"""Blur that varies over the image: measured for blind networks, refused for what needs a kernel."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_trainings import SMALLEST_DATA, UNROLLED_MODEL

from deblur import evaluate, report, train
from deblur.config import TrainConfig, check
from deblur.evaluation.matrix import conditions

Evaluate = Callable[..., Any]
VARYING = ("blur=varying", "blur.extent=9", "blur.kind=rotation", "data.max_images=12")


@pytest.fixture(scope="module")
def known_kernel(tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> Path:
    """The output folder of a sweep of one network, which takes the kernel of each image."""
    root = tmp_path_factory.mktemp("known_kernel") / "outputs"
    places = (f"paths.output_root={root}", f"paths.cache_root={cache_root}")
    words = (*UNROLLED_MODEL, "blur=motion", "blur.angle=[0,180]", "data.max_images=16")
    assert train.main([*words, "-m", "sweep=non_blind", "trainer.max_epochs=1", *SMALLEST_DATA, *places]) == 0
    return root


def test_conditions_are_half_to_double_and_a_configuration_each(compose: Callable[..., TrainConfig]) -> None:
    config = compose("blur=varying", "blur.extent=10", "blur.kind=defocus")
    made = list(conditions(config.blur.plain()))
    assert [one.label for one in made][:4] == ["extent 5", "extent 10", "extent 20", "valid boundary"]
    ranged = compose("blur=mixed", "blur.families.varying.weight=1").blur.plain()
    labels = [one.label for one in conditions(ranged) if one.family == "varying"]
    assert labels[:4] == ["extent 5", "extent 12.5", "extent 20", "any extent, valid boundary"]
    for one in (*made, *conditions(ranged)):
        assert check({**config.plain(), "blur": dict(one.blur)}).blur.name == one.family


def test_blurred_images_are_measured_and_described(evaluated: Evaluate) -> None:
    found = evaluated("baseline=[none]", *VARYING, "blur.shake=0.5", "both_boundaries=false")
    assert found.summary["measured_on"]["blur"] == (
        "varying (extent 9 px, variation 0.5 to 1, shake 0.5, kind rotation)"
    )
    assert {row["kind"] for row in found.rows} == {"rotation"}
    assert {row["extent"] for row in found.rows} == {"9.0"}
    assert all(0.5 <= float(row["variation"]) <= 1 for row in found.rows)
    assert all(15 < float(row["input_psnr"]) < 45 for row in found.rows)


@pytest.mark.slow
@pytest.mark.parametrize("boundary", ["symmetric", "valid", "circular"])
def test_a_blind_network_is_measured_with_each_boundary(run: Path, evaluated: Evaluate, boundary: str) -> None:
    summary = evaluated(f"run={run}", *VARYING[:3], f"data.boundary={boundary}").summary
    measured = summary["boundaries"][boundary]
    assert measured["margin"] == ([9, 9] if boundary == "valid" else [0, 0])
    assert all(measured["restorers"][name]["psnr"] > 15 for name in measured["restorers"])


@pytest.mark.parametrize("baseline", ["[wiener]", "[none,richardson_lucy]", "[dct_wiener]"])
def test_baselines_that_need_a_kernel_are_refused(refused: Callable[..., str], baseline: str) -> None:
    name = baseline.strip("[]").split(",")[-1]
    assert refused(f"baseline={baseline}", *VARYING) == (
        f"baseline=[{name}] needs one kernel for the whole image, and with blur=varying the kernel varies over the "
        "image: take another blur, or leave the baseline out."
    )


@pytest.mark.slow
def test_a_non_blind_network_is_refused(
    known_kernel: Path, cache_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run,) = (path.parent for path in known_kernel.glob("sweeps/non_blind/*/status.json"))
    places = (f"paths.cache_root={cache_root}", f"output={tmp_path / 'out'}")
    capsys.readouterr()
    assert evaluate.main([f"run={run}", "blur=varying", "accelerator=cpu", *places]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: An unrolled network needs one kernel for the whole image, and with")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_matrix_measures_blind_networks_on_varying_blur_and_leaves_others_empty(
    trained: Path, known_kernel: Path, cache_root: Path, tmp_path: Path
) -> None:
    sweep = tmp_path / "outputs" / "sweeps" / "two"
    shutil.copytree(trained / "sweeps" / "two", sweep)
    (non_blind,) = (path.parent for path in known_kernel.glob("sweeps/non_blind/*/status.json"))
    shutil.copytree(non_blind, sweep / non_blind.name)
    (box,) = (path.parent for path in sweep.glob("*-box-*/status.json"))
    config = yaml.safe_load((box / "config.yaml").read_text())
    own = {"extent": 8.0, "variation": 1.0, "shake": 0.5, "kind": "any", "noise_sigma": 0.0, "jpeg_quality": None}
    config["blur"] = {"name": "varying", "_target_": "deblur.blur.Varying", **own}
    (box / "config.yaml").write_text(yaml.safe_dump(config))
    places = (f"paths.output_root={tmp_path / 'outputs'}", f"paths.cache_root={cache_root}")
    assert evaluate.main(["sweep=two", "matrix=true", "accelerator=cpu", *places]) == 0
    with (sweep / "matrix.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    varying = [row for row in rows if row["family"] == "varying"]
    assert {row["trained_on"] for row in varying} == {"varying", "gaussian", "motion"}
    assert [row["condition"] for row in varying if row["trained_on"] == "varying"][:3] == [
        "extent 4", "extent 8", "extent 16",
    ]  # fmt: skip
    for row in rows:
        is_exact = row["condition"] == "sharp"
        is_empty = is_exact or (row["family"] == "varying" and row["trained_on"] == "motion")
        assert (row["gain"] == "") is is_empty, row
        assert int(row["images"]) > 0
    assert report.main(["two", "--no-grids", f"--output-root={tmp_path / 'outputs'}"]) == 0
    assert "tested on varying" in (sweep / "report" / "report.html").read_text()
