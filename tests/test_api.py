"""The Python interface, used from outside the package: scripts in processes of their own, in an empty folder."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_trainings import SMALLEST

import deblur
from deblur.config import TrainConfig

REPOSITORY = Path(__file__).resolve().parents[1]
SMALL = (*SMALLEST, "data.max_images=24", "trainer.max_epochs=1")


def run_script(script: str, folder: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """Run what a user has written; the package is found as it is by this process, not by the working folder."""
    folder.mkdir()
    (folder / "script.py").write_text(script, encoding="utf-8")
    searched = {"PYTHONPATH": os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))}
    return subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env={**os.environ, **searched, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_code_of_the_page_runs(tmp_path: Path, cache_root: Path) -> None:
    page = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 7
    checks = """
assert config.blur.size == 5
assert [len(part) for part in (data.splits.train, data.splits.val, data.splits.test)] == [18, 2, 4]
assert sharp.shape == blurred.shape == noisy.shape == restored.shape and restored.dtype == "uint8"
assert abs(motion.sum() - 1) < 1e-9 and motion.shape == (7, 9) and shake.shape[0] % 2 == 1
assert psnr(sharp, sharp) == float("inf") and ssim(noisy, sharp) < 1
assert (run / "checkpoints" / "best.ckpt").is_file()
assert set(means) == {"symmetric"} and set(both) == {"symmetric", "valid"}
assert set(both["valid"]) == {"network", "wiener"}
"""
    ran = run_script("\n".join(blocks) + checks, tmp_path / "user", cache_root)
    assert ran.returncode == 0, ran.stderr
    assert "optimizer.lr=fast is not allowed: give a number above 0." in ran.stdout
    assert sorted(path.name for path in (tmp_path / "user").iterdir()) == ["outputs", "script.py"]


@pytest.mark.slow
def test_a_script_gets_what_the_command_lines_get(tmp_path: Path, cache_root: Path) -> None:
    script = f"""
import csv, json
import deblur
from deblur import evaluate, train  # modules, in every order of imports

overrides = ["blur=box", "blur.noise_sigma=[0,2]", *{SMALL}]
config = deblur.compose("train", overrides)
assert train.main([*overrides, "paths.output_root=commands"]) == 0
run = deblur.fit(overrides)
of_config = deblur.fit(config)
(command,) = __import__("pathlib").Path("commands").rglob("metrics.json")
results = [json.loads(path.read_text())["test"] for path in (command, run / "metrics.json", of_config / "metrics.json")]
assert results[0] == results[1] == results[2], results
assert run.parent.name == command.parent.parent.name, "overrides name the run as the command does"

assert evaluate.main([f"run={{run}}", "output=evaluated"]) == 0
told = json.load(open("evaluated/metrics.json"))["boundaries"]["symmetric"]["restorers"]
assert deblur.measure(run) == {{"symmetric": {{"network": told[run.parent.name]}}}}

# One degradation and one PSNR: the run's own table has the figures of the data set's images.
data = deblur.data_module(config)
rows = {{row["name"]: row for row in csv.DictReader(open(run / "images.csv"))}}
for item in (data.evaluation_dataset(data.splits.test)[place] for place in range(len(data.splits.test))):
    found = deblur.metric("psnr")(item["blurred"][0], item["sharp"][0])
    assert abs(found - float(rows[item["name"]]["input_psnr"])) < 1e-4

import torch
stored = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
names = [name.removeprefix("network.") for name in stored if name.startswith("network.")]
assert names == list(deblur.network(config).state_dict())
"""
    ran = run_script(script, tmp_path / "user", cache_root)
    assert ran.returncode == 0, ran.stderr


def test_importing_the_package_is_light() -> None:
    heavy = ("torch", "lightning", "albumentations", "hydra", "omegaconf", "numpy", "cv2")
    code = f"import deblur, sys; print(*(name for name in {heavy} if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.split() == []


def test_every_public_name_is_there_and_listed() -> None:
    assert all(getattr(deblur, name) is not None for name in deblur.__all__)
    assert set(deblur.__all__) <= set(dir(deblur))
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = deblur.nothing_of_the_kind
    assert (Path(deblur.__file__).parent / "py.typed").is_file()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: deblur.compose("train", ["blur=bax"]), "blur=bax is not allowed: choose .*Did you mean box"),
        (lambda: deblur.compose("train", ["optimizer.lr=-1"]), "optimizer.lr=-1 is not allowed"),
        (lambda: deblur.compose("train", ["blur=box,gaussian"]), "blur=box,gaussian stands for several values"),
        (lambda: deblur.compose("train", ["--multirun", "blur=box"]), "Flags such as -m"),
        (lambda: deblur.compose("train", "blur=box"), r"give a list of texts, such as \['blur=box'\]"),
        (lambda: deblur.compose("restore", []), "give train or evaluate"),
        (lambda: deblur.compose("evaluate", []), "Give one of run=DIR"),
        (lambda: deblur.fit(["experiment=grid"]), "experiment=grid is a sweep of several runs"),
        (lambda: deblur.fit(["sweep=mine"]), "sweep belongs to the command"),
        (lambda: deblur.fit(["trainer.devices=2"]), "one device"),
        (lambda: deblur.fit(["data.patch_size=1000"]), "data.patch_size=1000"),
        (lambda: deblur.kernel("motion", length=0), "blur.length=0 is not allowed: give a number from 1 to 501"),
        (lambda: deblur.kernel("gaussian", size=3), "blur.size is unknown: blur has the keys"),
        (lambda: deblur.kernel("kernel"), "blur.path is missing"),
        (lambda: deblur.kernel("varying"), "blur=varying has no single kernel: it varies over the image"),
        (lambda: deblur.metric("nme"), "give psnr, ssim, psnr_y, ssim_y, ms_ssim, vif, mse."),
        (lambda: deblur.measure("nowhere"), "nowhere does not exist"),
        (lambda: deblur.measure("default", ["sweep=mine"]), "Give one of run=DIR, sweep=NAME"),
        (lambda: deblur.measure("default", ["optimal_linear=true"]), "optimal_linear does not read run"),
    ],
)
def test_a_mistake_is_one_sentence(
    call: Callable[[], object], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(deblur.UserError, match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_changed_configuration_is_checked_again() -> None:
    config = deblur.compose("train", ["blur=box"])
    config.optimizer.lr = "fast"
    with pytest.raises(deblur.UserError, match=r"optimizer\.lr=fast is not allowed"):
        deblur.network(config)


def test_composing_leaves_a_running_hydra_alone(compose: Callable[..., TrainConfig]) -> None:
    before = compose("blur=gaussian")  # Hydra is initialized
    assert deblur.compose("train", ["blur=gaussian"]).blur.plain() == before.blur.plain()
    assert compose("blur=gaussian").plain() == before.plain()


def test_a_kernel_has_the_parameters_that_were_given() -> None:
    np.testing.assert_array_equal(deblur.kernel("box", size=np.int64(5)), np.full((5, 5), 1 / 25))
    assert deblur.kernel("box").shape == (7, 7)  # as in conf/blur/box.yaml
    drawn = [deblur.kernel("gaussian", sigma=(1, 3), seed=seed) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert drawn[0].shape != drawn[2].shape or not np.array_equal(drawn[0], drawn[2])


def test_a_kernel_can_come_from_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a kernel.npy", np.eye(3))
    np.testing.assert_allclose(deblur.kernel("kernel", path=tmp_path / "a kernel.npy"), np.eye(3) / 3)


def test_each_channel_of_a_color_image_gets_the_same_kernel_and_its_own_noise() -> None:
    gray = np.random.default_rng(0).integers(0, 256, (40, 33), dtype=np.uint8)
    color = np.stack([gray] * 3, axis=2)
    blurred = deblur.degrade(color, "motion", length=[3, 9], seed=5)
    expected = deblur.degrade(gray, "motion", length=[3, 9], seed=5)
    assert all(np.array_equal(blurred[..., channel], expected) for channel in range(3))
    noisy = deblur.degrade(color, "none", noise_sigma=3, seed=5)
    assert not np.array_equal(noisy[..., 0], noisy[..., 1])
    assert 2.5 < (noisy.astype(float) - color)[(color > 20) & (color < 235)].std() < 3.5


def test_the_image_to_restore_is_exposed_as_the_blurred_one() -> None:
    color = np.random.default_rng(0).integers(0, 256, (24, 33, 3), dtype=np.uint8)
    given = {"camera": {"linear": True, "exposure": [0.5, 2], "highlights": 2}, "seed": 3}
    target = deblur.exposed(color, "motion", **given)
    np.testing.assert_array_equal(target, deblur.degrade(color, "motion", length=1, **given))
    assert not np.array_equal(target, deblur.exposed(color, "motion", **{**given, "seed": 4}))
    assert deblur.exposed(color, "motion") is color
    with pytest.raises(ValueError, match="must be uint8"):
        deblur.exposed(color / 255, "motion")


@pytest.mark.parametrize("image", [np.zeros((4, 4)), np.zeros((4, 4, 4), np.uint8), np.zeros(4, np.uint8)])
def test_only_eight_bit_images_are_degraded(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="must be uint8"):
        deblur.degrade(image, "box")


@pytest.mark.parametrize("apply", [deblur.degrade, deblur.exposed])
@pytest.mark.parametrize("image", [[[1, 2]], None, "a.png"])
def test_what_is_no_array_is_refused(apply: Any, image: Any) -> None:
    with pytest.raises(ValueError, match="the image must be an array of NumPy, uint8"):
        apply(image, "box")


@pytest.mark.parametrize("camera", [None, "photo"])
@pytest.mark.parametrize("apply", [deblur.degrade, deblur.exposed])
@pytest.mark.parametrize("shape", [(0, 32), (32, 0), (0, 0, 3)])
def test_an_image_without_pixels_is_refused(apply: Any, shape: tuple[int, ...], camera: str | None) -> None:
    with pytest.raises(ValueError, match="the image must have at least one pixel"):
        apply(np.zeros(shape, np.uint8), "box", camera=camera)


def test_an_image_with_a_camera_is_compared_with_the_exposure_of_its_seed() -> None:
    sharp = np.random.default_rng(0).integers(60, 160, (40, 50, 3), dtype=np.uint8)
    taken, same, other = (
        apply(sharp, "none", camera="photo", seed=seed)
        for apply, seed in ((deblur.degrade, 1), (deblur.exposed, 1), (deblur.exposed, 2))
    )
    psnr = deblur.metric("psnr")
    assert psnr(taken, same) > psnr(taken, other) + 3


@pytest.mark.parametrize("name", ["none", ["psnr"], None])
def test_another_metric_is_refused(name: Any) -> None:
    with pytest.raises(deblur.UserError, match="There is no metric"):
        deblur.metric(name)


def test_a_metric_takes_every_type_of_image() -> None:
    generator = np.random.default_rng(0)
    sharp = generator.integers(0, 256, (20, 30), dtype=np.uint8)
    restored = generator.integers(0, 256, (20, 30), dtype=np.uint8)
    psnr = deblur.metric("psnr")
    error = np.mean((sharp / 255 - restored / 255) ** 2)
    assert psnr(restored, sharp) == pytest.approx(-10 * np.log10(error), abs=1e-4)
    assert psnr(restored / 255, sharp.astype(np.uint16) * 257) == pytest.approx(psnr(restored, sharp), abs=1e-4)
    with pytest.raises(ValueError, match="two images of one shape"):
        psnr(restored[:-1], sharp)
    with pytest.raises(ValueError, match="values in"):
        psnr(restored.astype(float), sharp)
