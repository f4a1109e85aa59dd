"""Seconds until a quality: the table of known trainings, and contenders that train for a second."""

import argparse
import json
import os
from pathlib import Path

import numpy as np
import pytest

import deblur
from deblur.blur import Box
from studies.srcnn_2022.restated import SHARP, SPLITS, UNCOMPRESSED, prepare
from studies.time_to_quality import with_deepinv
from studies.time_to_quality.__main__ import Measured, Setting, main, settings_of
from studies.time_to_quality.recording import Point, Recorder, Target, Task, read_points

ROOT = Path(__file__).parents[2]
DEEPINV = os.environ.get("DEBLUR_DEEPINV")  # a folder with deepinv
PACKAGES = Path(DEEPINV) if DEEPINV else None
DECIBELS, LOSS = Target("psnr", 26.0), Target("mse", 0.005)
GIVEN = Point(0, 0, 0, psnr=20, mse=0.01)


def training(*points: tuple[float, float, float]) -> list[Point]:
    """Return a training of these seconds, PSNR and MSE."""
    return [Point(seconds, 3.0, epoch, psnr, mse) for epoch, (seconds, psnr, mse) in enumerate(points, 1)]


def measured(limit: float = 100) -> Measured:
    setting = Setting(None, "9-1-5", "box", (DECIBELS, LOSS))
    trainings = {
        "ours": [training((5, 25, 0.006), (10, 26.5, 0.004)), training((6, 25, 0.004), (20, 26, 0.003))],
        "deepinv": [training((40, 26, 0.004)), training((60, 25, 0.005), (120, 26.2, 0.004))],
        "study": [training((90, 22.5, 0.009)), training((90, 23.456, 0.008))],
    }
    return Measured(setting, limit, GIVEN, trainings)


def test_a_row_has_medians_and_ratios_of_what_was_reached_in_time() -> None:
    decibels, loss = measured(limit=150).rows()
    assert decibels["blurred"] == "20.00 dB"
    assert (decibels["ours [s]"], decibels["deepinv [s]"]) == (15, 80)
    assert decibels["deepinv / ours"] == pytest.approx((40 / 10 + 120 / 20) / 2)
    assert (loss["target"], loss["blurred"]) == ("MSE 0.005", "0.0100")
    assert (loss["ours [s]"], loss["deepinv [s]"]) == (8, 50)


def test_what_was_not_reached_is_not_extrapolated() -> None:
    decibels, loss = measured().rows()
    assert decibels["deepinv [s]"] == "not within 100 s (26.20 dB)"  # one of two is late
    assert decibels["deepinv / ours"] == "> 6.67"
    assert decibels["the study's program [s]"] == "not within 100 s (23.46 dB)"
    assert loss["the study's program [s]"] == "not within 100 s (0.0080)"
    assert loss["the study's program / ours"] == "> 12.5"


def test_details_count_the_trainings_that_reached_a_target() -> None:
    first = measured().details()[1]
    assert (first["contender"], first["met"], first["from the first step [s]"]) == ("deepinv", "1 of 2", "40 to 40")
    assert (first["from the start of the process [s]"], first["epochs"], first["best PSNR [dB]"]) == (43, 1, 26.2)


def test_a_recorder_ends_a_training_at_its_targets_or_its_limit(tmp_path: Path) -> None:
    task = Task(tmp_path, tmp_path / "points", "9-1-5", "box", 0, 10, [DECIBELS, LOSS])
    task.write(tmp_path / "task")
    assert Task.read(tmp_path / "task") == task
    recorder = Recorder(task)
    recorder.start()
    assert [recorder.add(1, 1, 26, 0.006), recorder.add(2, 2, 25, 0.005)] == [False, True]
    assert [point.psnr for point in read_points(task.output)] == [26, 25]
    assert Recorder(task).add(10, 3, 20, 0.01)


def test_the_default_psnr_is_a_target_of_drawn_images_and_the_losses_of_those_that_are_given() -> None:
    options = argparse.Namespace(psnr=26.0, networks=["9-1-5"], blurs=["box", "motion"], root=None)
    box, motion = settings_of(options)
    assert box.targets == (DECIBELS, Target("mse", 0.0061), Target("mse", 0.0048))
    assert motion.targets == (Target("mse", 0.0113), Target("mse", 0.0106))
    options.root = Path("faces")
    default, box, motion = settings_of(options)
    assert (default.root, default.targets) == (None, (DECIBELS,))
    assert (box.root, box.targets) == (options.root, (Target("mse", 0.0061), Target("mse", 0.0048)))


def test_images_and_their_division_are_those_of_the_default_training(tmp_path: Path) -> None:
    prepare(tmp_path / "images", None, 20, "box", lossless=True)
    data = deblur.data_module(["data.max_images=20", f"paths.cache_root={tmp_path / 'cache'}"])
    data.setup()
    names = json.loads((tmp_path / "images" / SPLITS).read_text(encoding="utf-8"))
    for kind in ("train", "val"):
        assert sorted(names[kind]) == [f"{index:06d}.png" for index in sorted(getattr(data.splits, kind))]
    sample = data.evaluation_dataset(data.splits.val)[0]
    pairs = [with_deepinv._read(tmp_path / "images", name) for name in names["val"]]
    assert any(
        np.array_equal(sharp, sample["sharp"][0]) and np.array_equal(blurred, sample["blurred"][0])
        for sharp, blurred in pairs
    )
    assert {path.suffix for path in (tmp_path / "images" / SHARP).iterdir()} == {".png"}
    assert len(list((tmp_path / "images" / UNCOMPRESSED).iterdir())) == 20


def test_blurred_patches_include_the_halo() -> None:
    sharp = np.random.default_rng(0).integers(0, 256, (80, 90), np.uint8)
    blurred = np.asarray(Box(7).apply(sharp, Box(7).sample(np.random.default_rng(0))))
    patches = with_deepinv.Patches([(sharp, sharp)], halo=6)
    assert len(patches) == 4
    for pair in (patches[0], patches[3]):
        assert pair["x"].shape == (1, 64, 64)
        assert pair["y"][:, 6:-6, 6:-6].equal(pair["x"])
    whole = with_deepinv.Whole([(sharp, blurred)])[0]
    assert whole["x"].shape == whole["y"].shape == (1, 80, 90)


def test_a_missing_deepinv_is_refused_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--deepinv", str(tmp_path)])
    assert "pip install --no-deps --target DIR deepinv==0.5.0" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    "contenders",
    [
        ["ours", "study"],
        pytest.param(
            ["deepinv", "tuned"],
            marks=pytest.mark.skipif(
                not with_deepinv.is_installed(PACKAGES), reason="deepinv is neither installed nor in DEBLUR_DEEPINV"
            ),
        ),
    ],
    ids=["ours and study", "deepinv"],
)
def test_contenders_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contenders: list[str]) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    packages = ["--deepinv", str(PACKAGES)] if PACKAGES else []
    main(["--images", "20", "--limit", "1", "--repeats", "1", "--contenders", *contenders, *packages])
    stored = json.loads((tmp_path / "outputs/benchmarks/time_to_quality_details.json").read_text(encoding="utf-8"))
    assert len(stored["rows"]) == 3 * len(contenders)
    for row in stored["rows"]:
        assert row["epochs trained"] > 0
        assert row["best PSNR [dB]"] > 3
