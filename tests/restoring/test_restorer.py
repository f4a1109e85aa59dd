"""The Python interface."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import write_network

import deblur
from deblur.errors import UserError


def picture(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("color", ["luma", "channels"])
@pytest.mark.parametrize("shape", [(7, 9), (7, 9, 1), (7, 9, 2), (7, 9, 3), (7, 9, 4), (1, 1)])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32", "float64"])
def test_shape_and_type_stay(identity: Path, shape: tuple[int, ...], kind: str, color: str) -> None:
    levels = picture(*shape)
    image = {
        "uint8": levels,
        "uint16": levels.astype(np.uint16) * 257,
        "float32": (levels / 255).astype(np.float32),
        "float64": levels / 255,
    }[kind]
    before = image.copy()
    restored = deblur.load(identity, precision="32-true", accelerator="cpu")(image, color)
    assert (restored.shape, restored.dtype) == (image.shape, image.dtype)
    np.testing.assert_allclose(restored, before, rtol=0, atol=0 if kind.startswith("uint") else 1e-6)
    np.testing.assert_array_equal(image, before)
    assert not np.shares_memory(restored, image)


def test_brightness_is_restored_and_alpha_kept(brighter: Path) -> None:
    image = np.full((6, 6, 4), 100, np.uint8)
    restored = deblur.load(brighter, precision="32-true", accelerator="cpu")(image)
    assert restored[0, 0].tolist() == [126, 126, 126, 100]


def test_what_is_no_picture_is_refused(identity: Path) -> None:
    restorer = deblur.load(identity, accelerator="cpu")
    for image, said in (
        (np.zeros((3, 3, 5), np.uint8), "1 to 4 channels"),
        (np.zeros((3,), np.uint8), "shape"),
        (np.zeros((0, 3), np.uint8), "shape"),
        (np.zeros((3, 3), np.int32), "int32"),
        (np.full((3, 3), 1.5), r"\[0, 1\]"),
        (np.full((3, 3), np.nan), r"\[0, 1\]"),
    ):
        with pytest.raises(ValueError, match=said):
            restorer(image)


def test_a_large_picture_is_restored_in_counted_tiles(tmp_path: Path) -> None:
    restorer = deblur.load(write_network(tmp_path / "n.safetensors", (3, 3)), accelerator="cpu")
    image, calls = picture(300, 520, 3), []
    restorer(image, "channels", lambda: calls.append(1))
    assert len(calls) == restorer.count(image, "channels") == 3 * 2 * 3
    assert restorer.count(image) == 6


def test_what_was_trained_on_is_told(identity: Path) -> None:
    restorer = deblur.load(str(identity))
    assert restorer.name == "identity"
    assert restorer.settings["blur"]["name"] == "box"


def test_a_network_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no network sharpest: give mixed, gaussian, box, motion, disk"):
        deblur.load("sharpest")
    (tmp_path / "x.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(UserError, match=r"x\.safetensors"):
        deblur.load(tmp_path / "x.safetensors")


def test_loading_needs_no_trainer(identity: Path) -> None:
    code = (
        f"import deblur, sys, numpy; r = deblur.load({str(identity)!r}); r(numpy.zeros((9, 9), 'uint8'));"
        "print(*(name for name in ('lightning', 'hydra', 'torchmetrics', 'albumentations', 'cv2', 'scipy', "
        "'matplotlib') if name in sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.split() == []
