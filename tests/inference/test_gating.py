"""How much of a network's correction is applied."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open

import deblur
from deblur.errors import UserError
from deblur.inference import blending, gating
from deblur.inference.gating import FILE, KEY, MOST, CalibratedGate, gated, pretrained_gate
from deblur.inference.simulation import degraded, gain, reference
from deblur.inference.weights import read_weights, write_weights
from deblur.models.gate import CELL, Gate
from deblur.synthesis.leaves import draw

UNSEEN = 2_000_000  # number of the first drawn image, on which the gate was neither trained nor calibrated
KINDS = ("uint8", "uint16", "float32", "float64")


@pytest.fixture
def varying() -> CalibratedGate:
    """A gate whose weights vary from place to place."""
    torch.manual_seed(0)
    made = Gate()
    torch.nn.init.normal_(made.layers[-1].weight, std=0.2)  # type: ignore[arg-type] # a tensor
    return CalibratedGate(made.eval(), 0.1, 0.9, 0.99)


def pair(shape: tuple[int, ...], kind: str) -> list[NDArray[Any]]:
    """Return an image and another one near it."""
    rng = np.random.default_rng(0)
    image = rng.random(shape)
    both = image, np.clip(image + 0.1 * rng.standard_normal(shape), 0, 1)
    if kind.startswith("float"):
        return [one.astype(kind) for one in both]
    return [np.rint(one * np.iinfo(kind).max).astype(kind) for one in both]


def test_strips_give_the_weights_of_the_whole_image(varying: CalibratedGate, monkeypatch: pytest.MonkeyPatch) -> None:
    image, restored = pair((20 * CELL + 3, 2 * CELL + 5, 3), "float32")
    whole, fraction = gated(image, restored, varying)
    monkeypatch.setattr(blending, "_STRIP_PIXELS", 1)  # one row of cells at a time
    strips, same = gated(image, restored, varying)
    np.testing.assert_allclose(strips, whole, rtol=0, atol=1e-6)
    assert same == pytest.approx(fraction, abs=1e-6)
    assert 0.05 < fraction < 0.95


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 1), (CELL, CELL), (45, 70), (45, 70, 3)])
def test_files_are_blended_as_evaluation_blends(shape: tuple[int, ...], kind: str, varying: CalibratedGate) -> None:
    image, restored = pair(shape, kind)
    blended, _ = gated(image, restored, varying)
    assert (blended.shape, blended.dtype) == (shape, np.dtype(kind))
    white = 1 if kind.startswith("float") else np.iinfo(kind).max
    before, after = (
        torch.from_numpy(np.atleast_3d(one / white).astype(np.float32).transpose(2, 0, 1).copy())[None]
        for one in (image, restored)
    )
    with torch.inference_mode():
        expected = before + varying.weights(before, after) * (after - before)
    found = np.atleast_3d(blended / white).transpose(2, 0, 1)
    np.testing.assert_allclose(found, expected[0].numpy(), rtol=0, atol=0.5 / white + 1e-6 if white > 1 else 1e-6)


@pytest.mark.parametrize(
    ("low", "high", "weight"), [(0.5, 0.9, 0.0), (0.1, 0.5, 1.0), (0.2, 1.0, 0.375), (0.0, 1.0, 0.5)]
)
def test_weights_between_the_limits_are_stretched(low: float, high: float, weight: float) -> None:
    image, restored = (torch.rand(1, 1, CELL, CELL) for _ in range(2))
    with torch.inference_mode():
        found = CalibratedGate(Gate().eval(), low, high, 0.99).weights(image, restored)  # of 0.5, untrained
    torch.testing.assert_close(found, torch.full_like(found, MOST * weight))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_strength_applies_a_part_of_the_correction(brighter: Path, channels: int, kind: str) -> None:
    restorer = deblur.load(brighter, precision="32-true", accelerator="cpu")
    image, _ = pair((9, 12, channels), kind)
    image = (image / 2).astype(kind)  # so that nothing is clipped
    results = {strength: restorer(image, strength=strength) for strength in (0, 0.5, 1)}
    np.testing.assert_array_equal(results[0], image)
    white = 1 if kind.startswith("float") else np.iinfo(kind).max
    change, half = ((results[strength].astype(float) - image) / white for strength in (1, 0.5))
    np.testing.assert_allclose(half, change / 2, rtol=0, atol=0.51 / white if white > 1 else 1e-6)
    if channels in (2, 4):
        np.testing.assert_array_equal(results[0.5][..., -1], image[..., -1])


@pytest.mark.parametrize("strength", [-0.1, 1.5, float("nan"), "1", True])
def test_another_strength_is_a_sentence(identity: Path, strength: Any) -> None:
    restorer = deblur.load(identity, accelerator="cpu")
    with pytest.raises(
        ValueError, match=r"strength=.* is not allowed: give a number from 0 to 1, or None for the gate"
    ):
        restorer(np.zeros((3, 3), np.uint8), strength=strength)


def test_known_kernels_and_noise_have_no_gate(identity: Path, known_kernel: Path, tmp_path: Path) -> None:
    weights, description = read_weights(identity)
    settings = {**description["settings"], "blur": {"_target_": "deblur.blur.NoBlur", "name": "none"}}
    write_weights(tmp_path / "noise.safetensors", weights, description | {"settings": settings})
    places = (identity, known_kernel, tmp_path / "noise.safetensors")
    blind, known, noise = (deblur.load(place, accelerator="cpu") for place in places)
    assert [each.is_gated for each in (blind, known, noise)] == [True, False, False]


@pytest.mark.parametrize("name", ["default", "defocus"])
def test_sharp_images_stay(name: str) -> None:
    restorer = deblur.load(name, precision="32-true", accelerator="cpu")
    with_gate, alone = [], []
    for index in range(4):
        sharp = draw(7, UNSEEN + index)
        changes = [restorer(sharp, strength=strength).astype(float) - sharp for strength in (None, 1)]
        for found, change in zip((with_gate, alone), changes, strict=True):
            found.append(float(np.sqrt(np.square(change).mean())))
    assert max(with_gate) < 1
    assert max(alone) > 2


def test_blurred_images_are_restored() -> None:
    restorer = deblur.load("defocus", precision="32-true", accelerator="cpu")
    blur = deblur.degradation("disk", radius=4, camera="photo")
    for index in range(3):
        image = draw(7, UNSEEN + index, "rgb")
        blurred, sharp = (made(image, blur, str(index)) for made in (degraded, reference))
        restored = (restorer(blurred, strength=strength) for strength in (1, None))
        alone, found = (gain(blurred, one, sharp, of_luma=False).difference for one in restored)
        assert found > 0.75 * alone > 0.5


def test_the_file_is_small_and_says_how_it_was_calibrated() -> None:
    assert FILE.stat().st_size < 200_000
    with safe_open(FILE, framework="pt") as file:
        calibration = json.loads(file.metadata()[KEY])
    gate = pretrained_gate()
    assert calibration == {"share": gate.share, "low": gate.low, "high": gate.high}
    assert 0 <= gate.low < gate.high <= 1
    assert (
        f"Weights up to {gate.low:.2f} become 0, those from {gate.high:.2f} on 1" in FILE.with_suffix(".md").read_text()
    )


def test_a_missing_file_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gating, "FILE", tmp_path / "gate.safetensors")
    pretrained_gate.cache_clear()
    with pytest.raises(UserError, match=r"lacks the file .*gate\.safetensors: install the package again, or set a str"):
        pretrained_gate()


def test_the_command_says_if_little_was_applied(
    command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(draw(7, UNSEEN)).save("sharp.png")
    done = command("sharp.png")
    assert done.code == 0
    assert "of the network's correction was applied; --strength 1 applies all of it." in " ".join(done.out.split())
    done = command("sharp.png", "--strength=1", "--overwrite")
    assert "was applied" not in done.out
    done = command("sharp.png", "--strength=0", "--overwrite")
    np.testing.assert_array_equal(np.asarray(Image.open("sharp-restored.png")), draw(7, UNSEEN))
    for index in range(6):
        Image.fromarray(draw(7, UNSEEN)).save(f"{index}.png")
    done = command(*(f"{index}.png" for index in range(6)))
    assert "To 6 of 6 images, less than 50% of the network's correction was applied" in " ".join(done.out.split())


@pytest.mark.parametrize("given", ["-0.1", "2", "nan", "some"])
def test_the_command_refuses_another_strength(command: Callable[..., Any], tmp_path: Path, given: str) -> None:
    done = command(tmp_path / "a.png", f"--strength={given}")
    assert done.code == 2
    assert f"{given} is not allowed: give a number from 0 to 1" in " ".join(done.err.split())
