"""Trainings in folders whose names are no Unicode, and on images in such folders."""

import csv
import os
from pathlib import Path

import pytest
from PIL import Image
from small_trainings import SMALLEST

from deblur import evaluate, export, report, restore, train
from deblur.synthesis.faces import draw

ODD = os.fsdecode(b"f\xf6lder")
SHOWN = "f\\udcf6lder"
OVERRIDES = ("data.max_images=null", "trainer.max_epochs=1", *SMALLEST)


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    folder = tmp_path / ODD
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes no such name")
    for index in range(12):
        Image.fromarray(draw(3, index)[:96, :96]).save(folder / f"{index:02}.png")
    return folder


@pytest.mark.slow
def test_a_sweep_its_report_and_what_follows(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "place" / ODD
    place.mkdir(parents=True)
    monkeypatch.chdir(place)
    places = (f"paths.output_root={ODD}", f"paths.cache_root={tmp_path / 'cache'}")
    assert (
        train.main(["-m", "blur=box,disk", "sweep=two", "data=folder", f"data.root={faces}", *OVERRIDES, *places]) == 0
    )
    said = capsys.readouterr()
    assert f"{SHOWN}/{SHOWN}/sweeps/two" in said.out
    assert said.err == ""
    sweep = place / ODD / "sweeps" / "two"
    (run,) = sweep.glob("*-box-*")
    assert len(list(run.glob("events.out.tfevents.*"))) == 1
    assert SHOWN in (run / "train.log").read_text(encoding="utf-8")
    with (sweep / "report" / "results.csv").open(newline="", encoding="utf-8") as file:
        assert {row["data.root"] for row in csv.DictReader(file)} == {SHOWN}
    assert f"Data: folder {SHOWN};" in (sweep / "report" / "report.html").read_text(encoding="utf-8")
    assert report.main(["--list", f"--output-root={ODD}"]) == 0
    assert f"folder {SHOWN}" in capsys.readouterr().out
    assert evaluate.main([f"run={run}", "accelerator=cpu", *places, "output=out"]) == 0
    for suffix in ("safetensors", "onnx"):
        assert export.main([f"{run}", f"--format={suffix}", f"--output={place / 'out'}"]) == 0
        (network,) = (place / "out").glob(f"*.{suffix}")
        assert restore.main([f"--network={network}", f"{faces}", f"--output={place / suffix}"]) == 0
        assert len(list((place / suffix).glob("*.png"))) == 12
    assert train.main([f"resume={run}"]) == 2
    assert "is done: there is nothing to resume" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["data.root", "blur.path"])
def test_a_place_that_is_not_there_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str) -> None:
    overrides = ["data=folder"] if key == "data.root" else ["blur=kernel"]
    assert train.main([*overrides, f"{key}={tmp_path / ODD}", f"paths.output_root={tmp_path}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {key}={tmp_path / SHOWN} does not exist: give a ")
    assert said.count("\n") == 1
