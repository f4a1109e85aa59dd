"""A trained network as an ONNX file that needs nothing of this package, and pads by itself."""

import contextlib
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deblur.errors import UserError
from deblur.inference.description import KEY, write_description
from deblur.inference.prefilters import prefilter_of
from deblur.models.protocol import traits_of

INPUT: Final = "blurred"
WIENER_ESTIMATE: Final = "wiener_estimate"
OUTPUT: Final = "restored"
OPSET: Final = 18  # the exporter's own; converting to older ones fails for some operators
LARGEST_DIFFERENCE: Final = 1e-5  # between torch and onnxruntime, of a white level of 1
_SIZES: Final = ((1, 1, 1), (3, 7, 45), (2, 61, 37))  # checked: (N, H, W)
_TRACED: Final = (2, 24, 29)  # unequal sizes above 1, so that none is taken for fixed or for another


def as_onnx(network: nn.Module, description: Mapping[str, Any]) -> tuple[bytes, float]:
    """Convert a network, and check that onnxruntime computes with it what torch does.

    Args:
        network: takes and gives (N, channels, H, W) of any N, H and W from 1; with a `prefilter`, it also takes the
            Wiener estimate (N, noise scales x channels, H, W).
        description: plain values for the file, as `describe` returns them.

    Returns:
        The content of the file, with an input `blurred`, an input `wiener_estimate` if there is one, and an output
        `restored`, and the largest difference from torch on three sizes of images.

    Raises:
        UserError: if a library is missing, or the network cannot be converted or gives something else there.
    """
    if traits_of(network).takes_kernel:
        raise UserError(
            "This network deconvolves the whole image by Fourier transforms between its stages, and restore computes "
            "no such graph of ONNX: take --format safetensors."
        )
    try:
        import onnx  # noqa: F401 # for the metadata
        import onnxruntime  # noqa: F401 # for the check
        import onnxscript  # noqa: F401 # for torch's exporter
    except ImportError as error:
        raise UserError(
            f"--format onnx needs onnx, onnxscript and onnxruntime: pip install deblur-lab[onnx] ({error})."
        ) from error
    content = _converted(network.eval(), description)
    _refuse_unusable(content, network)
    return content, _difference(content, network)


def _converted(network: nn.Module, description: Mapping[str, Any]) -> bytes:
    from onnx import helper

    inputs = _inputs(network, _TRACED)
    # The sizes of the Wiener estimate are those of the image: only that may name them.
    named = {0: "batch", 2: "height", 3: "width"}
    sizes = tuple(named if name == INPUT else dict.fromkeys(named, torch.export.Dim.DYNAMIC) for name in inputs)
    try:
        with _quiet():
            program: Any = torch.onnx.export(
                _Whole(network).eval(),
                tuple(map(torch.from_numpy, inputs.values())),
                input_names=list(inputs),
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes=(sizes,),
                custom_translation_table={torch.ops.aten.remainder.Scalar: _remainder},
                verbose=False,
            )
    except Exception as error:  # any: also what operators of a user's network raise
        if _was_stopped(error):
            raise KeyboardInterrupt from error
        reason = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())[:200]
        raise UserError(f"The network cannot be converted to ONNX ({reason}): take --format safetensors.") from error
    model = program.model_proto
    for node in [*model.graph.node, *(node for function in model.functions for node in function.node)]:
        del node.metadata_props[:]  # paths of source files on this machine
        node.ClearField("doc_string")
    del model.graph.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
    helper.set_model_props(model, {KEY: write_description(description)})
    return bytes(model.SerializeToString())


def _was_stopped(error: BaseException | None) -> bool:
    """Return whether Ctrl-C caused an error: the exporter takes it for a failure of its own."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


def _refuse_unusable(content: bytes, network: nn.Module) -> None:
    """Refuse a graph that `restore` would refuse, such as one of layers that it does not know."""
    from deblur.inference.onnx_graph import Sizes, UnusableGraph, parsed

    try:
        sizes = Sizes(parsed(content), traits_of(network).halo)
        for shape in _SIZES:
            sizes.check({name: given.shape for name, given in _inputs(network, (1, *shape[1:])).items()})
    except UnusableGraph as error:
        raise UserError(
            f"deblur.restore could not take the network as ONNX ({error}): no file is written. Take --format "
            "safetensors."
        ) from error


def _difference(content: bytes, network: nn.Module) -> float:
    import onnxruntime

    largest = 0.0
    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        for shape in _SIZES:
            given = _inputs(network, shape)
            (restored,) = session.run([OUTPUT], given)
            with torch.inference_mode():
                expected = network(*map(torch.from_numpy, given.values())).numpy()
            image = given[INPUT].shape
            if restored.shape != image or expected.shape != image:
                raise UserError(f"The network gives {restored.shape} for an image of {image}: no file is written.")
            if not (np.isfinite(restored).all() and np.isfinite(expected).all()):
                raise UserError(
                    "The network gives values that are no numbers (NaN or infinite): its training has failed."
                )
            difference = float(np.abs(restored - expected).max())
            if difference > LARGEST_DIFFERENCE:
                raise UserError(
                    f"onnxruntime and torch differ by {difference:.2g} on an image of {shape[1]}x{shape[2]} px, more "
                    f"than {LARGEST_DIFFERENCE:g}: no file is written. Take --format safetensors."
                )
            largest = max(largest, difference)
    except UserError:
        raise
    except Exception as error:  # onnxruntime has classes of its own
        raise UserError(
            f"onnxruntime cannot compute the network ({' '.join(str(error).split())[:200]}): no file is written. Take "
            "--format safetensors."
        ) from error
    return largest


def _inputs(network: nn.Module, shape: tuple[int, int, int]) -> dict[str, NDArray[np.float32]]:
    """Return random values by the names of a network's inputs: images (N, H, W), and Wiener estimates if it takes them.

    Each input is (N, planes, H, W).
    """
    random, channels, prefilter = np.random.default_rng(0), traits_of(network).channels, prefilter_of(network)
    planes = {INPUT: channels} | ({} if prefilter is None else {WIENER_ESTIMATE: channels * prefilter.planes})
    return {name: random.random((shape[0], count, *shape[1:]), dtype=np.float32) for name, count in planes.items()}


class _Whole(nn.Module):
    """A network without optional arguments: images, and Wiener estimates if it takes them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *given: Tensor) -> Tensor:
        restored: Tensor = self.network(*given)
        return restored


def _remainder(position: Any, divisor: Any) -> Any:
    """Translate the remainder by a size, which the exporter takes for a constant and fails on."""
    from onnxscript import opset18

    return opset18.Mod(position, opset18.CastLike(divisor, position))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Leave out warnings of the exporter about torchvision, which is not used, and about torch's internals."""
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*")
            yield
    finally:
        log.setLevel(before)
