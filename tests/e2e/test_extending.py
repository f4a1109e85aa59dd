"""The files of docs/extending.md, run from a folder outside the package."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import deblur
from deblur.synthesis.faces import draw
from deblur.train import main

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
SMALL = (
    "data.max_images=16",
    "data.patch_size=32",
    "data.eval_crop=64",
    "trainer.max_epochs=1",
    "trainer.accelerator=cpu",
)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(EXAMPLES, tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")
    return tmp_path / "mine"


def train(cache_root: Path, *overrides: str) -> int:
    return main(["--config-dir", "conf", *overrides, *SMALL, f"paths.cache_root={cache_root}"])


def test_the_examples_run(elsewhere: Path, cache_root: Path) -> None:
    assert train(cache_root, "model=small_stack", "blur=cross", "trusted=[my_networks,my_blurs]") == 0
    (metrics,) = elsewhere.rglob("metrics.json")
    assert json.loads(metrics.read_text())["model"]["receptive_field"] == 15
    with (metrics.parent / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["blur"] for row in rows} == {"cross"}
    assert all(2 <= float(row["arm"]) <= 6 for row in rows)
    assert metrics.parent.parent.name.startswith("small_stack-cross-lr_0.001-")


@pytest.mark.slow
def test_the_network_is_trained_and_restores_in_color(elsewhere: Path, cache_root: Path) -> None:
    assert train(cache_root, "model=small_stack", "trusted=[my_networks]", "data.color=rgb") == 0
    (metrics,) = elsewhere.rglob("metrics.json")
    restorer = deblur.load(metrics.parent, trusted=["my_networks"], accelerator="cpu")
    assert restorer.channels == restorer.settings["model"]["channels"] == 3
    pixels = draw(0, 0, "rgb")
    restored = restorer(pixels, strength=1)
    assert restored.shape == pixels.shape
    assert np.abs(restored.astype(int) - pixels).max() > 1


def test_a_network_that_does_not_state_that_it_is_for_color_is_refused(
    elsewhere: Path, cache_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = (elsewhere / "my_networks.py").read_text()
    (elsewhere / "my_silent_networks.py").write_text(code.replace("self.channels = channels", "pass"))
    names = ("model._target_=my_silent_networks.SmallStack", "trusted=[my_silent_networks]")
    assert train(cache_root, "model=small_stack", *names, "data.color=rgb") == 2
    assert capsys.readouterr().err == (
        "error: data.color=rgb gives images of 3 channels, and SmallStack is for 1 (its attribute channels, or 1 "
        "without it): change the class, or data.color.\n"
    )
    option = elsewhere / "conf" / "model" / "small_stack.yaml"
    option.write_text("".join(line for line in option.open() if "channels" not in line))
    assert train(cache_root, "model=small_stack", "trusted=[my_networks]", "data.color=rgb") == 2
    assert "give +model.channels=3 if that is what its argument channels means, change" in capsys.readouterr().err
    assert not list(elsewhere.rglob("checkpoints"))


def test_a_module_that_is_not_named_is_not_imported(
    elsewhere: Path, cache_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "my_nets_unnamed.py").write_text("raise SystemExit('imported')")
    assert train(cache_root, "model=small_stack", "model._target_=my_nets_unnamed.Net") == 2
    assert "trusted=[my_nets_unnamed]" in capsys.readouterr().err
    assert not list(elsewhere.rglob("status.json"))


def command(elsewhere: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m` of a command in a process of its own, from the folder of the examples."""
    package = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": package, "HOME": str(elsewhere)}
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=elsewhere, env=environment, capture_output=True, text=True
    )


@pytest.fixture
def arrays(elsewhere: Path) -> Path:
    file = elsewhere / "my arrays" / "faces, [drawn].npy"
    file.parent.mkdir()
    np.save(file, np.stack([draw(0, index) for index in range(16)]))
    return file


@pytest.mark.slow
def test_a_custom_data_set_is_trained_on_and_evaluated(elsewhere: Path, arrays: Path, cache_root: Path) -> None:
    given = [*SMALL, "model.kernel_sizes=[5,3]", "model.widths=[4]", f"paths.cache_root={cache_root}"]
    options = ["--config-dir", "conf", "data=arrays", "data.file=~/my arrays/faces, [drawn].npy", "trusted=[my_data]"]
    done = command(elsewhere, "deblur.train", *options, *given)
    assert done.returncode == 0, done.stderr
    (run,) = (path.parent for path in elsewhere.rglob("metrics.json"))
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test"]["images"] == 2
    stored = yaml.safe_load((run / "config.yaml").read_text())["data"]
    assert stored["file"] == str(arrays.resolve())
    assert str(arrays).encode() not in (run / "checkpoints" / "best.ckpt").read_bytes()
    evaluated = command(elsewhere, "deblur.evaluate", f"run={run}", "trusted=[my_data]", "accelerator=cpu")
    assert evaluated.returncode == 0, evaluated.stderr


@pytest.mark.slow
def test_a_custom_data_set_without_an_option_of_its_own(elsewhere: Path, arrays: Path) -> None:
    own = [
        "data._target_=my_data.ArrayData",
        "~data.leaves",
        "~data.fresh",
        "trusted=[my_data]",
        *SMALL,
        "dry_run=true",
    ]
    done = command(elsewhere, "deblur.train", *own, f"+data.file={arrays}")
    assert done.returncode == 0, done.stderr
    done = command(elsewhere, "deblur.train", *own, f"+data.fil={arrays}")
    assert done.returncode == 2
    assert "my_data.ArrayData" in done.stderr
    assert "It takes: file, max_images" in " ".join(done.stderr.split())
    done = command(elsewhere, "deblur.train", *own, f"+data.file={arrays}", "data.batch_size=0")
    assert done.returncode == 2
    assert "data.batch_size=0 is not allowed: give a whole number from 1 up." in " ".join(done.stderr.split())
