"""How the layers of one channel are best computed on a processor: `python -m studies.layers`.

Forward and backward of the first layer (9x9, 1 to 64 channels) and of the last one (5x5, 32 to 1) of 9-1-5, on 16
patches of 64 px, in every way that was thought of; each as a share of the time of torch's own layer.
"""

import statistics
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.results import write_table
from benchmarks.timing import seconds
from deblur.device import keep_freed_memory
from deblur.models import cpu_ops

REPEATS = 25
PATCHES = 16
CONFIGURATION = 2  # pixels of a side that space-to-depth makes channels of
Layer = Callable[[Tensor, nn.Conv2d], Tensor]


def plain(features: Tensor, layer: nn.Conv2d) -> Tensor:
    """Compute the layer as torch does."""
    return F.conv2d(features, layer.weight.to(features.dtype), _bias(layer, features))


def padded(channels: int) -> Layer:
    """Return a way that adds input channels of zeros."""

    def compute(features: Tensor, layer: nn.Conv2d) -> Tensor:
        more = (0, 0, 0, 0, 0, channels - features.shape[1])
        wide = F.pad(features, more).contiguous(memory_format=torch.channels_last)
        return F.conv2d(wide, F.pad(layer.weight.to(features.dtype), more), _bias(layer, features))

    return compute


def shifted_copies(features: Tensor, layer: nn.Conv2d) -> Tensor:
    """Make the columns of the filter input channels: one shifted copy of the image for each."""
    size = layer.kernel_size[1]
    copies = features.unfold(3, size, 1).squeeze(1).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    return F.conv2d(copies, layer.weight.permute(0, 3, 2, 1).to(features.dtype), _bias(layer, features))


def windowed(features: Tensor, layer: nn.Conv2d) -> Tensor:
    """Write every window as a row, and multiply matrices."""
    size = layer.kernel_size[0]
    windows = features[:, 0].unfold(1, size, 1).unfold(2, size, 1)
    count, height, width = windows.shape[:3]
    rows = windows.reshape(-1, size * size)
    product = F.linear(rows, layer.weight.flatten(1).to(features.dtype), _bias(layer, features))
    return product.view(count, height, width, -1).permute(0, 3, 1, 2)


def space_to_depth(features: Tensor, layer: nn.Conv2d) -> Tensor:
    """Make each cell of pixels channels, on both sides: fewer places, more channels, products with zeros."""
    size = layer.kernel_size[0]
    after = len(layer.weight)
    side = -(-(size + CONFIGURATION - 1) // CONFIGURATION) * CONFIGURATION
    moved = [
        F.pad(layer.weight[:, 0], (column, side - size - column, row, side - size - row))
        for row in range(CONFIGURATION)
        for column in range(CONFIGURATION)
    ]
    weight = F.pixel_unshuffle(torch.stack(moved).flatten(0, 1)[:, None], CONFIGURATION).to(features.dtype)
    configurations = F.pixel_unshuffle(features, CONFIGURATION).contiguous(memory_format=torch.channels_last)
    result = F.conv2d(configurations, weight.contiguous(memory_format=torch.channels_last))
    ordered = result.unflatten(1, (CONFIGURATION * CONFIGURATION, after)).transpose(1, 2).flatten(1, 2)  # type: ignore[no-untyped-call] # of torch
    whole = F.pixel_shuffle(ordered, CONFIGURATION)
    return whole.contiguous(memory_format=torch.channels_last) + _bias(layer, features)[:, None, None]


def rectified(convolve: Layer, in_place: bool) -> Layer:
    """Return a way that rectifies afterwards."""

    def compute(features: Tensor, layer: nn.Conv2d) -> Tensor:
        result = convolve(features, layer)
        return torch.relu_(result) if in_place else torch.relu(result)

    return compute


FIRST: dict[str, Layer] = {
    "torch's own": rectified(plain, in_place=False),
    "ReLU in place": rectified(plain, in_place=True),
    "ReLU fused, gradient in place (taken)": cpu_ops.convolve_rectified,
    "9 shifted copies as channels": rectified(shifted_copies, in_place=False),
    "windows times weights": rectified(windowed, in_place=False),
    "padded to 8 channels": rectified(padded(8), in_place=False),
    "padded to 16 channels": rectified(padded(16), in_place=False),
    "space to depth, 2x2": rectified(space_to_depth, in_place=False),
}
LAST: dict[str, Layer] = {
    "torch's own": plain,
    "a channel for each column, shifted and added (taken)": cpu_ops.convolve_to_image,
}


def compare(ways: dict[str, Layer], layer: nn.Conv2d, side: int, with_input_gradient: bool) -> list[dict[str, object]]:
    """Measure the ways in turn, after checking that they agree."""
    features = torch.rand(PATCHES, layer.in_channels, side, side).bfloat16()
    features = features.contiguous(memory_format=torch.channels_last).requires_grad_(with_input_gradient)
    reference = plain(features, layer).float()
    reference = torch.relu(reference) if layer.in_channels == 1 else reference

    def step(way: Layer) -> None:
        result = way(features, layer)
        result.float().square().mean().backward()  # type: ignore[no-untyped-call] # of torch

    times: dict[str, list[float]] = {name: [] for name in ways}
    for name, way in ways.items():
        if not torch.allclose(way(features, layer).float(), reference, atol=0.05):
            raise SystemExit(f"error: {name} computes something else.")
        step(way)
    for _ in range(REPEATS):
        for name, way in ways.items():
            times[name].append(seconds(partial(step, way)))
    own = times["torch's own"]
    return [
        {
            "layer": "first" if layer.in_channels == 1 else "last",
            "way": name,
            "share of torch's time": statistics.median(one / two for one, two in zip(taken, own, strict=True)),
        }
        for name, taken in times.items()
    ]


def _bias(layer: nn.Conv2d, features: Tensor) -> Tensor:
    assert layer.bias is not None
    return layer.bias.to(features.dtype)


def main() -> None:
    """Measure the first and the last layer."""
    keep_freed_memory()
    torch.manual_seed(0)
    first, last = nn.Conv2d(1, 64, 9), nn.Conv2d(32, 1, 5)
    for layer in (first, last):
        layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing in torch's stub
    rows = compare(FIRST, first, 76, with_input_gradient=False) + compare(LAST, last, 68, with_input_gradient=True)
    write_table("layers", "A layer of one channel, forth and back, bf16", rows)


if __name__ == "__main__":
    main()
