"""Convolutions on a CPU: the same functions as torch's own, several times faster.

torch's convolution library is fast if a layer has many channels on both sides. The last layer of an SRCNN has one
output channel, or three in color: it took half of the time of a gray 9-1-5. Each ReLU took another pass over all
activations, forward and backward.

The functions call operators that torch does not document. A network uses them with `cpu_ops="auto"` if the installed
torch has them all and takes the arguments that are given here: this is tried, whatever the version.
"""

import functools
import logging
import platform
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

CHOICES: Final = ("auto", "torch")
OPERATORS: Final = ("aten.convolution_backward", "aten.threshold_backward.grad_input")
FUSED_OPERATORS: Final = ("mkldnn._convolution_pointwise", "mkldnn._is_mkldnn_bf16_supported")
RGB: Final = 3  # channels

_FUSES = torch.backends.mkldnn.is_available() and platform.machine() in ("x86_64", "AMD64")  # type: ignore[no-untyped-call] # of torch
_log = logging.getLogger(__name__)


def uses_fast_operators(cpu_ops: str) -> bool:
    """Return whether a network with this setting uses these functions.

    Args:
        cpu_ops: `auto` uses them if the installed torch has their operators and takes their arguments, `torch` never
            does.

    Raises:
        ValueError: for another setting.
    """
    if cpu_ops not in CHOICES:
        raise ValueError(f"cpu_ops={cpu_ops} is not allowed: give {' or '.join(CHOICES)}.")
    return cpu_ops == "auto" and _has_operators()


@functools.cache
def _has_operators() -> bool:
    needed = (*OPERATORS, *FUSED_OPERATORS) if _FUSES else OPERATORS
    missing = next((name for name in needed if not _has_operator(name)), None)
    if missing is not None:
        _log.info("torch %s lacks %s: model.cpu_ops=auto uses torch's own layers.", torch.__version__, missing)
        return False
    try:
        _try_operators()
    except (RuntimeError, TypeError) as error:  # of torch.ops, for other arguments
        reason = " ".join(str(error).split())[:200]
        _log.info(
            "torch %s refuses an operator (%s): model.cpu_ops=auto uses torch's own layers.", torch.__version__, reason
        )
        return False
    return True


def _has_operator(name: str) -> bool:
    try:
        functools.reduce(getattr, name.split("."), torch.ops)
    except AttributeError:
        return False
    return True


def _try_operators() -> None:
    one = torch.ones(1, 1, 1, 1, device="cpu")
    if _FUSES:
        _fused(one, one, one.flatten(), (1, 1))
        _takes_bfloat16()
    _gradients(_rectified_gradient(one.clone(), one), one, one, (True, True, True))


def is_fast_for(features: Tensor) -> bool:
    """Return whether these functions take such features: on a CPU, and not while a graph is traced.

    torch's own layers emulate bf16 on a CPU without AVX-512; the fused operator refuses it there.
    """
    return (
        features.device.type == "cpu"
        and (features.dtype == torch.float32 or (features.dtype == torch.bfloat16 and _takes_bfloat16()))
        and not torch.compiler.is_compiling()
    )


@functools.cache
def _takes_bfloat16() -> bool:
    return not _FUSES or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def convolve_rectified(features: Tensor, layer: nn.Conv2d) -> Tensor:
    """Compute relu(layer(features)) in the precision of the features.

    Only the next layer may use the result: its gradient is overwritten.

    Args:
        features: (N, C, H, W).
        layer: an unpadded convolution of C channels, with a bias.
    """
    rectified: Tensor = _ConvolutionReLU.apply(features, layer.weight, layer.bias, layer.dilation)  # type: ignore[no-untyped-call] # of torch
    return rectified


def convolve_to_image(features: Tensor, layer: nn.Conv2d) -> Tensor:
    """Compute layer(features) for a layer of few output channels.

    Args:
        features: (N, C, H, W).
        layer: an unpadded convolution of C channels into 1 or 3, with a bias.

    Returns:
        (N, 1 or 3, H - height + 1, W - width + 1) of the layer's filter; float32, the sum of its columns' results in
        the precision of the features.
    """
    image: Tensor = _ConvolutionToImage.apply(features, layer.weight, layer.bias)  # type: ignore[no-untyped-call] # of torch
    return image


class _ConvolutionReLU(torch.autograd.Function):
    """A convolution whose ReLU needs no pass forward and no memory backward."""

    @staticmethod
    def forward(context: Any, features: Tensor, weight: Tensor, bias: Tensor, dilation: tuple[int, int]) -> Tensor:
        weight, bias = weight.to(features.dtype), bias.to(features.dtype)
        given, filters = features, weight
        if features.shape[1] == RGB and dilation[1] == 1:  # the columns as channels: 0.8 of the time at 9x9
            given, filters = _columns(features, weight.shape[3]), _as_columns(weight)
        if _FUSES:
            rectified = _fused(given, filters, bias, dilation)
        else:
            rectified = F.conv2d(given, filters, bias, dilation=dilation).relu_()
        context.save_for_backward(features, weight, rectified)
        context.dilation = dilation
        return rectified

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        features, weight, rectified = context.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)  # an expanded one cannot be overwritten
        gradient = _rectified_gradient(gradient, rectified)
        wanted = (context.needs_input_grad[0], True, True)
        return *_gradients(gradient, features, weight, wanted, context.dilation), None


class _ConvolutionToImage(torch.autograd.Function):
    """A convolution into as many channels per output channel as the filter has columns; these are shifted and added.

    The MACs are the same; more channels at once use the CPU better.
    """

    @staticmethod
    def forward(context: Any, features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        outputs, inputs, rows, count = weight.shape
        # From the last column to the first, as the gradient's shifted copies come below; all outputs of each.
        columns = weight.to(features.dtype).flip(3).permute(3, 0, 1, 2).reshape(count * outputs, inputs, rows, 1)
        columns = columns.contiguous(memory_format=torch.channels_last)
        parts = F.conv2d(features, columns).contiguous()  # planes are shifted faster than channels
        last = count - 1
        width = parts.shape[-1] - last
        first = parts[:, last * outputs :, :, :width]
        image = first.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        for index in range(last):
            channels = slice(index * outputs, (index + 1) * outputs)
            image += parts[:, channels, :, last - index : last - index + width]
        context.save_for_backward(features, columns)
        context.shape = weight.shape
        return image.add_(bias[:, None, None])

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        features, columns = context.saved_tensors
        outputs, inputs, rows, count = context.shape
        shifted = _columns(F.pad(gradient.to(features.dtype), (count - 1, count - 1)), count)
        wanted = (context.needs_input_grad[0], True, False)
        for_features, for_columns, _ = _gradients(shifted, features, columns, wanted)
        assert for_columns is not None  # it is wanted
        for_weight = for_columns.reshape(count, outputs, inputs, rows).permute(1, 2, 3, 0).flip(3)
        return for_features, for_weight, gradient.sum((0, 2, 3))


def _fused(features: Tensor, weight: Tensor, bias: Tensor, dilation: tuple[int, int]) -> Tensor:
    """Return the rectified convolution, computed in one pass."""
    rectified: Tensor = torch.ops.mkldnn._convolution_pointwise(
        features, weight, bias, [0, 0], [1, 1], dilation, 1, "relu", [], ""
    )
    return rectified


def _rectified_gradient(gradient: Tensor, rectified: Tensor) -> Tensor:
    """Overwrite the gradient of a ReLU's result with that of what the ReLU was given."""
    result: Tensor = torch.ops.aten.threshold_backward.grad_input(gradient, rectified, 0, grad_input=gradient)
    return result


def _columns(planes: Tensor, count: int) -> Tensor:
    """Return planes (N, C, H, W) with `count` neighboring columns of all C as channels, (N, count C, H, W - count + 1).

    The first C channels are the columns themselves, the next C those one px to the right, and so on.
    """
    held = planes.contiguous(memory_format=torch.channels_last)
    number, channels, height, width = held.shape
    image, _, row, column = held.stride()
    neighbors = held.as_strided((number, height, width - count + 1, count * channels), (image, row, column, 1))
    return neighbors.contiguous().permute(0, 3, 1, 2)


def _as_columns(weight: Tensor) -> Tensor:
    """Return filters (O, C, height, width) as filters (O, width C, height, 1) of what `_columns` returns."""
    outputs, channels, rows, count = weight.shape
    columns = weight.permute(0, 3, 1, 2).reshape(outputs, count * channels, rows, 1)
    return columns.contiguous(memory_format=torch.channels_last)


def _gradients(
    gradient: Tensor,
    features: Tensor,
    weight: Tensor,
    wanted: tuple[bool, bool, bool],
    dilation: tuple[int, ...] = (1, 1),
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return the gradients of features, weight and bias; None if not wanted."""
    gradients: tuple[Tensor | None, Tensor | None, Tensor | None] = torch.ops.aten.convolution_backward(
        gradient, features, weight, [len(weight)], [1, 1], [0, 0], dilation, False, [0, 0], 1, wanted
    )
    return gradients
