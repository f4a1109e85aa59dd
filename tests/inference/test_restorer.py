"""The Python interface."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from network_files import write_network

import deblur
from deblur.errors import UserError
from deblur.models import SRCNN


def decoded(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("color", ["luma", "channels"])
@pytest.mark.parametrize("shape", [(7, 9), (7, 9, 1), (7, 9, 2), (7, 9, 3), (7, 9, 4), (1, 1)])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32", "float64"])
def test_shape_and_type_stay(identity: Path, shape: tuple[int, ...], kind: str, color: str) -> None:
    levels = decoded(*shape)
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


def test_what_is_no_image_is_refused(identity: Path) -> None:
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


def test_a_large_image_is_restored_in_counted_tiles(tmp_path: Path) -> None:
    restorer = deblur.load(write_network(tmp_path / "n.safetensors", (3, 3)), accelerator="cpu")
    image, calls = decoded(300, 520, 3), []
    restorer(image, "channels", lambda: calls.append(1))
    assert len(calls) == restorer.count(image, "channels") == 3 * 2 * 3
    assert restorer.count(image) == 6


def test_what_was_trained_on_is_told(identity: Path) -> None:
    restorer = deblur.load(str(identity))
    assert restorer.name == "identity"
    assert restorer.settings["blur"]["name"] == "box"


def test_a_network_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no network sharpest: give default, defocus, motion, unr"):
        deblur.load("sharpest")
    (tmp_path / "x.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(UserError, match=r"x\.safetensors"):
        deblur.load(tmp_path / "x.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strength", "allowed"), [("1", set()), ("None", {"cv2", "scipy"})], ids=["without the gate", "with the gate"]
)
def test_loading_needs_no_trainer(identity: Path, strength: str, allowed: set[str]) -> None:
    code = (
        f"import deblur, sys, numpy; r = deblur.load({str(identity)!r}); "
        f"r(numpy.zeros((9, 9), 'uint8'), strength={strength});"
        "print(*(name for name in ('lightning', 'hydra', 'torchmetrics', 'albumentations', 'cv2', 'scipy', "
        "'matplotlib') if name in sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert set(found.stdout.split()) == allowed


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_what_is_hidden_is_not_drawn_into_what_is_seen(kind: type, tmp_path: Path) -> None:
    """A network that blurs would mix the black below an alpha of 0 into the rest."""
    from deblur.inference.weights import write_weights

    network = SRCNN((3, 1), [1], residual=False)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.constant_(network.convolutions[0].weight, 1 / 9)  # type: ignore[arg-type] # the mean of 3x3 px
    torch.nn.init.constant_(network.convolutions[1].weight, 1.0)  # type: ignore[arg-type] # as it is
    model = {"_target_": "deblur.models.SRCNN", "kernel_sizes": [3, 1], "widths": [1], "residual": False}
    settings = {"model": model | {"dropout": 0.0}, "blur": {"name": "none"}}
    write_weights(tmp_path / "mean.safetensors", network.state_dict(), {"settings": settings})
    restorer = deblur.load(tmp_path / "mean.safetensors", precision="32-true", accelerator="cpu")
    image = np.zeros((6, 8, 4), kind)
    image[:, 4:, :3] = 200
    image[:, 4:, 3] = 255
    image[0, 0, :3] = 7  # hidden, and kept
    np.testing.assert_array_equal(restorer(image), image)
    gray = np.ascontiguousarray(image[..., [0, 3]])
    np.testing.assert_array_equal(restorer(gray), gray)
    bare = restorer(np.ascontiguousarray(image[..., :3]))
    assert bare[3, 4, 0] < 200  # without alpha nothing is hidden
    from deblur.image_io.images import DecodedImage

    decoded = DecodedImage(np.ascontiguousarray(image[..., :3]), np.ascontiguousarray(image[..., 3]), "PNG")
    np.testing.assert_array_equal(restorer.restore_image(decoded).pixels, decoded.pixels)
