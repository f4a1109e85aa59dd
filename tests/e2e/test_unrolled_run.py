"""A network that takes the kernel and the noise of each image, from its training to restored images."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from workplaces import Workplace

import deblur
from deblur import evaluate, export, restore
from deblur.errors import UserError
from deblur.evaluation.matrix import matrix_table
from deblur.inference.simulation import degraded, drawn
from deblur.runs.records import config_of_run
from deblur.synthesis.faces import draw

UNROLLED = (
    "model=unrolled",
    "model.stages=2",
    "model.width=8",
    "model.inner_width=8",
    "blur=motion",
    "blur.length=[5,15]",
    "blur.angle=[0,180]",
    "blur.noise_sigma=[0,4]",
    "data.boundary=valid",
    "data.max_images=16",
    "data.patch_size=48",
    "data.eval_crop=64",
    "trainer.max_epochs=3",
    "trainer.precision=32-true",
    "trainer.accelerator=cpu",
)
TESTED = ("psnr", "ssim", "gain", "input_psnr", "input_ssim", "images")


@pytest.fixture(scope="session")
def unrolled(tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> Workplace:
    """A run of three epochs; tests look at it but do not change it."""
    place = Workplace(tmp_path_factory.mktemp("unrolled"), cache_root)
    assert place.train(*UNROLLED) == 0
    return place


def evaluated(place: Workplace, folder: Path, *overrides: str) -> dict[str, dict[str, float]]:
    """Return the means of each restorer, with a valid boundary."""
    places = (f"paths.output_root={folder}", f"paths.cache_root={place.cache_root}", f"output={folder / 'out'}")
    asked = (f"run={place.run}", "split=test", "both_boundaries=false", "accelerator=cpu", *places, *overrides)
    assert evaluate.main(asked) == 0
    found: dict[str, dict[str, float]] = json.loads((folder / "out" / "metrics.json").read_text())["boundaries"][
        "valid"
    ]["restorers"]
    return found


def test_the_run_restores_and_says_what_its_network_is(unrolled: Workplace) -> None:
    metrics = unrolled.read("metrics.json")
    assert metrics["test"]["gain"] > 1
    assert metrics["model"]["macs_per_pixel"] > 0
    assert metrics["model"]["receptive_field"] is None
    assert config_of_run(unrolled.run)["model"]["boundary"] == "unknown"


def test_an_evaluation_gives_what_the_training_measured(unrolled: Workplace, tmp_path: Path) -> None:
    found = next(iter(evaluated(unrolled, tmp_path).values()))
    trained = unrolled.read("metrics.json")["test"]
    assert {name: found[name] for name in TESTED} == {name: trained[name] for name in TESTED}
    with (tmp_path / "out" / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["psnr"] for row in rows] == [row["psnr"] for row in unrolled.rows("images.csv")]


def test_given_noise_is_used_and_recorded(unrolled: Workplace, tmp_path: Path) -> None:
    estimated, smooth = (
        next(iter(evaluated(unrolled, tmp_path / name, "blur.noise_sigma=2", *overrides).values()))["psnr"]
        for name, overrides in (("estimated", ()), ("given", ("noise_sigma=20",)))
    )
    assert estimated > smooth
    assert json.loads((tmp_path / "given" / "out" / "metrics.json").read_text())["noise_sigma"] == 20


def test_the_mean_of_eight_orientations_is_recorded_and_is_what_restore_gives(
    unrolled: Workplace, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (alone,) = evaluated(unrolled, tmp_path / "alone").values()
    assert "eight orientations" not in capfd.readouterr().out
    (mean,) = evaluated(unrolled, tmp_path / "mean", "self_ensemble=true").values()
    assert "the mean of its restorations of eight orientations of each image" in capfd.readouterr().out
    assert mean["psnr"] != alone["psnr"]  # better after a longer training: docs/nonblind.md
    assert json.loads((tmp_path / "mean" / "out" / "metrics.json").read_text())["self_ensemble"] is True
    blur = deblur.degradation("motion", length=9, angle=30, noise_sigma=3)
    blurred, kernel = degraded(draw(5, 1), blur, "a"), drawn(blur, "a").psf
    exact = {"accelerator": "cpu", "precision": "32-true"}
    expected = deblur.load(unrolled.run, self_ensemble=True, **exact)(blurred, kernel=kernel)
    assert (expected != deblur.load(unrolled.run, **exact)(blurred, kernel=kernel)).any()
    Image.fromarray(blurred).save(tmp_path / "a.png")
    command = [str(tmp_path / "a.png"), f"--network={unrolled.run}", "--known-blur=motion length=9 angle=30"]
    assert restore.main([*command, "--self-ensemble", "--accelerator=cpu", "--precision=32-true"]) == 0
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a-restored.png")), expected)


def test_a_wrong_kernel_costs_what_a_nearly_true_one_does_not(unrolled: Workplace, tmp_path: Path) -> None:
    means = [
        evaluated(unrolled, tmp_path / str(error), f"kernel_error={error}", "baseline=[wiener]")
        for error in (0, 0.2, 1)
    ]
    for restorer in means[0]:
        psnr = [each[restorer]["psnr"] for each in means]
        assert min(psnr[:2]) > psnr[2] + 0.1
        assert psnr[0] != psnr[1]
    assert json.loads((tmp_path / "1" / "out" / "metrics.json").read_text())["kernel_error"] == 1


def test_what_a_restorer_is_given_is_said_beside_the_numbers(
    unrolled: Workplace, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    evaluated(unrolled, tmp_path / "plain")
    plain = capfd.readouterr().out
    evaluated(unrolled, tmp_path / "given", "kernel_error=0.2", "noise_sigma=3")
    said = capfd.readouterr().out
    for sentence in ("kernels that the restorers get have errors: kernel_error=0.2.", "assumes noise of 3 gray levels"):
        assert sentence in said
        assert sentence not in plain


def test_it_stands_in_the_matrix(unrolled: Workplace) -> None:
    asked = deblur.compose("evaluate", ["sweep=any", "matrix=true", f"paths.cache_root={unrolled.cache_root}"])
    found = matrix_table([unrolled.run], asked, torch.device("cpu"), deblur.compose("train"))
    assert [row["condition"] for row in found if row["gain"] is None] == ["sharp"]  # an exact input


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("noise_sigma=2",), "noise_sigma=2 is for a network that takes the noise, such as unrolled, and default"),
        (("noise_sigma=-1",), "noise_sigma=-1 is not allowed: give a number from 0 to 255 [gray levels of 255], or"),
        (("kernel_error=0.5",), "kernel_error=0.5 is for baselines and for networks that take the kernel of each"),
        (("kernel_error=0.5", "baseline=[none]"), "kernel_error=0.5 is for baselines and for networks that take the"),
        (("kernel_error=2",), "kernel_error=2 is not allowed: give a number from 0 to 1"),
        (
            ("self_ensemble=true",),
            "self_ensemble=true is for a non-blind network, such as unrolled, and default is blind",
        ),
        (("noise_sigma=a",), "noise_sigma=a is not allowed: give a number from 0 to 255"),
    ],
)
def test_noise_is_refused_where_nothing_takes_it(
    overrides: tuple[str, ...], sentence: str, capfd: pytest.CaptureFixture[str], cache_root: Path, tmp_path: Path
) -> None:
    places = (f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}")
    assert evaluate.main(("run=default", "data.max_images=16", *overrides, *places)) == 2
    assert sentence in capfd.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupted_run_resumes_as_if_nothing_had_happened(
    unrolled: Workplace, workplace: Workplace, tmp_path: Path, workers: int
) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    stop = (f"+callbacks.stop.flag='{flag}'", "+callbacks.stop._target_=watchers.StopOnce", "trusted=[watchers]")
    assert workplace.train(*UNROLLED, *stop, f"data.num_workers={workers}") == 130
    assert workplace.resume("trusted=[watchers]") == 0
    assert workplace.rows("images.csv") == unrolled.rows("images.csv")
    weights = [
        torch.load(place.run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for place in (workplace, unrolled)
    ]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_images_are_restored_by_the_run_and_by_what_was_exported(
    unrolled: Workplace, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    face = draw(5, 0)[:101, :83]
    Image.fromarray(np.stack([face, face[::-1], face[:, ::-1]], axis=-1)).save(tmp_path / "color.png")
    Image.fromarray(face.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    known = ("--known-blur=motion length=9 angle=30", "--accelerator=cpu", "--precision=32-true")
    assert export.main([str(unrolled.run), "--format=safetensors", f"--output={tmp_path / 'made'}"]) == 0
    (made,) = (tmp_path / "made").glob("*.safetensors")
    assert "noise_sigma=2.5" in made.with_suffix(".md").read_text()
    restored = []
    for number, network in enumerate((unrolled.run, made)):
        output = tmp_path / str(number)
        inputs = [str(tmp_path / name) for name in ("color.png", "deep.png")]
        assert restore.main([*inputs, f"--network={network}", f"--output={output}", *known]) == 0
        restored.append([np.asarray(Image.open(output / name)) for name in ("color.png", "deep.png")])
    for one, other in zip(*restored, strict=True):
        np.testing.assert_array_equal(one, other)
    assert export.main([str(unrolled.run), "--format=onnx", f"--output={tmp_path / 'onnx'}"]) == 2
    assert "Fourier transforms between its stages" in capfd.readouterr().err
    assert not (tmp_path / "onnx").exists()


def test_the_noise_of_a_photograph_is_estimated_or_given(unrolled: Workplace, tmp_path: Path) -> None:
    blur = deblur.degradation("motion", length=9, angle=30, noise_sigma=3)
    sharp = draw(5, 1)
    kernel = drawn(blur, "a").psf
    blurred = degraded(sharp, blur, "a")
    restorer = deblur.load(unrolled.run, accelerator="cpu", precision="32-true")
    estimated = restorer(blurred, kernel=kernel).astype(float)
    given = {sigma: restorer(blurred, kernel=kernel, noise_sigma=sigma).astype(float) for sigma in (0.5, 3, 25)}
    distances = {sigma: np.abs(image - estimated).mean() for sigma, image in given.items()}
    assert distances[3] < min(distances[0.5], distances[25])
    for number in (np.float32(25), np.int64(25)):
        np.testing.assert_array_equal(restorer(blurred, kernel=kernel, noise_sigma=number), given[25])
    mirrored = kernel.astype(np.float32)[::-1, ::-1]  # a view; a motion kernel is symmetric
    np.testing.assert_allclose(restorer(blurred, kernel=mirrored, noise_sigma=25), given[25], atol=1)
    for wrong in (-1, 256, "2", True):
        with pytest.raises(ValueError, match="give a number from 0 to 255"):
            restorer(blurred, kernel=kernel, noise_sigma=wrong)
    with pytest.raises(ValueError, match="takes no noise"):
        deblur.load("default", accelerator="cpu")(blurred, noise_sigma=2)
    with pytest.raises(UserError, match="self_ensemble is for a non-blind network, such as unrolled, and default is"):
        deblur.load("default", self_ensemble=True)
    Image.fromarray(blurred).save(tmp_path / "a.png")
    command = [str(tmp_path / "a.png"), f"--network={unrolled.run}", "--known-blur=motion length=9 angle=30"]
    assert restore.main([*command, "--noise-sigma=25", "--accelerator=cpu", "--precision=32-true"]) == 0
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a-restored.png")), given[25])
