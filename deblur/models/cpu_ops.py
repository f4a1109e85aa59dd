"""Convolutions on a processor, in the order that suits it; the same functions as torch's own, several times faster.

torch's convolution library is fast where a layer has many channels on both sides. Its last layer here has one channel
out, which took half of the time of a 9-1-5; and each ReLU passed once more over all activations, forth and back.
"""

import platform
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_FUSES = torch._C._has_mkldnn and platform.machine() in ("x86_64", "AMD64")
_aten: Any = torch.ops.aten


def is_fast_for(features: Tensor) -> bool:
    """Tell whether these functions take such features: on a processor, and not while a graph is traced."""
    return (
        features.device.type == "cpu"
        and features.dtype in (torch.float32, torch.bfloat16)
        and not torch.compiler.is_compiling()
    )


def convolve_rectified(features: Tensor, layer: nn.Conv2d) -> Tensor:
    """Compute relu(layer(features)) in the precision of the features.

    Nothing but the next layer may use the result: the gradient that comes back for it is overwritten.

    Args:
        features: (N, C, H, W).
        layer: an unpadded convolution of C channels, with a bias.
    """
    rectified: Tensor = _ConvolutionReLU.apply(features, layer.weight, layer.bias, layer.dilation)  # type: ignore[no-untyped-call] # of torch
    return rectified


def convolve_to_plane(features: Tensor, layer: nn.Conv2d) -> Tensor:
    """Compute layer(features) for a layer of one output channel.

    Args:
        features: (N, C, H, W).
        layer: an unpadded convolution of C channels into 1, with a bias.

    Returns:
        (N, 1, H - height + 1, W - width + 1) of the layer's filter; float32, the sums of its columns rounded to the
        precision of the features.
    """
    plane: Tensor = _ConvolutionToPlane.apply(features, layer.weight, layer.bias)  # type: ignore[no-untyped-call] # of torch
    return plane


class _ConvolutionReLU(torch.autograd.Function):
    """A convolution whose ReLU costs no pass of its own, forth, and no memory of its own, back."""

    @staticmethod
    def forward(context: Any, features: Tensor, weight: Tensor, bias: Tensor, dilation: tuple[int, int]) -> Tensor:
        weight, bias = weight.to(features.dtype), bias.to(features.dtype)
        if _FUSES:
            fused: Any = torch.ops.mkldnn._convolution_pointwise
            rectified: Tensor = fused(features, weight, bias, [0, 0], [1, 1], dilation, 1, "relu", [], "")
        else:
            rectified = F.conv2d(features, weight, bias, dilation=dilation).relu_()
        context.save_for_backward(features, weight, rectified)
        context.dilation = dilation
        return rectified

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        features, weight, rectified = context.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)  # one that is expanded cannot be overwritten
        gradient = _aten.threshold_backward.grad_input(gradient, rectified, 0, grad_input=gradient)
        wanted = (context.needs_input_grad[0], True, True)
        return *_gradients(gradient, features, weight, wanted, context.dilation), None


class _ConvolutionToPlane(torch.autograd.Function):
    """A convolution into one channel: into one channel for each column of the filter, which are then shifted and added.

    The more channels at once, the better the processor is used; the products are the same.
    """

    @staticmethod
    def forward(context: Any, features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        # From the last column to the first, as the gradient's shifted copies come below.
        columns = weight.to(features.dtype)[0].flip(2).permute(2, 0, 1)[..., None]
        columns = columns.contiguous(memory_format=torch.channels_last)
        parts = F.conv2d(features, columns)
        last = len(columns) - 1
        width = parts.shape[-1] - last
        plane = parts[:, last:, :, :width].to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        for index in range(last):
            plane += parts[:, index : index + 1, :, last - index : last - index + width]
        context.save_for_backward(features, columns)
        return plane.add_(bias)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        features, columns = context.saved_tensors
        around = len(columns) - 1
        padded = F.pad(gradient[:, 0].to(features.dtype), (around, around))
        shifted = padded.unfold(2, features.shape[-1], 1).permute(0, 2, 1, 3)  # (N, columns, H, W)
        shifted = shifted.contiguous(memory_format=torch.channels_last)
        wanted = (context.needs_input_grad[0], True, False)
        for_features, for_columns, _ = _gradients(shifted, features, columns, wanted)
        for_weight = None if for_columns is None else for_columns[..., 0].permute(1, 2, 0).flip(2)[None]
        return for_features, for_weight, gradient.sum().reshape(1)


def _gradients(
    gradient: Tensor,
    features: Tensor,
    weight: Tensor,
    wanted: tuple[bool, bool, bool],
    dilation: tuple[int, ...] = (1, 1),
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Compute the gradients of features, weight and bias; None for what is not wanted."""
    gradients: tuple[Tensor | None, Tensor | None, Tensor | None] = _aten.convolution_backward(
        gradient, features, weight, [len(weight)], [1, 1], [0, 0], dilation, False, [0, 0], 1, wanted
    )
    return gradients
