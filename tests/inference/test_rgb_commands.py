"""`deblur restore` with a network for RGB images, from file to file and from every stored form of the network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from network_files import BOX, write_rgb_network
from numpy.typing import NDArray
from PIL import Image

import deblur
from deblur import export
from deblur.errors import UserError
from deblur.files import write_json
from deblur.image_io.reading import read_image
from deblur.image_io.writing import encode_tiff
from deblur.inference.trained import load_trained

Command = Callable[..., Any]
ORDER = (2, 0, 1)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A network that gives blue, red and green for red, green and blue, in every form in which it is stored."""
    folder = tmp_path_factory.mktemp("rgb")
    safetensors = write_rgb_network(folder / "swapped.safetensors", ORDER)
    trained = load_trained(safetensors)
    settings = {"model": dict(trained.config["model"]), "blur": BOX, "data": {"color": "rgb"}}
    weights = {f"network.{name}": value for name, value in trained.network.state_dict().items()}
    run = folder / "run"
    (run / "checkpoints").mkdir(parents=True)
    checkpoint = run / "checkpoints" / "best.ckpt"
    held = {"epoch": 0, "global_step": 1, "state_dict": weights, "hyper_parameters": settings}
    torch.save(held, checkpoint)
    write_json(run / "config.yaml", settings)  # JSON is YAML
    exported = {}
    for kind in ("onnx", "safetensors"):
        exported[kind] = folder / f"exported.{kind}"
        assert export.main([str(checkpoint), f"--format={kind}", f"--output={exported[kind]}"]) == 0
    return {"run": run, "checkpoint": checkpoint, "safetensors": safetensors} | {
        f"exported {kind}": path for kind, path in exported.items()
    }


def image(*shape: int, kind: type = np.uint8) -> NDArray[Any]:
    return np.random.default_rng(0).integers(0, np.iinfo(kind).max, shape, dtype=kind, endpoint=True)


FORMS = ["run", "checkpoint", "safetensors", "exported onnx", "exported safetensors"]


@pytest.mark.parametrize("form", FORMS)
def test_red_green_and_blue_keep_their_order_from_file_to_file(
    form: str, networks: dict[str, Path], command: Command, tmp_path: Path
) -> None:
    pixels = image(40, 53, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    told = command(tmp_path / "a.png", "-n", networks[form], "--precision=auto", "--strength=1")
    assert told.code == 0, told.err
    restored = np.asarray(Image.open(tmp_path / "a-restored.png"))
    np.testing.assert_array_equal(restored, pixels[..., ORDER])


@pytest.mark.parametrize("form", FORMS)
def test_every_form_states_its_channels(form: str, networks: dict[str, Path]) -> None:
    restorer = deblur.load(networks[form])
    assert restorer.channels == 3
    assert restorer.settings["model"]["channels"] == 3


def test_a_network_for_gray_has_one_channel(identity: Path) -> None:
    assert deblur.load(identity).channels == 1


def test_depth_and_transparency_are_kept(networks: dict[str, Path], command: Command, tmp_path: Path) -> None:
    deep = image(31, 29, 3, kind=np.uint16)
    (tmp_path / "deep.tif").write_bytes(encode_tiff(deep, {}, None))
    clear = image(31, 29, 4)
    clear[:9, :, 3] = 0
    Image.fromarray(clear).save(tmp_path / "clear.png")
    told = command(tmp_path / "deep.tif", tmp_path / "clear.png", "-n", networks["safetensors"], "-o", tmp_path / "out")
    assert told.code == 0, told.err
    found = read_image(tmp_path / "out" / "deep.tif")
    np.testing.assert_array_equal(found.pixels, deep[..., ORDER])
    restored = np.asarray(Image.open(tmp_path / "out" / "clear.png"))
    np.testing.assert_array_equal(restored[:9], clear[:9])  # hidden colors stay
    np.testing.assert_array_equal(restored[12:, :, 3], clear[12:, :, 3])
    visible = restored[10:, :, 3] > 0
    np.testing.assert_array_equal(restored[10:][visible][:, :3], clear[10:][visible][:, ORDER])


def test_a_gray_file_stays_gray(networks: dict[str, Path], command: Command, tmp_path: Path) -> None:
    pixels = image(40, 53)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert command(tmp_path / "a.png", "-n", networks["safetensors"]).code == 0
    restored = Image.open(tmp_path / "a-restored.png")
    assert restored.mode == "L"
    np.testing.assert_array_equal(np.asarray(restored), pixels)


@pytest.mark.parametrize("color", ["luma", "channels"])
def test_the_routes_of_gray_networks_are_refused(
    color: str, networks: dict[str, Path], command: Command, tmp_path: Path
) -> None:
    Image.fromarray(image(9, 9, 3)).save(tmp_path / "a.png")
    told = command(tmp_path / "a.png", "-n", networks["safetensors"], f"--color={color}")
    assert told.code == 2
    assert told.err == (
        f"error: --color {color} is for a network of gray images, and swapped restores red, green and blue at once: "
        "leave --color out.\n"
    )
    assert not (tmp_path / "a-restored.png").exists()


def test_a_simulation_shows_and_measures_color(networks: dict[str, Path], command: Command, tmp_path: Path) -> None:
    pixels = image(20, 30, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    told = command(
        *(tmp_path / "a.png", "-n", networks["exported onnx"], "--simulate", "none"),
        *("--precision=auto", "--strength=1"),
    )
    assert told.code == 0, told.err
    assert "PSNR over red, green and blue" in told.out
    blurred, restored, sharp = np.split(np.asarray(Image.open(tmp_path / "a-simulated.png")), 3, axis=1)
    np.testing.assert_array_equal(sharp, pixels)
    np.testing.assert_array_equal(blurred, pixels)
    np.testing.assert_array_equal(restored, pixels[..., ORDER])


OWN = """
import torch
from torch import nn


class Own(nn.Module):
    {attribute}

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)

    def forward(self, blurred):
        return self.layer(blurred)
"""


@pytest.mark.parametrize("attribute", ["channels = 3", "pass", "channels = 4"])
def test_a_custom_class_states_its_channels(attribute: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = f"own_rgb_net_{attribute[-1]}"
    (tmp_path / f"{module}.py").write_text(OWN.format(attribute=attribute))
    monkeypatch.syspath_prepend(tmp_path)
    layer = torch.nn.Conv2d(3, 3, 1)
    settings = {"model": {"_target_": f"{module}.Own"}, "blur": BOX, "data": {"color": "rgb"}}
    weights = {f"network.layer.{name}": value for name, value in layer.state_dict().items()}
    path = tmp_path / "own.ckpt"
    torch.save({"epoch": 0, "global_step": 1, "state_dict": weights, "hyper_parameters": settings}, path)
    if attribute == "channels = 3":
        pixels = np.random.default_rng(0).random((5, 6, 3), dtype=np.float32)
        with torch.inference_mode():
            expected = layer(torch.from_numpy(pixels).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
        restored = deblur.load(path, trusted=[module], accelerator="cpu")(pixels, strength=1)
        np.testing.assert_allclose(restored, expected.clip(0, 1), rtol=0, atol=1e-6)
        return
    with pytest.raises(UserError) as caught:
        deblur.load(path, trusted=[module])
    reasons = {
        "pass": f"{path} was trained with data.color=rgb, and its class Own lacks the attribute channels=3",
        "channels = 4": "The network's attribute channels=4 is not allowed: it states the channels of the images, 1",
    }
    assert str(caught.value).startswith(reasons[attribute])
