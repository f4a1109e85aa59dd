"""The network that estimates blur, computed by NumPy: it is small, and commands that do without torch stay quick."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

KINDS: Final = ("none", "defocus", "motion", "shake")
"""What the network distinguishes, in the order of its outputs."""

WEIGHTS: Final = Path(__file__).parent / "estimator.safetensors"
UNSHUFFLE: Final = 4  # side of the squares of pixels that are stacked into channels
STRIDES: Final = (1, 2, 1, 1, 1)  # of the convolutions, none of which pads
FIELD: Final = 52  # px, side of the receptive field of a place
STEP: Final = 8  # px between places
SMALLEST_SPREAD: Final = 0.3  # px, standard deviation of what counts as no blur
LARGEST_SPREAD: Final = 6.0  # px, standard deviation of the widest kernels that the network measures
OUTPUTS: Final = len(KINDS) + 5
TEMPERATURE: Final = "temperature"  # name of the number by which the scores are divided

Floats = NDArray[np.float32]


class Places(NamedTuple):
    """What the network says of places of an image, N in number.

    Attributes:
        scores: of each kind, (N, 4): logits.
        spreads: logarithms of the standard deviations of the kernel along its widest direction and across it, (N, 2).
        directions: cosine and sine of twice the angle of the widest direction, times how elongated the kernel is from
            0 to 1, (N, 2).
        confidence: logarithm of the weight of a place in a mean, (N,).
    """

    scores: Floats
    spreads: Floats
    directions: Floats
    confidence: Floats


def outputs_of(weights: Mapping[str, Floats], plane: Floats) -> Floats:
    """Compute the outputs of the network at all places of a plane.

    The place of row i and column j has its receptive field from row 8 i and column 8 j on.

    Args:
        weights: `conv0.weight`, `conv0.bias` and so on, as torch names them.
        plane: luma in [0, 1], (H, W), at least 52 px a side.

    Returns:
        (OUTPUTS, rows, columns).
    """
    height, width = (side // UNSHUFFLE for side in plane.shape)
    squares = plane[: height * UNSHUFFLE, : width * UNSHUFFLE].reshape(height, UNSHUFFLE, width, UNSHUFFLE)
    maps = np.moveaxis(squares, (1, 3), (0, 1)).reshape(UNSHUFFLE**2, height, width) - np.float32(0.5)
    for number, stride in enumerate(STRIDES):
        if number:
            np.maximum(maps, 0, out=maps)
        maps = _convolved(maps, weights[f"conv{number}.weight"], weights[f"conv{number}.bias"], stride)
    return maps


def split(outputs: Floats) -> Places:
    """Return the outputs of places, (OUTPUTS, N), by their meaning."""
    kinds = len(KINDS)
    rows = outputs.T
    return Places(rows[:, :kinds], rows[:, kinds : kinds + 2], rows[:, kinds + 2 : kinds + 4], rows[:, kinds + 4])


@cache
def pretrained_weights() -> Mapping[str, Floats]:
    """Read the weights of the package."""
    from safetensors.numpy import load_file

    return load_file(WEIGHTS)


def _convolved(maps: Floats, kernels: Floats, bias: Floats, stride: int) -> Floats:
    """Correlate maps (C, H, W) with kernels (D, C, side, side), without padding."""
    side = kernels.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(maps, (side, side), axis=(1, 2))[:, ::stride, ::stride]
    result: Floats = np.tensordot(kernels, windows, axes=((1, 2, 3), (0, 3, 4)))
    return result + bias[:, None, None]
