"""A trained network as an ONNX file that needs nothing of this package, and pads by itself."""

import contextlib
import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deblur.errors import UserError
from deblur.inference.description import KEY, LOSS, write_description
from deblur.models.protocol import traits_of

if TYPE_CHECKING:
    from deblur.export.samples import Sample

INPUT: Final = "blurred"
OUTPUT: Final = "restored"
OPSET: Final = 18  # the exporter's own; converting to older ones fails for some operators
LARGEST_DIFFERENCE: Final = 1e-5  # between torch and onnxruntime, of a white level of 1
_DECIMALS: Final = 4  # of a loss [dB]
_SIZES: Final = ((1, 1, 1), (3, 7, 45), (2, 61, 37))  # checked: (N, H, W)
_TRACED: Final = (2, 24, 29)  # unequal sizes above 1, so that none is taken for fixed or for another


def as_onnx(network: nn.Module, description: Mapping[str, Any], *, half: bool = False) -> tuple[bytes, float]:
    """Convert a network, and check that onnxruntime computes with it what torch does.

    Args:
        network: takes and gives (N, channels, H, W) of any N, H and W from 1.
        description: plain values for the file, as `describe` returns them.
        half: store weights in float16; those of the network are rounded for it.

    Returns:
        The content of the file, with an input `blurred` and an output `restored`, and the largest difference from torch
        on three sizes of images.

    Raises:
        UserError: if a library is missing, or the network cannot be converted or gives something else there.
    """
    _refuse_impossible(network)
    if half:
        with torch.no_grad():
            for weight in filter(torch.is_floating_point, network.state_dict().values()):
                weight.copy_(weight.half())
    content = _converted(network.eval(), description, half)
    _refuse_unusable(content, network)
    return content, _difference(content, network)


def as_int8(network: nn.Module, description: Mapping[str, Any], samples: "Sequence[Sample]") -> tuple[bytes, float]:
    """Convert a network to a graph of layers of 8 bits; see `deblur.export.precisions.quantized`.

    Args:
        network: as in `as_onnx`.
        description: as there; the loss is added to it.
        samples: blurred images; the first half are those of the calibration, the others measure the loss.

    Returns:
        The content of the file, and how much lower the mean PSNR of images that it restores is than in float32 [dB].

    Raises:
        UserError: as `as_onnx` does.
    """
    exact, _ = as_onnx(network, description)
    from onnx import helper

    from deblur.export.precisions import loss_of, quantized

    middle = len(samples) // 2
    model = quantized(exact, samples[:middle])
    loss = loss_of(model.SerializeToString(), exact, samples[middle:])
    helper.set_model_props(model, {KEY: write_description({**description, LOSS: round(loss, _DECIMALS)})})
    content = bytes(model.SerializeToString())
    _refuse_unusable(content, network)
    return content, loss


def _refuse_impossible(network: nn.Module) -> None:
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


def _converted(network: nn.Module, description: Mapping[str, Any], half: bool) -> bytes:
    from onnx import helper

    try:
        with quiet():
            program: Any = torch.onnx.export(
                _Whole(network).eval(),
                (torch.from_numpy(_images(network, _TRACED)),),
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes=({0: "batch", 2: "height", 3: "width"},),
                custom_translation_table={torch.ops.aten.remainder.Scalar: _remainder},
                verbose=False,
            )
    except Exception as error:  # any: also what operators of a user's network raise
        if _was_stopped(error):
            raise KeyboardInterrupt from error
        reason = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())[:200]
        raise UserError(f"The network cannot be converted to ONNX ({reason}): take --format safetensors.") from error
    model = program.model_proto
    remove_sources(model)
    if half:
        from deblur.export.precisions import with_half_weights

        with_half_weights(model)
    helper.set_model_props(model, {KEY: write_description(description)})
    return bytes(model.SerializeToString())


def remove_sources(model: Any) -> None:
    """Remove from a converted graph what the exporter notes of each operator: paths of source files on this machine."""
    for node in [*model.graph.node, *(node for function in model.functions for node in function.node)]:
        del node.metadata_props[:]
        node.ClearField("doc_string")
    del model.graph.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]


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
            sizes.check({INPUT: (1, traits_of(network).channels, *shape[1:])})
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
            given = _images(network, shape)
            (restored,) = session.run([OUTPUT], {INPUT: given})
            with torch.inference_mode():
                expected = network(torch.from_numpy(given)).numpy()
            if restored.shape != given.shape or expected.shape != given.shape:
                raise UserError(
                    f"The network gives {restored.shape} for an image of {given.shape}: no file is written."
                )
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


def _images(network: nn.Module, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """Return random images (N, channels, H, W) for a network, of a shape (N, H, W)."""
    number, height, width = shape
    size = number, traits_of(network).channels, height, width
    return np.random.default_rng(0).random(size, dtype=np.float32)


class _Whole(nn.Module):
    """A network without optional arguments."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, blurred: Tensor) -> Tensor:
        restored: Tensor = self.network(blurred)
        return restored


def _remainder(position: Any, divisor: Any) -> Any:
    """Translate the remainder by a size, which the exporter takes for a constant and fails on."""
    from onnxscript import opset18

    return opset18.Mod(position, opset18.CastLike(divisor, position))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Leave out warnings of the exporter about torchvision, which is not used, and about torch's internals."""
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*")
            warnings.filterwarnings("ignore", "# The axis name: .* will not be used")
            yield
    finally:
        log.setLevel(before)
