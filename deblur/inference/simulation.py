"""Blur a sharp image, and measure the gain of a network on it."""

import hashlib
import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deblur.blur import Degradation, Sampled, degrade, exposed
from deblur.blur.images import WHOLE, Boundary, Crop
from deblur.errors import UserError
from deblur.inference.levels import BT601
from deblur.text import as_bytes

_BLOCK_ROWS: Final = 256


class Gain(NamedTuple):
    """PSNR before and after [dB]; infinite if images are equal."""

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


def crop_of(boundary: Boundary, degradation: Degradation, shape: tuple[int, ...]) -> Crop:
    """Return what is left of an image that is degraded with a boundary, as in evaluation.

    Args:
        boundary: with a valid one, the outer pixels are left out: their blur reaches beyond the image.
        degradation: what degrades it.
        shape: of the image, (H, W) or (H, W, 3).

    Raises:
        UserError: if nothing is left.
    """
    if boundary != "valid":
        return Crop(boundary)
    crop = Crop(boundary, degradation.reach)
    if min(crop.shape((shape[0], shape[1]))) < 1:
        raise UserError(
            f"The network was trained with data.boundary=valid, which leaves nothing of an image of {shape[1]}x"
            f"{shape[0]} px: the blur takes {crop.margin[1]} px of each side and {crop.margin[0]} px above and below. "
            "Give a larger image, or a smaller blur."
        )
    return crop


def degraded(pixels: NDArray[np.uint8], degradation: Degradation, name: str, crop: Crop = WHOLE) -> NDArray[np.uint8]:
    """Degrade an image (H, W) or (H, W, 3), each color with the same kernel; the name decides what is drawn."""
    return degrade(pixels, degradation, drawn(degradation, name), crop)


def reference(pixels: NDArray[np.uint8], degradation: Degradation, name: str, crop: Crop = WHOLE) -> NDArray[np.uint8]:
    """Return what a restored image is compared with: the sharp image, exposed as the camera of `degraded` did."""
    return exposed(crop.cut(pixels), degradation, drawn(degradation, name))


def gain(blurred: NDArray[Any], restored: NDArray[Any], sharp: NDArray[Any], *, of_luma: bool = True) -> Gain:
    """Return the PSNR of two images; all are of 8 bits and one shape.

    Args:
        blurred: before.
        restored: after.
        sharp: what both are compared with.
        of_luma: compare the luma of color images, which a network for gray restores; otherwise all channels.
    """
    return Gain(_psnr(blurred, sharp, of_luma), _psnr(restored, sharp, of_luma))


def _psnr(image: NDArray[Any], sharp: NDArray[Any], of_luma: bool) -> float:
    squares, values = 0.0, 0
    for top in range(0, len(sharp), _BLOCK_ROWS):  # so that no second image in float64 is held
        rows = slice(top, top + _BLOCK_ROWS)
        differences = image[rows].astype(np.float64) - sharp[rows].astype(np.float64)
        if of_luma and differences.ndim == 3:
            differences = differences @ BT601
        squares, values = squares + float(np.sum(differences**2)), values + differences.size
    error = squares / values
    return math.inf if error == 0 else 20 * math.log10(255) - 10 * math.log10(error)
