import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from deblur import evaluate, report
from deblur.config import check
from deblur.evaluation.cross import conditions, cross_table
from deblur.evaluation.tables import crossing_table

BOX = {"name": "box", "_target_": "deblur.blur.Box", "size": 7, "noise_sigma": 0.0, "jpeg_quality": None}


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    """A copy of the sweep of two runs, which a test may write into."""
    shutil.copytree(trained, tmp_path / "outputs")
    return tmp_path / "outputs"


def test_the_conditions_are_half_to_double_with_noise_and_jpeg() -> None:
    made = list(conditions(BOX))
    assert [one.label for one in made] == [
        "size 3", "size 7", "size 15", "real border", "noise 2", "noise 8", "JPEG 95", "JPEG 75", "JPEG 50",
    ]  # fmt: skip
    assert [one.blur["size"] for one in made] == [3, 7, 15, 7, 7, 7, 7, 7, 7]
    assert [one.border for one in made] == [None, None, None, "real", None, None, None, None, None]
    assert made[5].blur["noise_sigma"] == 8
    assert made[8].blur["jpeg_quality"] == 50
    sigmas = [one.blur["sigma"] for one in conditions({"name": "gaussian", "sigma": 3.0})][:3]
    assert sigmas == [1.5, 3.0, 6.0]


def test_of_a_range_the_ends_and_the_middle_are_taken() -> None:
    made = list(conditions({**BOX, "size": [3, 9], "noise_sigma": [0.0, 3.0]}))
    assert [one.label for one in made][:4] == ["size 3", "size 7", "size 9", "any size, real border"]
    assert [one.blur["size"] for one in made] == [3, 7, 9, *[[3, 9]] * 6]
    assert made[1].blur["noise_sigma"] == [0.0, 3.0]
    assert made[4].blur["noise_sigma"] == 2


def test_where_the_border_is_real_already_it_is_no_condition_of_its_own() -> None:
    assert [one.label for one in conditions(BOX, "real")] == [
        "size 3", "size 7", "size 15", "noise 2", "noise 8", "JPEG 95", "JPEG 75", "JPEG 50",
    ]  # fmt: skip
    # Of a range, no other condition is the whole of it.
    assert [one.label for one in conditions({**BOX, "size": [3, 9]}, "real")][3] == "any size, real border"


def test_the_border_of_the_training_is_heeded(trained: Path, cache_root: Path, tmp_path: Path) -> None:
    (box,) = trained.glob("sweeps/two/*-box-*")
    shutil.copytree(box, tmp_path / "run")
    config = yaml.safe_load((box / "config.yaml").read_text())
    config["data"]["border"] = "real"
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(config))
    asked = {"paths": {"cache_root": str(cache_root)}, "trusted": []}
    rows = cross_table([tmp_path / "run"], asked, torch.device("cpu"))
    assert [row["condition"] for row in rows][:4] == ["size 3", "size 7", "size 15", "noise 2"]


def test_a_mixture_is_crossed_family_by_family(compose: Callable[..., dict[str, Any]]) -> None:
    words = ["blur=mixed", "blur.noise_sigma=[0,3]", "blur.families.none.weight=1", "blur.families.disk.weight=0"]
    config = compose(*words, "blur.families.gaussian=null")
    made = list(conditions(config["blur"]))
    assert list(dict.fromkeys(one.family for one in made)) == ["box", "motion", "trajectory"]
    assert [one.label for one in made if one.family == "motion"][:3] == ["length 5", "length 15", "length 25"]
    assert {str(one.blur["noise_sigma"]) for one in made} == {"[0, 3]", "2.0", "8.0"}
    for one in made:
        assert check({**config, "blur": dict(one.blur)})["blur"]["name"] == one.family


def test_every_condition_is_a_configuration(compose: Callable[..., dict[str, Any]]) -> None:
    for blur in ("gaussian", "box", "motion", "disk"):
        config = compose(f"blur={blur}")
        for condition in conditions(config["blur"]):
            check({**config, "blur": dict(condition.blur)})


def test_a_sweep_is_crossed_and_its_report_shows_it(copied: Path, cache_root: Path) -> None:
    places = (f"paths.output_root={copied}", f"paths.cache_root={cache_root}")
    assert evaluate.main(["sweep=two", "cross=true", "accelerator=cpu", *places]) == 0
    sweep = copied / "sweeps" / "two"
    with (sweep / "cross.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 9
    for blur, condition in (("box", "size 7"), ("gaussian", "sigma 3")):
        (own,) = (row for row in rows if (row["trained_on"], row["condition"]) == (blur, condition))
        (run,) = sweep.glob(f"*-{blur}-*/metrics.json")
        test = json.loads(run.read_text())["test"]
        assert float(own["gain"]) == pytest.approx(test["gain"], abs=1e-5)
        assert float(own["input_psnr"]) == pytest.approx(test["input_psnr"], abs=1e-5)
    inputs = {row["condition"]: float(row["input_psnr"]) for row in rows if row["family"] == "box"}
    assert inputs["size 3"] > inputs["size 7"] > inputs["size 15"]
    assert inputs["size 7"] > inputs["noise 2"] > inputs["noise 8"]
    assert report.main(["sweep=two", "strips=false", *places]) == 0
    page = (sweep / "report" / "report.html").read_text()
    assert "On other blurs" in page
    assert "trained on box, tested on gaussian: " in page


def test_what_is_shown_ends_with_the_means_of_all_conditions() -> None:
    measured = [("box", 2.0, 0.0), ("box", 1.0, 0.01), ("disk", -1.0, 0.5)]
    rows = [
        {"trained_on": "box", "family": family, "condition": str(place), "gain": gain, "harmed": harmed}
        for place, (family, gain, harmed) in enumerate(measured)
    ]
    *_, last = (line for line in crossing_table(rows).splitlines() if line.strip())
    assert last.split() == ["all", "means", "of", "these", "+0.67", "17.0%"]


def test_a_damaged_table_is_a_sentence(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copied / "sweeps" / "two" / "cross.csv").write_text("network\na\n")
    assert report.main(["sweep=two", f"paths.output_root={copied}"]) == 2
    assert "cross.csv is damaged" in capsys.readouterr().err
    assert (copied / "sweeps" / "two" / "report" / "report.html").is_file()


def test_cross_needs_a_sweep(refused: Callable[..., str], run: Path) -> None:
    assert refused(f"run={run}", "cross=true") == "cross=true needs the networks of a sweep: add sweep=NAME."
