"""SRCNN with any number of layers."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from deblur.mirroring import mirror_index
from deblur.models.cpu_ops import convolve_rectified, convolve_to_image, is_fast_for, uses_fast_operators
from deblur.models.protocol import is_channels


class ConvStack(nn.Module):
    """Convolutions with ReLUs between them, from several planes to an image; for the attributes see `Network`."""

    def __init__(
        self,
        planes: int,
        channels: int,
        kernel_sizes: Sequence[int],
        widths: Sequence[int],
        dilations: Sequence[int] | None,
        dropout: float,
        cpu_ops: str,
    ) -> None:
        """Make the layers.

        Args:
            planes: channels of the input.
            channels: channels of the image: 1 for gray, 3 for RGB.
            kernel_sizes: odd side of each layer's filters [px], such as 9, 1, 5.
            widths: channels between the layers, one fewer than `kernel_sizes`, such as 64, 32.
            dilations: distance between the taps of each layer's filters [px]; None is 1 for all.
            dropout: fraction of the activations dropped after each hidden layer, from 0 to below 1.
            cpu_ops: `auto` for the faster operators of `deblur.models.cpu_ops` on a CPU, or `torch` for torch's own.

        Raises:
            ValueError: for an even kernel size, the wrong number of widths or dilations, or other `channels` or
                `cpu_ops`.
        """
        super().__init__()
        refuse_channels(channels)
        if any(size % 2 == 0 or size < 1 for size in kernel_sizes) or len(widths) != len(kernel_sizes) - 1:
            raise ValueError(f"SRCNN needs odd kernel_sizes and one width between two layers: {kernel_sizes}, {widths}")
        steps = [1] * len(kernel_sizes) if dilations is None else list(dilations)
        if len(steps) != len(kernel_sizes) or min(steps) < 1:
            raise ValueError(f"SRCNN needs a dilation of at least 1 for each layer: {kernel_sizes}, {dilations}")
        self.channels = channels
        self.halo = sum(step * (size - 1) for step, size in zip(steps, kernel_sizes, strict=True)) // 2
        through = [planes, *widths, channels]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, size, dilation=step)
            for (before, after), size, step in zip(pairwise(through), kernel_sizes, steps, strict=True)
        )
        self.dropout = nn.Dropout(dropout)
        self._has_fast_operators = uses_fast_operators(cpu_ops)

    @property
    def _layers(self) -> list[nn.Conv2d]:
        return [layer for layer in self.convolutions if isinstance(layer, nn.Conv2d)]

    @property
    def receptive_field(self) -> int:
        """Return the side of the square of input pixels that one output pixel depends on [px]."""
        return 1 + 2 * self.halo

    @property
    def macs_per_pixel(self) -> int:
        """Return the MACs per output pixel, boundaries aside."""
        return sum(layer.weight.numel() for layer in self._layers)

    def convolve(self, padded: Tensor) -> Tensor:
        """Return (N, channels, H, W) of planes (N, planes, H + 2 halo, W + 2 halo)."""
        features = padded
        *hidden, last = self._layers
        if padded.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            features = padded.to(torch.get_autocast_dtype("cpu"))
        is_fast = self._has_fast_operators and is_fast_for(features)
        for layer in hidden:
            rectified = convolve_rectified(features, layer) if is_fast else torch.relu(layer(features))
            features = self.dropout(rectified)
        is_fast = is_fast and last.dilation == (1, 1)
        image: Tensor = convolve_to_image(features, last) if is_fast else last(features)
        return image


class SRCNN(ConvStack):
    """A convolutional stack for gray or RGB images.

    The network pads its input once, by its halo, with a half-sample symmetric boundary, and then convolves without
    padding: no boundary is invented between the layers.

    Dong et al., "Image Super-Resolution Using Deep Convolutional Networks", arXiv 1501.00092, section 3. Unlike there,
    the network predicts by default the correction to its input (`residual`), and torch initializes its weights: on
    faces blurred by a box of 7 px, both reach the same PSNR sooner.
    """

    def __init__(
        self,
        kernel_sizes: Sequence[int],
        widths: Sequence[int],
        residual: bool = True,
        dropout: float = 0.0,
        dilations: Sequence[int] | None = None,
        cpu_ops: str = "auto",
        channels: int = 1,
    ) -> None:
        """Make the layers; with `residual`, the output of the last one is added to the input.

        For the other arguments and the errors see `ConvStack`.
        """
        super().__init__(channels, channels, kernel_sizes, widths, dilations, dropout, cpu_ops)
        self.residual = residual

    def forward(self, blurred: Tensor, pad: bool = True) -> Tensor:
        """Restore images.

        Args:
            blurred: (N, channels, H, W), in [0, 1].
            pad: surround the image with its mirror image first. Otherwise the input includes its halo, and the
                output does not.

        Returns:
            (N, channels, H, W), or (N, channels, H - 2 halo, W - 2 halo) without padding; not clamped.
        """
        padded = pad_symmetric(blurred, self.halo) if pad else blurred
        restored = self.convolve(padded)
        return restored + inner(padded, restored.shape) if self.residual else restored


def refuse_channels(channels: int) -> None:
    """Refuse a number of channels that no image has.

    Raises:
        ValueError: for a number other than 1 and 3.
    """
    if not is_channels(channels):
        raise ValueError(f"channels={channels} is not allowed: give 1 for gray or 3 for RGB.")


def inner(padded: Tensor, shape: torch.Size) -> Tensor:
    """Return the center of planes, of the height and width of a shape."""
    top, left = ((outer - size) // 2 for outer, size in zip(padded.shape[-2:], shape[-2:], strict=True))
    return padded[..., top : top + shape[-2], left : left + shape[-1]]


def pad_symmetric(images: Tensor, halo: int, multiple: int = 1) -> Tensor:
    """Pad images as numpy's "symmetric" does: their mirror images, with the edge pixel repeated.

    torch has no such mode, and its "reflect" refuses a halo larger than the image: the pixels are gathered by index.

    Args:
        images: (..., H, W) of any size from 1x1.
        halo: pixels to add on each side.
        multiple: pad the bottom and the right further, until both sides without the halo are multiples of this.
    """
    if halo == 0 and multiple == 1:
        return images
    for dimension in (-2, -1):
        size = images.shape[dimension]
        position = torch.arange(-halo, size + halo + -size % multiple, device=images.device)
        images = images.index_select(dimension, mirror_index(position, size, torch.minimum))
    return images
