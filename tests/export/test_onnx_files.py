"""An exported .onnx file computes what torch does, and what is none is refused."""

import os
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
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import Tensor, nn

import deblur
from deblur import export
from deblur.errors import UserError
from deblur.export.onnx import as_onnx
from deblur.inference.description import write_description
from deblur.inference.onnx_network import open_onnx
from deblur.inference.tiles import TiledNetwork
from deblur.inference.trained import load_trained
from deblur.models import SRCNN, ResNet

Refused = Callable[..., str]

SETTINGS = {"settings": {"model": {}, "blur": {}}}
ODD_SIZES = [(1, 1, 1, 1), (1, 1, 1, 9), (3, 1, 1, 1), (3, 1, 33, 17), (1, 1, 5, 101), (2, 1, 64, 63)]


class Session:
    """What computes an exported network, as somebody without this package calls it."""

    def __init__(self, content: bytes) -> None:
        self._session = onnxruntime.InferenceSession(content)

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._session.run(["restored"], {"blurred": images})[0]


@pytest.fixture(scope="module")
def wide() -> tuple[SRCNN, Session]:
    """A network whose field is wider than most of the images, and its export."""
    torch.manual_seed(0)
    network = SRCNN([9, 3, 5], [8, 4], dropout=0.5)
    content, difference = as_onnx(network, SETTINGS | {"halo": network.halo})
    assert difference < 1e-6
    return network, Session(content)


@pytest.mark.parametrize("shape", ODD_SIZES)
def test_onnxruntime_computes_what_torch_does(wide: tuple[SRCNN, Session], shape: tuple[int, ...]) -> None:
    network, session = wide
    images = np.random.default_rng(0).random(shape, dtype=np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(images)).numpy()
    restored = session(images)
    assert restored.shape == shape
    np.testing.assert_allclose(restored, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shape", [(37, 53, 3), (1, 1), (300, 517), (9, 2, 4)])
@pytest.mark.parametrize("kind", [np.float32, np.uint16])
def test_images_are_those_of_torch(trained_run: Path, exported: Path, shape: tuple[int, ...], kind: type) -> None:
    image: NDArray[Any] = np.random.default_rng(0).random(shape)
    image = (image * 65535).astype(np.uint16) if kind is np.uint16 else image.astype(np.float32)
    by_torch = deblur.load(trained_run, accelerator="cpu", precision="32-true")
    by_onnx = deblur.load(exported / "net.onnx")
    assert by_onnx.name == by_torch.name
    restored, expected = (one(image, strength=1).astype(np.float64) for one in (by_onnx, by_torch))
    np.testing.assert_allclose(restored, expected, rtol=0, atol=1e-5 if kind is np.float32 else 1)
    assert np.abs(restored - image).max() > 1e-3  # it does something


@pytest.mark.parametrize("tile", [7, 16, 64])
def test_tiles_are_those_of_the_whole_in_onnx(trained_run: Path, exported: Path, tile: int) -> None:
    plane = np.random.default_rng(0).random((61, 47), dtype=np.float32)
    with torch.inference_mode():
        expected = load_trained(trained_run).network(torch.from_numpy(plane)[None, None])[0, 0].numpy()
    _, network = open_onnx(exported / "net.onnx")
    assert network.halo == 3
    np.testing.assert_allclose(TiledNetwork(network, tile).restore(plane), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("tile", "unshuffle"),
    [(7, 2), pytest.param(16, 3, marks=pytest.mark.slow), pytest.param(64, 3, marks=pytest.mark.slow)],
)
def test_tiles_of_unshuffled_pixels_are_those_of_the_whole_in_onnx(tmp_path: Path, tile: int, unshuffle: int) -> None:
    torch.manual_seed(0)
    net = ResNet(1, 4, unshuffle).eval()
    nn.init.normal_(net.last.weight, std=0.1)
    content, _ = as_onnx(net, SETTINGS | {"halo": net.halo, "size_divisor": net.size_divisor})
    (tmp_path / "net.onnx").write_bytes(content)
    _, network = open_onnx(tmp_path / "net.onnx")
    assert (network.halo, network.size_divisor) == (4 * unshuffle, unshuffle)
    plane = np.random.default_rng(0).random((61, 47), dtype=np.float32)
    with torch.inference_mode():
        expected = net(torch.from_numpy(plane)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(TiledNetwork(network, tile).restore(plane), expected, rtol=0, atol=1e-5)


def test_the_file_describes_itself_as_the_safetensors_does(exported: Path) -> None:
    description, _ = open_onnx(exported / "net.onnx")
    same = load_trained(exported / "net.safetensors")
    assert description["settings"] == same.config
    assert description["metrics"] == same.metrics
    assert {"name", "halo", "size_divisor", "format"} < description.keys()
    assert "path" not in description["settings"]["blur"]
    assert "root" not in description["settings"]["data"]


def test_torch_is_not_needed(exported: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; import deblur, numpy; "
        "print(deblur.load(sys.argv[1])(numpy.ones((300, 9, 3), 'uint8')).shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, exported / "net.onnx"], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout == "(300, 9, 3)\n"
    (warning,) = done.stderr.splitlines()
    assert "needs torch, which is not installed: the correction of" in warning


def test_threads_are_those_that_are_given(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    session_of = onnxruntime.InferenceSession
    monkeypatch.setattr(
        "onnxruntime.InferenceSession",
        lambda content, options, providers: (
            given.append(options.intra_op_num_threads) or session_of(content, options, providers=providers)
        ),
    )
    for environment in ({"OMP_NUM_THREADS": "1"}, {"SLURM_CPUS_PER_TASK": "3"}, {"OMP_NUM_THREADS": "many"}):
        for name in ("OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setitem(os.environ, name, value)
        open_onnx(exported / "net.onnx")
    assert given == [1, 3, 0]


class _Shrinking(nn.Module):
    def forward(self, blurred: Tensor) -> Tensor:
        return blurred[..., 1:]


class _OfOneSize(nn.Module):
    """Looks at the size as a number: what is traced holds for one size alone."""

    def forward(self, blurred: Tensor) -> Tensor:
        return blurred * float(np.log(blurred.shape[-1]))


class _Odd(nn.Module):
    """Torch restores in another way than what is converted, as a network with a wrong operator would."""

    def forward(self, blurred: Tensor) -> Tensor:
        return blurred if torch.compiler.is_exporting() else blurred + 2e-5


class _NoNumber(nn.Module):
    def forward(self, blurred: Tensor) -> Tensor:
        return blurred / 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (_Shrinking(), "for an image of"),
        (_OfOneSize(), "cannot be converted to ONNX"),
        (_Odd(), "onnxruntime and torch differ by 2e-05 on an image of 1x1 px, more than 1e-05: no file is written."),
        (_NoNumber(), "The network gives values that are no numbers (NaN or infinite): its training has failed."),
    ],
)
def test_a_network_that_would_compute_something_else_is_refused(network: nn.Module, reason: str) -> None:
    with pytest.raises(UserError) as caught:
        as_onnx(network, SETTINGS)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_is_written_of_a_network_that_differs(
    trained_run: Path, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deblur.export.onnx.LARGEST_DIFFERENCE", 0.0)
    said = refused(f"{trained_run}", "--format=onnx", f"--output={tmp_path}")
    assert said.startswith("onnxruntime and torch differ by ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("library", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_library_is_named(
    library: str, trained_run: Path, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    said = refused(f"{trained_run}", "--format=onnx", f"--output={tmp_path}")
    assert said.startswith("--format onnx needs onnx, onnxscript and onnxruntime: pip install deblur-lab[onnx] (")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_onnxruntime_is_named_when_restoring(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"net\.onnx needs onnxruntime: pip install deblur-lab\[onnx\]"):
        deblur.load(exported / "net.onnx")


def graph(operator: str, text: str | None, **attributes: Any) -> bytes:
    """An ONNX file of another program."""
    shape = ["batch", 1, "height", "width"]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("a", "b")]
    node = helper.make_node(operator, ["a"], ["b"], **attributes)
    model = helper.make_model(
        helper.make_graph([node], "graph", values[:1], values[1:]), opset_imports=[helper.make_opsetid("", 18)]
    )
    model.ir_version = 10
    if text is not None:
        helper.set_model_props(model, {"deblur": text})
    onnx.checker.check_model(model)
    return model.SerializeToString()


OURS = write_description(SETTINGS)
HOSTILE = {
    "empty": (lambda _: b"", "is no ONNX file of a network, or is damaged"),
    "half": (lambda net: net[: len(net) // 2], "is no ONNX file of a network, or is damaged"),
    "text": (lambda _: b"import os\n", "is no ONNX file of a network, or is damaged"),
    "foreign": (lambda _: graph("Relu", None), "was not exported by this program"),
    "no JSON": (lambda _: graph("Relu", "{"), "was not exported by this program"),
    "deep JSON": (lambda _: graph("Relu", "[" * 100_000), "was not exported by this program"),
    "a list": (lambda _: graph("Relu", "[1]"), "was not exported by this program"),
    "no settings": (lambda _: graph("Relu", '{"format": 1}'), "was not exported by this program"),
    "no format": (lambda _: graph("Relu", OURS.replace("format", "form")), "is of the format None, of another version"),
    "a new format": (lambda _: graph("Relu", OURS.replace("1", "2")), "is of the format 2, of another version"),
    "a halo of text": (lambda _: graph("Relu", OURS[:-1] + ', "halo": "3"}'), "is damaged: its description"),
    "a size divisor of 0": (lambda _: graph("Relu", OURS[:-1] + ', "size_divisor": 0}'), "is damaged: its description"),
    "a size divisor that does not divide the halo": (
        lambda _: graph("Relu", OURS[:-1] + ', "halo": 4, "size_divisor": 3}'),
        "is damaged: its description",
    ),
    "a huge halo": (lambda _: graph("Relu", OURS[:-1] + ', "halo": 99999}'), "is damaged: its description"),
    "metrics of text": (lambda _: graph("Relu", OURS[:-1] + ', "metrics": {"test": 3}}'), "damaged: its description"),
    "another size": (lambda _: graph("Transpose", OURS, perm=[0, 1, 3, 2]), "gives an image of another size"),
    "another type": (lambda _: graph("Squeeze", OURS), "is damaged: its network"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_file_that_is_none_of_ours_is_refused(
    kind: str, exported: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make, reason = HOSTILE[kind]
    path = tmp_path / "given.onnx"
    path.write_bytes(make((exported / "net.onnx").read_bytes()))
    with pytest.raises(UserError) as caught:
        deblur.load(path)
    assert str(caught.value).startswith(f"{path} ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""  # onnxruntime writes lines of its own there


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.onnx cannot be read \(No such file or directory\)"):
        deblur.load(tmp_path / "none.onnx")


OWN = """
from torch import nn

from deblur.models import SRCNN


class Own(nn.Module):  # without a radius
    def __init__(self, kernel_sizes, widths, residual, dropout, dilations):
        super().__init__()
        self.convolutions = SRCNN(kernel_sizes, widths).convolutions

    def forward(self, blurred):
        return blurred * 0.5
"""


def test_a_network_of_one_s_own_is_exported_as_well(
    run_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_export_net.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    config = (run_copy / "config.yaml").read_text()
    (run_copy / "config.yaml").write_text(config.replace("deblur.models.SRCNN", "own_export_net.Own"))
    argv = (f"{run_copy}", "--format=onnx", f"--output={tmp_path / 'out'}")
    assert export.main(argv) == 2
    assert export.main([*argv, "--trusted=own_export_net"]) == 0
    (file,) = (tmp_path / "out").glob("*.onnx")
    image = np.random.default_rng(0).random((300, 301), dtype=np.float32)
    np.testing.assert_allclose(deblur.load(file)(image, strength=1), image / 2, rtol=0, atol=1e-6)
    assert open_onnx(file)[1].halo is None
