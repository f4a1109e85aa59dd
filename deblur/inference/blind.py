"""A photo restored without its kernel, which is estimated first, and the checks that the result has to pass."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from deblur.estimation import KernelEstimate, estimate_kernel, explained_fraction
from deblur.estimation.estimate import luma_of
from deblur.inference.gating import gated, pretrained_gate
from deblur.inference.levels import Pixels
from deblur.inference.pixels import visible

LEAST_EXPLAINED: Final = 0.9
"""Least fraction of the energy of the photo's gradients that the restored image has to explain."""

MOST_OF_CHANNELS: Final = 4_000_000  # px of a photo, up to which red, green and blue are restored one by one

LEAST_APPLIED: Final = 0.5
"""Least fraction of the correction that the gate has to let through."""

UNEXPLAINED: Final = "Blurred again by the estimated kernel, the restored image is not the photo."
WORSE: Final = "The restored image looks worse than the photo: the kernel does not fit it."

Restore = Callable[["KernelEstimate"], Pixels]


@dataclass(frozen=True, eq=False)
class Checked:
    """What the checks of a restored photo found.

    Attributes:
        explained: the fraction of the energy of the photo's gradients, without noise, that the restored image explains
            if the kernel blurs it.
        applied: the fraction of the correction that the gate would let through.
        refusal: a sentence on why the photo is better left as it is; empty if it is not.
    """

    explained: float
    applied: float
    refusal: str


def blind_kernel(pixels: Pixels, alpha: Pixels | None = None) -> KernelEstimate:
    """Estimate the kernel of what is visible of an image."""
    return estimate_kernel(visible(pixels, alpha))


def restored_by(
    restorer: "Restorer",
    pixels: Pixels,
    estimate: KernelEstimate,
    color: Color | None = None,
    advance: Callable[[], object] | None = None,
    noise_sigma: float | None = None,
    strength: float | None = None,
) -> Pixels:
    """Restore a photo by an estimated kernel: in linear light if the kernel is of that.

    Red, green and blue are then restored one by one, as long as that does not take too long: each is the convolution
    of its own light, while the luma of the encoded values is none.

    Args:
        restorer: a non-blind network.
        pixels: as in `check`.
        estimate: of the kernel, which it has.
        color: see `Restorer`; None chooses.
        advance: see there.
        noise_sigma: see there.
        strength: see there.

    Returns:
        New pixels of the same shape and type.
    """
    if not estimate.is_linear:
        return np.asarray(
            restorer(pixels, color, advance, estimate.kernel, noise_sigma, strength=strength), pixels.dtype
        )
    if color is None and restorer.channels == 1 and pixels.shape[0] * pixels.shape[1] <= MOST_OF_CHANNELS:
        color = "channels"
    light = decoded(as_unit(pixels))
    sharper = encoded(restorer(light, color, advance, estimate.kernel, noise_sigma, strength=strength))
    return as_levels(sharper, pixels.dtype)


def check(pixels: Pixels, restored: Pixels, estimate: KernelEstimate) -> Checked:
    """Check a restored photo, in the windows of which the kernel was estimated.

    Args:
        pixels: of the photo, (H, W) or (H, W, 3), uint8 or uint16 of full range, or floating point in [0, 1].
        restored: of the same shape and type.
        estimate: of its kernel, which it has.

    Raises:
        ValueError: if no kernel was estimated.
    """
    if estimate.kernel is None:
        raise ValueError("there is no kernel that could be checked")
    explained, applied = [], []
    gate = pretrained_gate()
    for window in estimate.windows:
        before, after = pixels[window], restored[window]
        explained.append(explained_fraction(before, luma_of(after), estimate.kernel))
        applied.append(gated(before, after, gate)[1])
    shares = float(np.median(explained)), float(np.median(applied))
    refusal = UNEXPLAINED if shares[0] < LEAST_EXPLAINED else WORSE if shares[1] < LEAST_APPLIED else ""
    return Checked(*shares, refusal)
