"""A run on images that a camera takes, from its training to what is restored and exported."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small_trainings import SMALLEST_DATA, UNROLLED_MODEL
from workplaces import Workplace

import deblur
from deblur import evaluate, export, restore, train
from deblur.runs.records import config_of_run
from deblur.synthesis.faces import draw

pytestmark = pytest.mark.slow

CAMERA_RUN = (
    *UNROLLED_MODEL,
    "model.kernel_error=0.3",
    "blur=box",
    "blur.size=5",
    "blur.camera=photo",
    "blur.camera.highlights=2",
    "data.max_images=16",
    "trainer.max_epochs=3",
    *SMALLEST_DATA,
)
DRAWN = {"exposure", "highlights", "shot_noise", "read_noise"}
TESTED = ("psnr", "ssim", "gain", "input_psnr", "input_ssim", "images")

Evaluate = Callable[..., tuple[dict[str, Any], list[dict[str, str]]]]


@pytest.fixture(scope="session")
def taken(tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> Workplace:
    """A run of three epochs; tests look at it but do not change it."""
    place = Workplace(tmp_path_factory.mktemp("taken"), cache_root)
    assert place.train(*CAMERA_RUN) == 0
    return place


@pytest.fixture
def evaluated(taken: Workplace, cache_root: Path, tmp_path: Path) -> Evaluate:
    """Evaluate the run on its test images; return the summary and the rows of images.csv."""

    def call(*overrides: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
        out = tmp_path / "out"
        shutil.rmtree(out, ignore_errors=True)
        places = (f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}", f"output={out}")
        words = (f"run={taken.run}", "split=test", "both_boundaries=false", "accelerator=cpu")
        assert evaluate.main((*words, *overrides, *places)) == 0
        with (out / "images.csv").open(newline="") as file:
            return json.loads((out / "metrics.json").read_text()), list(csv.DictReader(file))

    return call


def test_the_run_says_what_took_its_images(taken: Workplace) -> None:
    assert "camera_photo" in taken.run.parent.name
    assert "highlights_2" in taken.run.parent.name
    rows = taken.rows("images.csv")
    assert rows[0].keys() >= DRAWN
    assert len({row["exposure"] for row in rows}) == len(rows)
    assert {float(row["highlights"]) for row in rows} == {2}
    assert all(0.7 <= float(row["exposure"]) <= 1.4 for row in rows)
    assert config_of_run(taken.run)["model"]["linear_light"] is True
    assert "camera.exposure" in (taken.run / "train.log").read_text()


def test_an_evaluation_gives_what_the_training_measured(taken: Workplace, evaluated: Evaluate) -> None:
    summary, rows = evaluated("baseline=[dct_wiener]")
    restorers = summary["boundaries"]["symmetric"]["restorers"]
    network = next(found for name, found in restorers.items() if name != "dct_wiener")
    trained = taken.read("metrics.json")["test"]
    assert {name: network[name] for name in TESTED} == {name: trained[name] for name in TESTED}
    assert rows[0].keys() >= DRAWN
    assert summary["boundaries"]["symmetric"]["baselines"]["dct_wiener"]["space"] == "linear light"
    assert summary["measured_on"]["camera"] == (
        "camera in linear light, exposure 0.7 to 1.4, highlights 2, shot noise 0.0001 to 0.001, read noise 0 to 0.002"
    )


@pytest.mark.parametrize(
    ("words", "camera"),
    [
        ("blur/camera=none", None),
        ("blur.camera=none", None),
        ("blur=motion", None),
        ("blur.camera.shot_noise=0.01", {"highlights": 2, "shot_noise": 0.01, "linear": True}),
        ("blur/camera=linear", {"highlights": 1.0, "shot_noise": 0.0, "linear": True}),
        ("blur=motion blur.camera=photo blur.camera.read_noise=0", {"highlights": [1.0, 4.0], "read_noise": 0}),
    ],
)
def test_another_camera_is_measured(evaluated: Evaluate, words: str, camera: dict[str, Any] | None) -> None:
    summary, rows = evaluated(*words.split())
    if camera is None:
        assert "camera" not in summary["blur"]
        assert "camera" not in summary["measured_on"]
        assert not rows[0].keys() & DRAWN
    else:
        assert summary["blur"]["camera"].items() >= camera.items()
        assert rows[0].keys() >= DRAWN


def test_a_run_without_a_camera_is_measured_with_one_link(
    finished: Workplace, cache_root: Path, tmp_path: Path
) -> None:
    assert "camera" not in (finished.run / "config.yaml").read_text()
    places = (f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}", f"output={tmp_path / 'out'}")
    words = (f"run={finished.run}", "blur.camera.shot_noise=0.01", "accelerator=cpu", *places)
    assert evaluate.main(words) == 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["blur"]["camera"] == {"shot_noise": 0.01}


@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupted_run_resumes_as_if_nothing_had_happened(
    taken: Workplace, workplace: Workplace, tmp_path: Path, workers: int
) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    stop = (f"+callbacks.stop.flag='{flag}'", "+callbacks.stop._target_=watchers.StopOnce", "trusted=[watchers]")
    assert workplace.train(*CAMERA_RUN, *stop, f"data.num_workers={workers}") == 130
    assert workplace.resume("trusted=[watchers]") == 0
    assert workplace.read("metrics.json")["test"] == taken.read("metrics.json")["test"]
    assert workplace.rows("images.csv") == taken.rows("images.csv")


def test_what_is_exported_works_in_linear_light_and_says_so(taken: Workplace, tmp_path: Path) -> None:
    face = draw(5, 0)
    source = tmp_path / "face.png"
    Image.fromarray(face).save(source)
    restorer = deblur.load(taken.run, accelerator="cpu", precision="32-true")
    network = tmp_path / "net.safetensors"
    assert export.main([f"{taken.run}", "--format=safetensors", f"--output={network}"]) == 0
    words = ["--known-blur=box size=5", f"--output={tmp_path / 'out'}", "--accelerator=cpu", "--precision=32-true"]
    assert restore.main([f"--network={network}", f"{source}", *words]) == 0
    (found,) = (np.asarray(Image.open(file)) for file in (tmp_path / "out").rglob("*.png"))
    np.testing.assert_array_equal(found, restorer(face, kernel=deblur.kernel("box", size=5)))
    card = (tmp_path / "net.md").read_text()
    assert "| camera | in linear light, exposure 0.7 to 1.4, highlights 2, " in card
    assert "| Linear light | yes |" in card


def test_a_simulation_compares_with_the_exposed_image(
    taken: Workplace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "face.png"
    Image.fromarray(draw(5, 0)).save(source)
    words = [f"--network={taken.run}", f"{source}", f"--output={tmp_path}", "--accelerator=cpu"]
    assert restore.main([*words, "--simulate", "none camera=linear camera.exposure=0.5"]) == 0
    capsys.readouterr()
    panels = np.asarray(Image.open(tmp_path / "face-simulated.png"))
    blurred, _, sharp = np.array_split(panels, 3, axis=1)
    np.testing.assert_array_equal(blurred, sharp)  # a camera at rest, without noise
    assert blurred.mean() < 0.85 * draw(5, 0).mean()


def test_a_blur_without_the_camera_of_the_training_is_said(
    evaluated: Evaluate, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated("baseline=[dct_wiener]", "blur=box", "blur.size=5")
    shown = " ".join(capsys.readouterr().out.split())
    assert "The network was trained with a camera in linear light, exposure" in shown
    assert "deconvolves the light of an image, as in its training, and here the blur is in encoded values" in shown
    assert "dct_wiener, in linear light" not in shown
    evaluated("baseline=[dct_wiener]", "blur=box", "blur.size=5", "blur/camera=photo")
    shown = " ".join(capsys.readouterr().out.split())
    assert "The network was trained with a camera" not in shown
    assert "as in its training" not in shown
    assert "dct_wiener, in linear light" in shown


def test_the_matrix_shows_the_space_of_a_network(
    tmp_path: Path, cache_root: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    places = (f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}")
    encoded = [word for word in CAMERA_RUN if "camera" not in word]
    assert train.main([*CAMERA_RUN, "-m", "sweep=lit", *places]) == 0
    assert train.main([*encoded, "-m", "sweep=lit", *places]) == 0
    capsys.readouterr()
    assert evaluate.main(["matrix=true", "sweep=lit", "accelerator=cpu", *places]) == 0
    assert "(in linear light)" in " ".join(capsys.readouterr().out.split())
    said = [record.getMessage() for record in caplog.records if record.getMessage().startswith("Under some conditions")]
    assert len(said) == 2  # each network is measured on the blur of the other
    assert any("deconvolves the light of an image" in sentence for sentence in said)
    assert any("deconvolves the encoded values of an image" in sentence for sentence in said)
