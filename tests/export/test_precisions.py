"""ONNX files of lower precision are smaller, restore nearly alike, and hold what they lose."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

import deblur
from deblur import evaluate, export
from deblur.choices import DEFAULT_NETWORK
from deblur.export import LARGE_LOSS
from deblur.export.gate import gate_as_onnx
from deblur.export.onnx import as_int8, as_onnx
from deblur.export.precisions import loss_of
from deblur.export.samples import Sample, drawn_samples
from deblur.inference.gating import pretrained_gate
from deblur.inference.onnx_network import open_onnx
from deblur.inference.simulation import degraded
from deblur.inference.trained import Trained
from deblur.models import ResNet
from deblur.synthesis import leaves

BLUR = {"_target_": "deblur.blur.Gaussian", "name": "gaussian", "sigma": 1.5}
SETTINGS = {"settings": {"model": {}, "blur": BLUR}}


def network_of(channels: int) -> ResNet:
    """Return a network that is not trained, and not the identity."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ResNet(2, 16, 3, channels=channels)
        torch.nn.init.normal_(network.last.weight, std=0.005)
    return network.eval()


@pytest.fixture(scope="module")
def network() -> ResNet:
    return network_of(channels=3)


@pytest.fixture(scope="module")
def samples(network: ResNet) -> list[Sample]:
    return drawn_samples(Trained("net", network, {"blur": BLUR}), count=4)


@pytest.fixture(scope="module")
def exact(network: ResNet) -> bytes:
    content, _ = as_onnx(network, SETTINGS | {"halo": network.halo, "channels": network.channels, "size_divisor": 3})
    return content


def test_samples_are_blurred_as_in_the_training(samples: list[Sample], network: ResNet) -> None:
    assert len({sample.sharp.tobytes() for sample in samples}) == 4
    for sample in samples:
        assert sample.blurred.shape == sample.sharp.shape == (1, network.channels, 256, 256)
        assert 0 <= sample.blurred.min() < sample.blurred.max() <= 1
        fine, coarse = (np.abs(np.diff(one, axis=3)).mean() for one in (sample.sharp, sample.blurred))
        assert coarse < 0.8 * fine


def test_eight_bits_are_smaller_and_restore_nearly_alike(
    network: ResNet, exact: bytes, samples: list[Sample], tmp_path: Path
) -> None:
    content, loss = as_int8(
        network, SETTINGS | {"halo": network.halo, "channels": network.channels, "size_divisor": 3}, samples
    )
    assert len(content) < 0.75 * len(exact)  # of a network this small, the graph itself is half
    assert loss == pytest.approx(loss_of(content, exact, samples[2:]))
    assert abs(loss) < 0.1
    model = onnx.load_model_from_string(content)
    weights = {one.name: one.data_type for one in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in weights:
            weights[node.output[0]] = weights[node.input[0]]
    kinds = [weights[node.input[1]] for node in model.graph.node if node.op_type == "Conv"]
    assert kinds == [onnx.TensorProto.FLOAT, *[onnx.TensorProto.INT8] * 4, onnx.TensorProto.FLOAT]
    (tmp_path / "net.onnx").write_bytes(content)
    description, opened = open_onnx(tmp_path / "net.onnx")
    assert description["precision_loss"] == pytest.approx(loss, abs=1e-4)
    rng = np.random.default_rng(0)
    planes = rng.random((network.channels, 41, 57), dtype=np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(planes)[None])[0].numpy()
    difference = np.abs(opened.run(planes) - expected)
    assert 0 < difference.mean() < 1 / 255


def test_a_worse_file_has_a_larger_loss(network: ResNet, exact: bytes, samples: list[Sample]) -> None:
    """The loss is that of the file: it is measured, not known."""
    worse = network_of(network.channels)
    with torch.no_grad():
        worse.last.weight.mul_(3)
    assert loss_of(as_onnx(worse, SETTINGS)[0], exact, samples) > 0.1
    assert loss_of(exact, exact, samples) == 0


@pytest.mark.slow
def test_eight_bits_of_a_pretrained_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for precision in ("float32", "float16", "int8"):
        assert export.main([DEFAULT_NETWORK, "--format=onnx", f"--precision={precision}", f"--output={tmp_path}"]) == 0
    said = capsys.readouterr().out
    (loss,) = re.findall(r"With 8 bits, the PSNR of restored drawn images is ([\d.]+) dB lower", said)
    assert ("float16 does not lose" in said) is (float(loss) > LARGE_LOSS)
    files = [tmp_path / f"{DEFAULT_NETWORK}{suffix}.onnx" for suffix in ("", "-float16", "-int8")]
    sizes = [file.stat().st_size for file in files]
    assert sizes[1] < 0.65 * sizes[0]
    assert sizes[2] < 0.55 * sizes[0]
    sharp = leaves.draw(3, 1, "rgb")
    blurred = degraded(sharp, deblur.degradation("gaussian", sigma=2, camera="linear"), "leaves")
    exact, half, small = (deblur.load(file)(blurred).astype(float) for file in files)
    assert np.abs(half - exact).mean() < 0.02
    assert 0 < np.abs(small - exact).mean() < 2  # docs/browser.md: it loses 1.3 dB
    error = [np.square(one - sharp).mean() for one in (blurred.astype(float), exact)]
    assert error[1] < 0.9 * error[0]
    card = (tmp_path / f"{DEFAULT_NETWORK}-int8.md").read_text()
    assert f"{loss} dB lower than in float32" in card
    assert open_onnx(files[2])[0]["precision_loss"] == pytest.approx(float(loss), abs=1e-3)
    assert "differ from torch" not in card
    argv = [f"run={files[2]}", "data.max_images=20", f"paths.output_root={tmp_path}", f"paths.cache_root={tmp_path}"]
    assert evaluate.main(argv) == 0


def test_a_blur_that_cannot_be_made_is_a_sentence(exported: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    """The run's kernel is a file, which an exported network does not name."""
    said = refused(f"{exported / 'net.safetensors'}", "--format=onnx", "--precision=int8", f"--output={tmp_path}")
    assert said.startswith(
        "--precision int8 is calibrated on images with the blur of the training, which cannot be made: "
    )
    assert said.endswith("Take --precision float16.")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_gate_is_that_of_torch() -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(gate_as_onnx())
    image = leaves.draw(3, 1)[:160, :240].astype(np.float32) / 255
    smoothed: NDArray[np.float32] = (image + np.roll(image, 1, 0) + np.roll(image, 1, 1)) / 3
    correction = image - smoothed
    planes = {"image": smoothed[None, None], "correction": correction[None, None]}
    (found,) = session.run(["weights"], planes)
    with torch.inference_mode():
        expected = pretrained_gate().of_cells(
            *(torch.from_numpy(smoothed + add)[None, None] for add in (0, correction))
        )
    assert found.shape == (1, 1, 10, 15)
    assert found.std() > 0.05  # neither all places alike
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-4)
