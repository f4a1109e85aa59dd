"""A network that wants a Wiener estimate, from its training to restored images."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_trainings import SMALLEST
from workplaces import Workplace

import deblur
from deblur import evaluate, export, restore
from deblur.evaluation.matrix import matrix_table
from deblur.synthesis.faces import draw
from scripts import pretrained as pretrained

WIENER_GUIDED = (
    "model=wiener_srcnn",
    "model.noise_scales=[1.0,9.0]",
    "model.dropout=0.3",
    "blur=box",
    "blur.noise_sigma=[0,2]",
    "data.max_images=16",
    "trainer.max_epochs=3",
    *SMALLEST,
)
TESTED = ("psnr", "ssim", "gain", "input_psnr", "input_ssim", "images")


@pytest.fixture(scope="session")
def wiener_guided(tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> Workplace:
    """A run of three epochs; tests look at it but do not change it."""
    place = Workplace(tmp_path_factory.mktemp("wiener_guided"), cache_root)
    assert place.train(*WIENER_GUIDED) == 0
    return place


def test_the_checkpoint_holds_what_was_measured(wiener_guided: Workplace) -> None:
    held = torch.load(wiener_guided.run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert held["network.kernel"].shape == (7, 7)
    assert held["network.power"].shape == held["network.noise"].shape == (64, 64)
    assert wiener_guided.read("metrics.json")["test"]["gain"] > 1


def test_an_evaluation_gives_what_the_training_measured(
    wiener_guided: Workplace, cache_root: Path, tmp_path: Path
) -> None:
    places = (f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}", f"output={tmp_path / 'out'}")
    overrides = (f"run={wiener_guided.run}", "split=test", "both_boundaries=false", "accelerator=cpu", *places)
    assert evaluate.main(overrides) == 0
    (found,) = json.loads((tmp_path / "out" / "metrics.json").read_text())["boundaries"]["symmetric"][
        "restorers"
    ].values()
    trained = wiener_guided.read("metrics.json")["test"]
    assert {name: found[name] for name in TESTED} == {name: trained[name] for name in TESTED}
    with (tmp_path / "out" / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    ours = wiener_guided.rows("images.csv")
    both = [name for name in ours[0] if name in rows[0]]
    assert {"name", "noise_sigma", "psnr", "ssim", "input_psnr", "input_ssim", "gain"} <= set(both)
    assert [[row[name] for name in both] for row in rows] == [[row[name] for name in both] for row in ours]


def test_the_network_is_described_with_its_results(wiener_guided: Workplace) -> None:
    metrics = wiener_guided.read("metrics.json")
    assert metrics["model"]["wiener_guided"] is True
    assert metrics["test"]["wiener_psnr"] > metrics["test"]["input_psnr"]
    assert not any("wiener_estimate" in name for name in wiener_guided.rows("history.csv")[0])


def test_both_boundaries_are_measured_where_nobody_says_which(
    wiener_guided: Workplace, cache_root: Path, tmp_path: Path
) -> None:
    places = (f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}", f"output={tmp_path / 'out'}")
    assert (
        evaluate.main((f"run={wiener_guided.run}", "split=test", "data.eval_crop=null", "accelerator=cpu", *places))
        == 0
    )
    boundaries = json.loads((tmp_path / "out" / "metrics.json").read_text())["boundaries"]
    assert list(boundaries) == ["symmetric", "valid"]
    gains = [next(iter(boundary["restorers"].values()))["gain"] for boundary in boundaries.values()]
    assert gains[0] > gains[1]  # it is calibrated with the symmetric boundary


def test_what_ships_is_measured_with_the_boundary_of_its_training(wiener_guided: Workplace, cache_root: Path) -> None:
    means = pretrained._measured(wiener_guided.run, ("split=test", "accelerator=cpu", f"paths.cache_root={cache_root}"))
    trained = wiener_guided.read("metrics.json")["test"]
    assert {name: means[name] for name in TESTED} == {name: trained[name] for name in TESTED}


def test_it_is_crossed_with_blurs_that_it_was_not_calibrated_with(wiener_guided: Workplace, cache_root: Path) -> None:
    asked = deblur.compose("evaluate", ["sweep=two", "matrix=true", f"paths.cache_root={cache_root}"])
    found = matrix_table([wiener_guided.run], asked, torch.device("cpu"), deblur.compose("train"))
    rows = {row["condition"]: row for row in found}
    trained = wiener_guided.read("metrics.json")["test"]
    assert rows["size 7"]["gain"] == pytest.approx(trained["gain"], abs=1e-5)
    assert rows["size 7"]["images"] == trained["images"]
    assert rows["size 15"]["gain"] < rows["size 7"]["gain"] - 1  # its Wiener estimate is for a box of 7 px all the same


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupted_run_resumes_as_if_nothing_had_happened(
    wiener_guided: Workplace, workplace: Workplace, tmp_path: Path, workers: int
) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    stop = (f"+callbacks.stop.flag='{flag}'", "+callbacks.stop._target_=watchers.StopOnce", "trusted=[watchers]")
    assert workplace.train(*WIENER_GUIDED, *stop, f"data.num_workers={workers}") == 130
    assert not (workplace.run / "metrics.json").exists()
    assert workplace.resume("trusted=[watchers]") == 0
    assert workplace.read("metrics.json")["test"] == wiener_guided.read("metrics.json")["test"]
    assert workplace.rows("images.csv") == wiener_guided.rows("images.csv")
    weights = [
        torch.load(place.run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for place in (workplace, wiener_guided)
    ]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.fixture(scope="session")
def blurred(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of gray, colored and 16-bit images."""
    folder, face = tmp_path_factory.mktemp("blurred"), draw(5, 0)
    Image.fromarray(face[:101, :83]).save(folder / "gray.png")
    Image.fromarray(np.stack([face, face[::-1], face[:, ::-1]], axis=-1)).save(folder / "color.png")
    Image.fromarray(face.astype(np.uint16) * 257).save(folder / "deep.png")
    return folder


@pytest.mark.slow
def test_images_are_restored_by_the_run_and_by_what_was_exported(
    wiener_guided: Workplace, blurred: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(wiener_guided.run, run)
    networks = {"run": run}
    for file_format in ("onnx", "safetensors"):
        networks[file_format] = tmp_path / f"net.{file_format}"
        assert export.main([f"{run}", f"--format={file_format}", f"--output={networks[file_format]}"]) == 0
    assert capfd.readouterr().err == ""
    results = {}
    for name, network in networks.items():
        overrides = [
            f"--network={network}",
            f"{blurred}",
            f"--output={tmp_path / 'restored' / name}",
            "--accelerator=cpu",
        ]
        assert restore.main(overrides if name == "onnx" else [*overrides, "--precision=32-true"]) == 0
        files = sorted((tmp_path / "restored" / name).rglob("*.png"))
        assert len(files) == 3
        results[name] = [np.asarray(Image.open(file)).astype(int) for file in files]
    for before, *after in zip(
        (np.asarray(Image.open(file)).astype(int) for file in sorted(blurred.iterdir())), *results.values(), strict=True
    ):
        by_run, by_onnx, by_safetensors = after
        assert by_run.shape == before.shape
        assert np.abs(by_run - before).mean() > 1
        np.testing.assert_array_equal(by_safetensors, by_run)
        assert np.abs(by_onnx - by_run).max() <= 1  # a level, if a rounding differs


@pytest.mark.slow
def test_an_onnx_file_is_exact_to_a_hundred_thousandth(wiener_guided: Workplace, tmp_path: Path) -> None:
    assert export.main([f"{wiener_guided.run}", "--format=onnx", f"--output={tmp_path / 'net.onnx'}"]) == 0
    image = np.random.default_rng(0).random((301, 277), dtype=np.float32)
    expected = deblur.load(wiener_guided.run, accelerator="cpu", precision="32-true")(image)
    np.testing.assert_allclose(deblur.load(tmp_path / "net.onnx")(image), expected, rtol=0, atol=1e-5)


def test_a_network_that_knows_the_kernels_is_trained_and_evaluated(
    workplace: Workplace, cache_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = ("blur=motion_random", "model.non_blind=true", "trainer.max_epochs=1")
    assert workplace.train(*WIENER_GUIDED[:3], *WIENER_GUIDED[5:], *overrides) == 0
    places = (f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}", f"output={tmp_path / 'out'}")
    assert (
        evaluate.main([f"run={workplace.run}", "split=test", "both_boundaries=false", "accelerator=cpu", *places]) == 0
    )
    (found,) = json.loads((tmp_path / "out" / "metrics.json").read_text())["boundaries"]["symmetric"][
        "restorers"
    ].values()
    assert found["psnr"] == workplace.read("metrics.json")["test"]["psnr"]
    Image.fromarray(draw(5, 0)).save(tmp_path / "face.png")
    capsys.readouterr()
    asked = (f"--network={workplace.run}", f"{tmp_path / 'face.png'}", f"--output={tmp_path / 'restored'}")
    assert restore.main([*asked, "--accelerator=cpu"]) == 2
    said = capsys.readouterr().err
    assert 'needs the kernel that blurred the images: give --known-blur "motion length=9 angle=30"' in said
    assert said.count("\n") == 1
    assert restore.main([*asked, "--accelerator=cpu", "--known-blur=motion length=9 angle=30"]) == 0
    assert len(list((tmp_path / "restored").rglob("*.png"))) == 1
