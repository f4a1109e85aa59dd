"""The network that estimates blur from local spectra; it is small, and NumPy computes it, without torch."""

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deblur.errors import UserError

KINDS: Final = ("none", "defocus", "motion", "shake")
"""What the network distinguishes, in the order of its outputs."""

WEIGHTS: Final = Path(__file__).parent / "estimator.safetensors"
FIELD: Final = 32  # px, side of the window of a spectrum
STEP: Final = 16  # px between windows
MOST_WINDOWS: Final = 16_000  # of a plane; of a larger plane, they lie further apart
SMALLEST_SPREAD: Final = 0.3  # px, standard deviation of what counts as no blur
LARGEST_SPREAD: Final = 6.0  # px, standard deviation of the widest kernels that the network measures
INPUTS: Final = FIELD * (FIELD // 2 + 1)
OUTPUTS: Final = len(KINDS) + 4
LAYERS: Final = 3
TEMPERATURE: Final = "temperature"  # name of the number by which the scores are divided

_WEAKEST: Final = (0.5 / 255) ** 2  # power that is added: noise and rounding are not weaker
_LEAST_WEIGHT: Final = 1e-4
_MOST_WEIGHT: Final = 0.1  # standard deviation in [0, 1] from which on a window has full weight
_BLOCK: Final = 1024  # windows that are transformed at once

Floats = NDArray[np.float32]


class Spectra(NamedTuple):
    """Spectra of windows of a plane.

    Attributes:
        logs: logarithms of the power, (rows, columns, INPUTS).
        weights: contrast of each window, (rows, columns), above 0: a flat one shows no blur.
        step: between windows [px].
    """

    logs: Floats
    weights: Floats
    step: int


class Outputs(NamedTuple):
    """What the network says of spectra, N in number.

    Attributes:
        scores: of each kind, (N, 4): logits.
        spreads: logarithms of the standard deviations of the kernel along its widest direction and across it, (N, 2).
        directions: cosine and sine of twice the angle of the widest direction, times how elongated the kernel is from
            0 to 1, (N, 2).
    """

    scores: Floats
    spreads: Floats
    directions: Floats


def spectra(plane: Floats) -> Spectra:
    """Compute the spectra of the windows of a plane of luma in [0, 1], (H, W), at least 32 px a side.

    White noise of a standard deviation has its square as power.
    """
    step = STEP
    while math.prod((side - FIELD) // step + 1 for side in plane.shape) > MOST_WINDOWS:
        step += STEP
    windows = np.lib.stride_tricks.sliding_window_view(plane, (FIELD, FIELD))[::step, ::step]
    rows, columns = windows.shape[:2]
    flat = windows.reshape(rows, columns, FIELD, FIELD)
    hann = np.hanning(FIELD + 1)[:FIELD].astype(np.float32)
    taper = np.outer(hann, hann)
    share = taper / taper.sum()
    taper /= math.sqrt(float((taper**2).sum()))
    logs, weights = np.empty((rows, columns, INPUTS), np.float32), np.empty((rows, columns), np.float32)
    for top in range(0, rows, max(1, _BLOCK // columns)):
        part = slice(top, top + max(1, _BLOCK // columns))
        block = flat[part].astype(np.float32)
        block -= (block * share).sum(axis=(2, 3), keepdims=True)
        weights[part] = np.sqrt((block**2 * share).sum(axis=(2, 3)))
        power = np.abs(np.fft.rfft2(block * taper)) ** 2
        logs[part] = np.log(power + _WEAKEST).reshape(*power.shape[:2], INPUTS)
    return Spectra(logs, weights.clip(_LEAST_WEIGHT, _MOST_WEIGHT), step)


def outputs_of(weights: Mapping[str, Floats], inputs: Floats) -> Outputs:
    """Compute the outputs of the network.

    Args:
        weights: `layer0.weight`, `layer0.bias` and so on, as torch names them.
        inputs: means of logarithms of spectra, (N, INPUTS).
    """
    values = inputs
    for number in range(LAYERS):
        values = values @ weights[f"layer{number}.weight"].T + weights[f"layer{number}.bias"]
        if number < LAYERS - 1:
            np.maximum(values, 0, out=values)
    kinds = len(KINDS)
    return Outputs(values[:, :kinds], values[:, kinds : kinds + 2], values[:, kinds + 2 :])


@cache
def pretrained_weights() -> Mapping[str, Floats]:
    """Read the weights of the package.

    Raises:
        UserError: if the installation lacks its file.
    """
    if not WEIGHTS.is_file():
        raise UserError(f"This installation lacks the file {WEIGHTS}: install the package again.")
    from safetensors.numpy import load_file

    return load_file(WEIGHTS)
