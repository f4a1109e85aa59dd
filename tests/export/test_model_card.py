"""The model card tells what the run's files tell, and its code runs."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import deblur
from deblur.export.card import model_card
from deblur.inference.trained import Trained, load_trained
from deblur.models import SRCNN


@pytest.mark.slow
def test_the_card_holds_the_numbers(trained_run: Path, exported: Path) -> None:
    card = (exported / "net.md").read_text()
    metrics = json.loads((trained_run / "metrics.json").read_text())
    test = metrics["test"]
    assert f"| PSNR \\[dB\\] | {test['input_psnr']:.2f} | {test['psnr']:.2f} | {test['gain']:.2f} |" in card
    assert f"| SSIM | {test['input_ssim']:.4f} | {test['ssim']:.4f} |  |" in card
    assert f"Means over {test['images']} images" in card
    counts = metrics["data"]["counts"]
    assert f"| Split | {counts['train']} train, {counts['val']} val, {counts['test']} test |" in card
    assert metrics["data"]["fingerprint"] in card
    for row in (
        "| Kernel sizes | 5-3 |",
        "| Widths | 6 |",
        "| Parameters | 211 |",
        "| Receptive field | 7 px |",
        "| Blur | kernel |",
        "| noise_sigma | 1 to 2 gray levels of 255 |",
        "| Source | folder |",
        "| Boundary | each image continued by its mirror image, then blurred |",
        "| Loss | mse |",
        "| Epochs until the best | 1 |",
    ):
        assert row in card
    assert "Its receptive field is 7 px wide: what a blur has spread further is lost to it." in card
    assert "MIT license" in card
    assert "\n\n\n" not in card


def test_the_card_tells_of_dead_leaves(trained_run: Path) -> None:
    trained = load_trained(trained_run)
    assert "Dead leaves" not in model_card(trained, "net", ["safetensors"])
    trained.config["data"] = {"name": "synthetic", "leaves": 0.25}
    assert "| Dead leaves | 25% of the images |" in model_card(trained, "net", ["safetensors"])


def test_the_card_names_the_networks_that_it_was_trained_on_from(trained_run: Path) -> None:
    trained = load_trained(trained_run)
    assert "Trained on from" not in model_card(trained, "net", ["safetensors"])
    longer = replace(trained, origins=("mixed", "a-seed_0"))
    assert "| Trained on from | mixed, then a-seed_0 |" in model_card(longer, "net", ["safetensors"])


def test_the_card_tells_no_boundary_where_somebody_else_has_blurred(trained_run: Path) -> None:
    trained = load_trained(trained_run)
    trained.config["data"] = {"name": "pairs", "boundary": "symmetric"}
    assert "Boundary" not in model_card(trained, "net", ["safetensors"])


@pytest.mark.slow
def test_the_code_of_the_card_runs(exported: Path, tmp_path: Path) -> None:
    card = (exported / "net.md").read_text()
    python, plain = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    for file in exported.iterdir():
        (tmp_path / file.name).symlink_to(file)
    pixels = np.random.default_rng(0).integers(0, 256, (19, 23), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "blurred.png")
    asked = "import sys; sys.modules['torch'] = None; image = __import__('numpy').zeros((5, 7), 'uint8')\n"
    subprocess.run([sys.executable, "-c", f"{asked}{python}\nassert sharper.shape == (5, 7)"], cwd=tmp_path, check=True)
    subprocess.run([sys.executable, "-c", plain], cwd=tmp_path, check=True)
    expected = deblur.load(exported / "net.safetensors", accelerator="cpu", precision="32-true")(pixels, strength=1)
    restored = np.asarray(Image.open(tmp_path / "restored.png"))
    assert np.abs(restored.astype(int) - expected).max() <= 1  # a level, where a rounding differs


def test_each_format_has_its_own_instructions(trained_run: Path) -> None:
    trained = load_trained(trained_run)
    onnx, safetensors = (model_card(trained, "net", (kind,)) for kind in ("onnx", "safetensors"))
    assert "--network net.onnx" in onnx
    assert "With onnxruntime alone" in onnx
    assert "safetensors" not in onnx
    assert "deblur.export net.safetensors --format onnx" in safetensors
    assert "With onnxruntime alone" not in safetensors


def test_a_stranger_s_values_are_shown_as_text() -> None:
    config = {
        "model": {"_target_": "deblur.models.SRCNN", "name": "<script>", "kernel_sizes": [3, 1], "widths": [1]},
        "blur": {"_target_": "x", "name": "[a](http://b)\n# big", "angle": {"deep": 3}, "size": "|"},
        "optimizer": ["no", "mapping"],
        "data": 7,
    }
    metrics = {"test": {"psnr": "high", "gain": None}, "data": {"counts": [1]}, "val": {"epoch": "x"}}
    card = model_card(Trained("*bold*", SRCNN([3, 1], [1]), config, metrics), "net", ("onnx",))
    assert "\\[a\\](http://b) # big" in card
    assert "\\*bold\\*" in card
    assert "<script>" not in card
    assert "| PSNR \\[dB\\] | not known | not known | not known |" in card


def test_a_stranger_s_texts_neither_end_a_line_nor_command_a_terminal() -> None:
    evil = "a\x1b[2J\x07\x00\u202e\x85b\n\n# big\r| x |"
    config = {
        "model": {"_target_": evil, "note": evil},
        "blur": {"_target_": evil, "name": evil, evil: evil, "families": {evil: {evil: evil}}},
        "data": {"name": evil},
        "optimizer": {"name": evil, "lr": evil},
        "loss": evil,
    }
    card = model_card(Trained(evil, SRCNN([3, 1], [1]), config, {"data": {"fingerprint": evil}}), "net", ("onnx",))
    assert all(letter.isprintable() or letter == "\n" for letter in card)
    assert not [line for line in card.splitlines() if "big" in line and line.startswith("# big")]
    assert all(line.count("|") - line.count("\\|") == 3 for line in card.splitlines() if line.startswith("| "))


def test_what_is_not_known_is_said(trained_run: Path) -> None:
    card = model_card(load_trained(trained_run / "checkpoints" / "best.ckpt"), "net", ("onnx",))
    assert "Not known: the network was exported from a file that does not hold its results." in card
    assert "PSNR" not in card
    assert "| noise_sigma | 1 to 2 gray levels of 255 |" in card
