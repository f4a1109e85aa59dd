"""A network that wants a Wiener estimate is one file as well: what makes the Wiener estimate is in it."""

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from wiener_networks import KERNELS, LOPSIDED, calibrated, pairs

import deblur
from deblur.errors import UserError
from deblur.export.card import model_card
from deblur.export.onnx import as_onnx
from deblur.inference.description import KEY
from deblur.inference.onnx_network import open_onnx
from deblur.inference.tiles import TiledNetwork
from deblur.inference.trained import Trained, load_trained
from deblur.inference.weights import write_weights
from deblur.models import WienerSRCNN

Tree = dict[str, Any]
FACTORS = [1.0, 9.0]
LAYERS = {"kernel_sizes": [9, 5], "widths": [4]}


def settings(**model: Any) -> Tree:
    own = {"_target_": "deblur.models.WienerSRCNN", **LAYERS, "noise_scales": FACTORS, "non_blind": False}
    return {"model": own | model, "blur": {"name": "box", "_target_": "deblur.blur.Box", "size": 5}}


def write(folder: Path, network: WienerSRCNN, **model: Any) -> Path:
    """Write a network in both formats as an export does, without a training before; return the folder."""
    description = {"name": "net", "settings": settings(**model), "halo": network.halo}
    write_weights(folder / "net.safetensors", network.state_dict(), description)
    content, _ = as_onnx(network, description | {"prefilter": network.prefilter().as_plain()})
    (folder / "net.onnx").write_bytes(content)
    return folder


@pytest.fixture(scope="module", params=KERNELS)
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with net.onnx and net.safetensors; tests do not change it."""
    network = calibrated(KERNELS[request.param], **LAYERS, noise_scales=FACTORS)
    return write(tmp_path_factory.mktemp("wiener_guided"), network)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of a box alone."""
    return write(tmp_path_factory.mktemp("box"), calibrated(**LAYERS, noise_scales=FACTORS))


def whole(network: torch.nn.Module, plane: NDArray[np.float32]) -> NDArray[np.float32]:
    wiener_estimate = network.prefilter()(plane)
    with torch.inference_mode():
        return network(torch.from_numpy(plane)[None, None], torch.from_numpy(wiener_estimate)[None])[0, 0].numpy()


@pytest.mark.parametrize("shape", [(37, 53, 3), (1, 1), pytest.param((300, 261), marks=pytest.mark.slow), (9, 2, 4)])
@pytest.mark.parametrize("kind", [np.uint8, pytest.param(np.uint16, marks=pytest.mark.slow), np.float32])
@pytest.mark.parametrize("color", ["luma", "channels"])
def test_images_of_both_formats_are_alike(files: Path, shape: tuple[int, ...], kind: type, color: Any) -> None:
    image: NDArray[Any] = np.random.default_rng(0).random(shape)
    white = 1 if kind is np.float32 else np.iinfo(kind).max
    image = (image * white).astype(kind)
    by_torch = deblur.load(files / "net.safetensors", accelerator="cpu", precision="32-true")
    by_onnx = deblur.load(files / "net.onnx")
    restored, expected = (restorer(image, color) for restorer in (by_onnx, by_torch))
    assert (restored.shape, restored.dtype) == (shape, kind)
    difference = np.abs(restored.astype(np.float64) - expected.astype(np.float64))
    assert difference.max() <= (1e-5 if kind is np.float32 else 1)
    assert np.abs(restored.astype(np.float64) - image).max() > 0.01 * white  # it does something


@pytest.mark.parametrize("tile", [3, 16, 64])
@pytest.mark.parametrize("shape", [(61, 47), (5, 3), (1, 40)])
def test_tiles_are_those_of_the_whole_in_onnx(files: Path, shape: tuple[int, int], tile: int) -> None:
    plane = np.random.default_rng(0).random(shape, dtype=np.float32)
    _, network = open_onnx(files / "net.onnx")
    assert network.halo == 6
    restored = TiledNetwork(network, tile).restore(plane)
    expected = whole(load_trained(files / "net.safetensors").network, plane)
    np.testing.assert_allclose(restored, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 33, 17), (2, 64, 63)])
def test_somebody_else_may_make_the_wiener_estimate(box: Path, shape: tuple[int, int, int]) -> None:
    count, height, width = shape
    random = np.random.default_rng(0)
    given = {
        "blurred": random.random((count, 1, height, width), dtype=np.float32),
        "wiener_estimate": random.random((count, 2, height, width), dtype=np.float32),
    }
    session = onnxruntime.InferenceSession(box / "net.onnx")
    sizes = {each.name: each.shape for each in (*session.get_inputs(), *session.get_outputs())}
    assert sizes == {
        "blurred": ["batch", 1, "height", "width"],
        "wiener_estimate": ["batch", 2, "height", "width"],
        "restored": ["batch", 1, "height", "width"],
    }
    (restored,) = session.run(["restored"], given)
    with torch.inference_mode():
        expected = load_trained(box / "net.safetensors").network(*map(torch.from_numpy, given.values())).numpy()
    np.testing.assert_allclose(restored, expected, rtol=0, atol=1e-5)


def test_torch_is_not_needed(box: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; import deblur, numpy; "
        "print(deblur.load(sys.argv[1])(numpy.ones((300, 9, 3), 'uint8')).shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, box / "net.onnx"], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout == "(300, 9, 3)\n"
    assert done.stderr == ""


@pytest.mark.slow
def test_the_exporter_has_nothing_to_warn_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        as_onnx(calibrated(noise_scales=FACTORS), {"settings": settings()})


def test_the_fields_of_a_file_say_what_the_network_was_given(box: Path) -> None:
    description, _ = open_onnx(box / "net.onnx")
    told = description["prefilter"]
    assert told["noise_scales"] == FACTORS
    assert told["kernel"]["shape"] == [5, 5]
    assert told["power"]["shape"] == told["noise"]["shape"] == [47, 61]


def changed(content: bytes, change: Callable[[Tree], object]) -> bytes:
    """Return an .onnx file that tells something else of itself."""
    model = onnx.load_from_string(content)
    (entry,) = (each for each in model.metadata_props if each.key == KEY)
    description = json.loads(entry.value)
    change(description)
    entry.value = json.dumps(description)
    return model.SerializeToString()


DAMAGE: dict[str, Callable[[Tree], object]] = {
    "a list": lambda told: told.update(prefilter=[1]),
    "a text": lambda told: told.update(prefilter="kernel"),
    "empty": lambda told: told.update(prefilter={}),
    "gone": lambda told: told.pop("prefilter"),
    "no power": lambda told: told["prefilter"].update(power=None),
    "power of 0": lambda told: told["prefilter"]["power"].update(shape=[1, 1], float32="AAAAAA=="),
    "power that does not fit": lambda told: told["prefilter"]["power"].update(shape=[47, 60]),
    "an infinite shape": lambda told: told["prefilter"]["power"].update(shape=[float("inf"), 1]),
    "a huge shape": lambda told: told["prefilter"]["noise"].update(shape=[10**30, 10**30]),
    "an even kernel": lambda told: told["prefilter"]["kernel"].update(shape=[1, 2], float32="AAAAPwAAAD8="),
    "another number of planes": lambda told: told["prefilter"].update(noise_scales=[1.0]),
    "no factors": lambda told: told["prefilter"].update(noise_scales=[]),
    "a factor of 0": lambda told: told["prefilter"].update(noise_scales=[1.0, 0]),
    "a factor beyond all numbers": lambda told: told["prefilter"].update(fft_noise_scale=10**400),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_preparation_is_a_sentence(
    kind: str, box: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "given.onnx"
    path.write_bytes(changed((box / "net.onnx").read_bytes(), DAMAGE[kind]))
    with pytest.raises(UserError) as caught:
        deblur.load(path)
    assert str(caught.value).startswith(f"{path} is damaged: ")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


WEIGHTS: dict[str, Tree] = {
    "power of 0": {"power": torch.zeros(4, 4)},
    "noise that is no number": {"noise": torch.full((4, 4), torch.nan)},
    "an even kernel": {"kernel": torch.full((2, 2), 0.25)},
    "no kernel": {"kernel": torch.zeros(0, 0)},
    "a kernel of no sum": {"kernel": torch.zeros(3, 3)},
    "a kernel of one side": {"kernel": torch.ones(1)},
    "power of three sides": {"power": torch.ones(4, 4, 4)},
    "a factor of the transform below 0": {"fft_noise_scale": torch.tensor(-1.0)},
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights_with_a_damaged_calibration_are_a_sentence(kind: str, tmp_path: Path) -> None:
    network, path = calibrated(**LAYERS, noise_scales=FACTORS), tmp_path / "given.safetensors"
    write_weights(path, network.state_dict() | WEIGHTS[kind], {"name": "net", "settings": settings()})
    for opener in (load_trained, lambda place: deblur.load(place, accelerator="cpu")):
        with pytest.raises(UserError) as caught:
            opener(path)
        assert str(caught.value).startswith(f"{path} does not fit its network (")
        assert "\n" not in str(caught.value)


def test_weights_of_a_network_that_was_never_calibrated_say_so(tmp_path: Path) -> None:
    path = tmp_path / "given.safetensors"
    network = WienerSRCNN(LAYERS["kernel_sizes"], LAYERS["widths"], noise_scales=FACTORS)
    write_weights(path, network.state_dict(), {"name": "net", "settings": settings()})
    for opener in (load_trained, lambda place: deblur.load(place, accelerator="cpu")):
        with pytest.raises(UserError) as caught:
            opener(path)
        assert str(caught.value).startswith(f"The network of {path} was never calibrated: train it with python -m")
        assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def known_kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both files of a network that is told the kernel of each image."""
    network = calibrated(**LAYERS, noise_scales=FACTORS, non_blind=True)
    return write(tmp_path_factory.mktemp("told"), network, non_blind=True)


@pytest.mark.parametrize("name", ["net.onnx", "net.safetensors"])
def test_a_network_that_wants_kernels_says_so(known_kernels: Path, name: str) -> None:
    restorer = deblur.load(known_kernels / name)
    with pytest.raises(ValueError, match="needs the kernel that blurred the image"):
        restorer(np.zeros((9, 9), np.uint8))


def test_a_network_that_is_told_the_kernel_restores(known_kernels: Path) -> None:
    plane = np.random.default_rng(0).random((31, 44), dtype=np.float32)
    _, network = open_onnx(known_kernels / "net.onnx")
    same = load_trained(known_kernels / "net.safetensors").network.prefilter()
    both = [deblur.load(known_kernels / f"net.{suffix}", precision="auto") for suffix in ("onnx", "safetensors")]
    restored = [[restorer(plane, kernel=kernel) for restorer in both] for kernel in KERNELS.values()]
    np.testing.assert_allclose(*restored[0], rtol=0, atol=1e-5)
    assert np.abs(restored[0][0] - restored[1][0]).max() > 0.01
    estimate = network.wiener_estimate(plane[..., None], KERNELS["even"])
    np.testing.assert_array_equal(estimate, same(plane, KERNELS["even"]))


def card(*formats: Any, boundary: str = "symmetric", **model: Any) -> str:
    network = calibrated(**LAYERS, noise_scales=FACTORS, non_blind=bool(model.get("non_blind")))
    config = settings(**model) | {"data": {"name": "folder", "boundary": boundary}}
    text = model_card(Trained("net", network, config, {}), "net", formats)
    assert "\n\n\n" not in text
    return text


def test_the_card_shows_how_to_do_with_and_without_torch() -> None:
    exported, kept = card("onnx"), card("safetensors")
    for text in (exported, kept):
        assert "InferenceSession" not in text
        assert "a Wiener estimate of the whole image.\ndeblur computes it." in text
    assert "a second input `wiener_estimate`,\n(N, 2, H, W), which deblur computes" in exported
    assert '`deblur.load("net.onnx")` does all of it, without torch.' in exported
    assert "deblur.export net.safetensors --format onnx" in kept


GIVEN = (
    "import sys; sys.modules['torch'] = None; import numpy\n"
    "image, kernel = numpy.zeros((5, 7), 'uint8'), numpy.full((3, 3), 1 / 9)\n"
)


def python_of(text: str) -> str:
    _, code = text.split("```python\n")
    return code.partition("```")[0]


@pytest.mark.slow
def test_the_code_of_the_card_runs(box: Path, tmp_path: Path) -> None:
    python = python_of(card("onnx"))
    (tmp_path / "net.onnx").symlink_to(box / "net.onnx")
    subprocess.run([sys.executable, "-c", f"{GIVEN}{python}\nassert sharper.shape == (5, 7)"], cwd=tmp_path, check=True)


@pytest.mark.slow
def test_the_code_of_the_card_tells_the_kernel_where_it_has_to(known_kernels: Path, tmp_path: Path) -> None:
    text = card("onnx", non_blind=True)
    assert "deblur computes it from the kernel of each image, which must be given." in text
    assert " --output restored/ --kernel kernel.npy\n" in text
    (tmp_path / "net.onnx").symlink_to(known_kernels / "net.onnx")
    code = f"{GIVEN}{python_of(text)}\nassert sharper.shape == (5, 7)"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_the_card_tells_what_the_wiener_estimate_assumes() -> None:
    mirrored, real, told = card("onnx"), card("onnx", boundary="valid"), card("onnx", non_blind=True)
    assert "Its Wiener estimate assumes the kernel of its calibration." in mirrored
    assert "Its Wiener estimate assumes a symmetric boundary, as in its training" in mirrored
    assert "It was trained with a valid boundary" in real
    assert "symmetric boundary, as in its training" not in real
    assert "Its Wiener estimate assumes the given kernel." in told
    for text in (mirrored, real, told):
        assert "lost to it" not in text  # the Wiener estimate is of the whole image


def test_other_networks_have_a_card_without_a_wiener_estimate(exported: Path) -> None:
    assert "wiener_estimate" not in (exported / "net.md").read_text().lower()


@pytest.mark.slow
def test_a_circular_boundary_is_that_of_both_formats(tmp_path: Path) -> None:
    network = calibrated(LOPSIDED, **LAYERS, noise_scales=FACTORS)
    network.calibrate(*pairs([LOPSIDED] * 4), boundary="circular")
    write(tmp_path, network)
    plane = np.random.default_rng(0).random((30, 41), dtype=np.float32)
    expected = whole(network, plane)
    network.calibrate(*pairs([LOPSIDED] * 4))
    assert np.abs(expected - whole(network, plane)).max() > 1e-3
    for suffix in ("safetensors", "onnx"):
        restored = deblur.load(tmp_path / f"net.{suffix}", accelerator="cpu", precision="32-true")(plane)
        np.testing.assert_allclose(restored, expected.clip(0, 1), atol=1e-4)
    found = load_trained(tmp_path / "net.safetensors").network.prefilter()
    assert (found.boundary, open_onnx(tmp_path / "net.onnx")[1].prefilter.boundary) == ("circular", "circular")
    card = model_card(load_trained(tmp_path / "net.safetensors"), "net", ("onnx",))
    assert "Its Wiener estimate assumes a circular boundary, as in its training" in card
