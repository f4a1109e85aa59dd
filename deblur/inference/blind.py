"""A photo restored without its kernel, which is estimated first, and the checks that the result has to pass."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from deblur.blur.kernels import Psf
from deblur.blur.node_kernels import NodeKernels
from deblur.choices import Color
from deblur.estimation import KernelEstimate, explained_fraction
from deblur.estimation.blind import Window
from deblur.estimation.estimate import plane_of
from deblur.image_io.images import DecodedImage
from deblur.inference.blending import blended
from deblur.inference.field_restoring import restored_by_field
from deblur.inference.gating import gated, pretrained_gate
from deblur.inference.levels import Pixels, as_levels, as_unit
from deblur.inference.pixels import visible
from deblur.inference.refining import photo_kernel
from deblur.srgb import decoded, encoded

if TYPE_CHECKING:
    from deblur.inference.restorer import Advance, Restorer

LEAST_EXPLAINED: Final = 0.9
"""Least fraction of the energy of the photo's gradients that the restored image has to explain."""

MOST_OF_CHANNELS: Final = 4_000_000  # px of a photo, up to which red, green and blue are restored one by one

LEAST_APPLIED: Final = 0.1
"""Least fraction of the correction that the gate has to let through."""

FRAME: Final = 0.25  # around each kernel of a sheet, by its largest weight

UNEXPLAINED: Final = "Blurred again by the estimated kernel, the restored image is not the photo."
WORSE: Final = "The restored image looks worse than the photo: the kernel does not fit it."


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


@dataclass(frozen=True, eq=False)
class BlindResult:
    """A photo whose kernel was estimated, restored if that improves it.

    Attributes:
        estimate: of the kernel.
        restored: the photo, restored by the kernel; None if it is better left as it is.
        color: how a network for gray images restores the colors, see `Restorer`; None is its own choice.
        explained: as in `Checked`; 0 if there is nothing to check.
        refusal: a sentence on why the photo is left as it is; empty if it is restored.
    """

    estimate: KernelEstimate
    restored: DecodedImage | None
    color: Color | None
    explained: float
    refusal: str


def restore_blindly(
    restorer: "Restorer",
    image: DecodedImage,
    color: Color | None = None,
    begin: "Callable[[int], Advance | None] | None" = None,
    noise_sigma: float | None = None,
    strength: float | None = None,
) -> BlindResult:
    """Estimate the kernel of a photo, restore it by that, and check the result.

    Args:
        restorer: a non-blind network.
        image: the photo.
        color: see `restored_by`.
        begin: called with the number of tiles before the first of them; returns what to call after each.
        noise_sigma: see `Restorer`.
        strength: see there; the whole correction is checked.
    """
    estimate = blind_kernel(image.pixels, image.alpha)
    color = color_for(restorer, image.pixels, estimate, color)
    if estimate.refusal:
        return BlindResult(estimate, None, color, 0.0, estimate.refusal)
    advance = None if begin is None else begin(restorer.count(image, color))
    pixels = restored_by(restorer, image.pixels, image.alpha, estimate, color, advance, noise_sigma)
    checked = check(visible(image.pixels, image.alpha), visible(pixels, image.alpha), estimate)
    if strength is not None:
        pixels = blended(image.pixels, pixels, strength)
    restored = None if checked.refusal else replace(image, pixels=pixels)
    return BlindResult(estimate, restored, color, checked.explained, checked.refusal)


def color_for(
    restorer: "Restorer", pixels: Pixels, estimate: KernelEstimate, color: Color | None = None
) -> Color | None:
    """Return how the colors of a photo are restored by an estimated kernel; for arguments see `restored_by`."""
    many = pixels.shape[0] * pixels.shape[1] > MOST_OF_CHANNELS
    if color is None and estimate.is_linear and restorer.channels == 1 and not many:
        return "channels"
    return color


def blind_kernel(pixels: Pixels, alpha: Pixels | None = None) -> KernelEstimate:
    """Estimate the kernel of what is visible of an image, or a field of kernels if its blur varies."""
    return photo_kernel(visible(pixels, alpha))


def restored_by(
    restorer: "Restorer",
    pixels: Pixels,
    alpha: Pixels | None,
    estimate: KernelEstimate,
    color: Color | None = None,
    advance: Callable[[], object] | None = None,
    noise_sigma: float | None = None,
    strength: float | None = None,
) -> Pixels:
    """Restore a photo by an estimated kernel, or by a field of them: in linear light if they are of that.

    Red, green and blue are then restored one by one, as long as that does not take too long: each is the convolution
    of its own light, while the luma of the encoded values is none.

    Args:
        restorer: a non-blind network.
        pixels: as in `check`.
        alpha: (H, W); colors that it hides are kept. None hides none.
        estimate: of the kernel or of the field of kernels, which it has.
        color: see `Restorer`; None chooses.
        advance: see there.
        noise_sigma: see there.
        strength: see there.

    Returns:
        New pixels of the same shape and type.
    """
    shown = visible(pixels, alpha)
    color = color_for(restorer, pixels, estimate, color)
    given = decoded(as_unit(shown)) if estimate.is_linear else shown
    if estimate.field is None:
        restored = restorer(given, color, advance, estimate.kernel, noise_sigma, strength=strength)
    else:
        restored = restored_by_field(restorer, given, estimate.field, color, advance, noise_sigma, strength)
    if estimate.is_linear:
        restored = as_levels(encoded(restored), pixels)
    if alpha is not None:
        restored[alpha == 0] = pixels[alpha == 0]
    return restored


def check(pixels: Pixels, restored: Pixels, estimate: KernelEstimate) -> Checked:
    """Check a restored photo, in the windows of which the kernel was estimated.

    Args:
        pixels: of the photo, (H, W) or (H, W, 3), uint8 or uint16 of full range, or floating point in [0, 1].
        restored: of the same shape and type.
        estimate: of its kernel, or of the field of its kernels, which it has.

    Raises:
        ValueError: if no kernel was estimated.
    """
    explained, applied = [], []
    gate = pretrained_gate()
    for window in estimate.windows:
        before, after = pixels[window], restored[window]
        image = plane_of(after, is_linear=estimate.is_linear)
        kernel = _kernel_in(window, estimate)
        explained.append(explained_fraction(before, image, kernel, is_linear=estimate.is_linear))
        applied.append(gated(before, after, gate)[1])
    shares = float(np.median(explained)), float(np.median(applied))
    refusal = UNEXPLAINED if shares[0] < LEAST_EXPLAINED else WORSE if shares[1] < LEAST_APPLIED else ""
    return Checked(*shares, refusal)


def _kernel_in(window: Window, estimate: KernelEstimate) -> Psf | NodeKernels:
    if estimate.field is not None:
        return estimate.field.within(*window)
    if estimate.kernel is None:
        raise ValueError("there is no kernel that could be checked")
    return estimate.kernel


def shown_kernel(estimate: KernelEstimate) -> Psf:
    """Return the weights of an estimated kernel, or of a sheet of the kernels of a field.

    The kernels of a sheet lie side by side, each with its largest weight as 1. Its sides are even, so that
    `read_kernel` refuses it.

    Args:
        estimate: of a kernel or a field, which it has.
    """
    if estimate.field is None:
        if estimate.kernel is None:
            raise ValueError("there is no kernel that could be shown")
        return estimate.kernel
    rows = [np.concatenate([_framed(psf) for psf in row], axis=1) for row in estimate.field.psfs]
    return np.concatenate(rows).repeat(2, axis=0).repeat(2, axis=1)


def _framed(psf: Psf) -> Psf:
    return np.pad(psf / psf.max(), 1, constant_values=FRAME)
