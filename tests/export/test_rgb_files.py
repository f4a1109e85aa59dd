"""Exported networks for RGB images: onnxruntime computes what torch does, and the files state three channels."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from network_files import BOX
from numpy.typing import NDArray
from PIL import Image
from torch import nn

import deblur
from deblur.errors import UserError
from deblur.export.card import model_card
from deblur.export.onnx import as_onnx
from deblur.export.session import describe
from deblur.inference.description import KEY
from deblur.inference.onnx_network import open_onnx
from deblur.inference.tiles import TiledNetwork
from deblur.inference.trained import Trained, load_trained
from deblur.inference.weights import write_weights
from deblur.models import SRCNN, ResNet

Tree = dict[str, Any]


def srcnn() -> tuple[nn.Module, Tree]:
    layers: Tree = {"kernel_sizes": [9, 5], "widths": [4], "channels": 3}
    return SRCNN(**layers), {"_target_": "deblur.models.SRCNN", **layers}


def resnet() -> tuple[nn.Module, Tree]:
    layers: Tree = {"blocks": 1, "width": 4, "unshuffle": 2, "end_kernel_size": 3, "channels": 3}
    network = ResNet(**layers)
    nn.init.normal_(network.last.weight, std=0.1)
    return network, {"_target_": "deblur.models.ResNet", **layers}


BUILDS: dict[str, Callable[[], tuple[nn.Module, Tree]]] = {"srcnn": srcnn, "resnet": resnet}


@pytest.fixture(scope="module", params=BUILDS)
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with net.onnx and net.safetensors as an export writes them; tests do not change it."""
    torch.manual_seed(0)
    network, model = BUILDS[request.param]()
    description = describe(Trained("net", network, {"model": model, "blur": BOX, "data": {"color": "rgb"}}))
    assert description["channels"] == 3
    folder = tmp_path_factory.mktemp("rgb")
    write_weights(folder / "net.safetensors", network.state_dict(), description)
    content, difference = as_onnx(network, description)
    assert difference < 1e-5
    (folder / "net.onnx").write_bytes(content)
    return folder


@pytest.mark.parametrize("shape", [(1, 1), (37, 53), (5, 301)])
def test_the_graph_takes_and_gives_three_channels(files: Path, shape: tuple[int, int]) -> None:
    session = onnxruntime.InferenceSession(files / "net.onnx")
    channels = {each.name: each.shape[1] for each in (*session.get_inputs(), *session.get_outputs())}
    assert channels == {"blurred": 3, "restored": 3}
    given = np.random.default_rng(0).random((2, 3, *shape), dtype=np.float32)
    (restored,) = session.run(["restored"], {"blurred": given})
    with torch.inference_mode():
        expected = load_trained(files / "net.safetensors").network(torch.from_numpy(given)).numpy()
    np.testing.assert_allclose(restored, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(37, 53, 3), (300, 261, 3), (1, 1), (9, 2, 4)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_images_of_both_formats_are_alike(files: Path, shape: tuple[int, ...], kind: type) -> None:
    image: NDArray[Any] = np.random.default_rng(0).random(shape)
    white = 1 if kind is np.float32 else np.iinfo(kind).max
    image = (image * white).astype(kind)
    by_torch = deblur.load(files / "net.safetensors", accelerator="cpu", precision="32-true")
    by_onnx = deblur.load(files / "net.onnx")
    assert by_torch.channels == by_onnx.channels == 3
    restored, expected = (restorer(image, strength=1) for restorer in (by_onnx, by_torch))
    assert (restored.shape, restored.dtype) == (shape, kind)
    difference = np.abs(restored.astype(np.float64) - expected.astype(np.float64))
    assert difference.max() <= (1e-5 if kind is np.float32 else 1)
    assert np.abs(restored.astype(np.float64) - image).max() > 0.01 * white  # it does something


def test_tiles_are_those_of_the_whole_in_onnx(files: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (61, 47, 3), dtype=np.uint8)
    _, network = open_onnx(files / "net.onnx")
    whole, tiled = (TiledNetwork(network, tile).restore(image) for tile in (1000, 16))
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def plain() -> dict[int, bytes]:
    """An .onnx file of a network for gray, and of one for RGB."""
    contents = {}
    for channels in (1, 3):
        network = SRCNN([3, 1], [2], channels=channels)
        contents[channels], _ = as_onnx(
            network, {"settings": {"model": {}, "blur": {}}, "channels": channels, "halo": 1}
        )
    return contents


def changed(content: bytes, **keys: Any) -> bytes:
    """Return an .onnx file with another description; None removes a key."""
    model = onnx.load_from_string(content)
    (entry,) = (each for each in model.metadata_props if each.key == KEY)
    description = json.loads(entry.value) | keys
    entry.value = json.dumps({key: value for key, value in description.items() if value is not None})
    return model.SerializeToString()


def test_a_file_without_channels_is_for_gray(plain: dict[int, bytes], tmp_path: Path) -> None:
    path = tmp_path / "old.onnx"
    path.write_bytes(changed(plain[1], channels=None))
    assert deblur.load(path).channels == 1


@pytest.mark.parametrize(
    ("held", "stated", "reason"),
    [
        (3, None, "its network cannot be computed"),
        (3, 1, "its network cannot be computed"),
        (1, 3, "its network cannot be computed"),
        (3, 2, "its description of the network is not valid (channels: are neither 1 (gray) nor 3 (RGB))"),
        (3, 0, "its description of the network is not valid (channels: are neither 1 (gray) nor 3 (RGB))"),
        (3, 10**12, "its description of the network is not valid (channels: are neither 1 (gray) nor 3 (RGB))"),
        (3, "3", "its description of the network is not valid (channels: Input should be a valid integer)"),
        (3, True, "its description of the network is not valid (channels: Input should be a valid integer)"),
        (3, 3.0, "its description of the network is not valid (channels: Input should be a valid integer)"),
        (3, [3], "its description of the network is not valid (channels: Input should be a valid integer)"),
    ],
)
def test_other_channels_than_those_of_the_graph_are_refused(
    held: int, stated: Any, reason: str, plain: dict[int, bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "given.onnx"
    path.write_bytes(changed(plain[held], channels=stated))
    with pytest.raises(UserError) as caught:
        deblur.load(path)
    assert str(caught.value).startswith(f"{path} is damaged: {reason}")
    assert capfd.readouterr().err == ""


def card(build: str, *formats: Any) -> str:
    network, model = BUILDS[build]()
    text = model_card(Trained("net", network, {"model": model, "blur": BOX}), "net", formats)
    assert "\n\n\n" not in text
    return text


def test_the_card_says_that_images_are_rgb() -> None:
    text = card("srcnn", "onnx")
    assert "A network that restores RGB images blurred by" in text
    assert "| Channels | 3 |" in text
    assert "Batches (N, 3, H, W) work as well." in text
    assert "- Images are RGB in [0, 1] as files store them" in text


@pytest.mark.slow
def test_the_code_of_the_card_runs(plain: dict[int, bytes], tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(plain[3])
    python, alone = re.findall(r"```python\n(.*?)```", card("srcnn", "onnx"), re.DOTALL)
    pixels = np.random.default_rng(0).integers(0, 256, (19, 23, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "blurred.png")
    asked = "import sys; sys.modules['torch'] = None; image = __import__('numpy').zeros((5, 7, 3), 'uint8')\n"
    subprocess.run(
        [sys.executable, "-c", f"{asked}{python}\nassert sharper.shape == (5, 7, 3)"], cwd=tmp_path, check=True
    )
    subprocess.run([sys.executable, "-c", alone], cwd=tmp_path, check=True)
    restored = np.asarray(Image.open(tmp_path / "restored.png"))
    expected = deblur.load(path)(pixels, strength=1)
    assert np.abs(restored.astype(int) - expected).max() <= 1  # a level, where a rounding differs
