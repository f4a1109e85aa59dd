"""ONNX files of lower precision: weights in float16, or layers computed with 8 bits."""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from deblur.export.samples import Sample
from deblur.inference.tiles import Planes

_LEAST_HALVED: Final = 64  # values; smaller arrays may be sizes
_ROUNDING: Final = (1 / 255) ** 2 / 12  # mean squared error of a restored image that is stored with 8 bits


def with_half_weights(model: ModelProto) -> None:
    """Store the weights of a graph in float16, from which onnxruntime makes those in float32 as it opens the file.

    Args:
        model: of weights that float16 holds exactly; it is changed.
    """
    graph = model.graph
    casts = []
    for weight in graph.initializer:
        if weight.data_type == TensorProto.FLOAT and np.prod(weight.dims) > _LEAST_HALVED:
            name = weight.name
            half = numpy_helper.to_array(weight).astype(np.float16)
            weight.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
            casts.append(helper.make_node("Cast", [weight.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def quantized(content: bytes, samples: Sequence[Sample]) -> ModelProto:
    """Return a graph whose convolutions between the first and the last one have weights and inputs of 8 bits.

    Each filter has its own scale. The weights use 7 of the 8 bits: processors without VNNI add pairs of products in 16
    bits, which larger ones overflow, so that the same file would give another image there. The first and the last layer
    have few of the products and stay in float32: 8 bits would round the image, and its correction to steps of about a
    gray level.

    Args:
        content: of the file in float32.
        samples: images from whose restoration the ranges of the layers are taken.
    """
    model = onnx.load_model_from_string(content)
    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
    with tempfile.TemporaryDirectory() as folder, _quiet():
        file = Path(folder) / "int8.onnx"
        quantize_static(
            model,
            file,
            _Blurred(samples),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Relu"],
            nodes_to_exclude=[convolutions[0], convolutions[-1]],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return onnx.load(file)


def loss_of(content: bytes, exact: bytes, samples: Sequence[Sample]) -> float:
    """Return how much lower the mean PSNR of restored images is with one file than with another [dB].

    The error of storing an image with 8 bits is added to both, so that the PSNR is finite.

    Args:
        content: of the file of lower precision.
        exact: of the file in float32.
        samples: images to restore.
    """
    psnrs = [[_psnr(run(each.blurred), each.sharp) for each in samples] for run in (_run(exact), _run(content))]
    return float(np.mean(psnrs[0]) - np.mean(psnrs[1]))


def _run(content: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (name,) = (each.name for each in session.get_inputs())
    return lambda planes: session.run(None, {name: planes})[0]


def _psnr(restored: NDArray[np.float32], sharp: Planes) -> float:
    error = np.square(np.clip(restored, 0, 1) - sharp, dtype=np.float64).mean()
    return float(-10 * np.log10(error + _ROUNDING))


class _Blurred(CalibrationDataReader):  # type: ignore[misc] # onnxruntime has no types
    """The images of a calibration, one by one."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._left = iter(samples)

    def get_next(self) -> dict[str, Planes] | None:
        """Return the next image by the name of the input; None after the last one."""
        sample = next(self._left, None)
        return None if sample is None else {"blurred": sample.blurred}


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out advice of the quantization about a pre-processing, which these graphs do not need."""
    log = logging.getLogger()
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
