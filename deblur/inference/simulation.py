"""Blur a sharp image, and measure the gain of a network on it."""

import hashlib
import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deblur.blur import Degradation, Sampled, degrade, exposed
from deblur.inference.levels import BT601
from deblur.text import as_bytes

_BLOCK_ROWS: Final = 256


class Gain(NamedTuple):
    """PSNR of the luma before and after [dB]; infinite if images are equal."""

    blurred: float
    restored: float

    @property
    def difference(self) -> float:
        """The gain of the network [dB]."""
        return self.restored - self.blurred


def drawn(degradation: Degradation, name: str) -> Sampled:
    """Return the drawn degradation of an image, which depends on its name alone."""
    seed = int.from_bytes(hashlib.sha256(as_bytes(name)).digest()[:8])
    return degradation.sample(np.random.default_rng(seed))


def degraded(pixels: NDArray[np.uint8], degradation: Degradation, name: str) -> NDArray[np.uint8]:
    """Degrade an image (H, W) or (H, W, 3), each color with the same kernel; the name decides what is drawn."""
    return degrade(pixels, degradation, drawn(degradation, name))


def reference(pixels: NDArray[np.uint8], degradation: Degradation, name: str) -> NDArray[np.uint8]:
    """Return what a restored image is compared with: the sharp image, exposed as the camera of `degraded` did."""
    return exposed(pixels, degradation, drawn(degradation, name))


def gain(blurred: NDArray[Any], restored: NDArray[Any], sharp: NDArray[Any]) -> Gain:
    """Return the PSNR of two images; all are of 8 bits and one shape."""
    return Gain(_psnr(blurred, sharp), _psnr(restored, sharp))


def _psnr(image: NDArray[Any], sharp: NDArray[Any]) -> float:
    squares = 0.0
    for top in range(0, len(sharp), _BLOCK_ROWS):  # so that no second image in float64 is held
        rows = slice(top, top + _BLOCK_ROWS)
        squares += float(np.sum((_luma(image[rows]) - _luma(sharp[rows])) ** 2))
    error = squares / (sharp.shape[0] * sharp.shape[1])
    return math.inf if error == 0 else 20 * math.log10(255) - 10 * math.log10(error)


def _luma(pixels: NDArray[Any]) -> NDArray[np.float64]:
    levels = pixels.astype(np.float64)
    return levels if levels.ndim == 2 else levels @ BT601
