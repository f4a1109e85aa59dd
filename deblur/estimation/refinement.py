"""An estimated kernel refined by images that are restored by it."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deblur.blur.kernels import Psf
from deblur.estimation.blind import KernelEstimate, explained_fraction, unsaturated
from deblur.estimation.coarse_to_fine import fitted, trimmed
from deblur.estimation.estimate import plane_of
from deblur.estimation.network import Floats

ROUNDS: Final = 4  # of image and kernel
MARGIN: Final = 2  # px on each side, by which the kernel may grow in a round
LEAST_NOISE: Final = 1.0  # gray levels; an image that explains the photo exactly would give the same kernel again

Restore: TypeAlias = Callable[[Floats, Psf, float], Floats]
"""Restores a plane (H, W) in [0, 1] by a kernel; the noise is in gray levels of 255."""


def refined(estimate: KernelEstimate, pixels: NDArray[Any], restore: Restore) -> KernelEstimate:
    """Refine the kernel of a photo: restore its best window by the kernel, and fit the kernel to the result, in turn.

    The restored image has finer edges than the sketch of the first estimate.

    Args:
        estimate: of the photo; one without a kernel is returned as it is.
        pixels: as in `estimate_kernel`.
        restore: a non-blind network; in linear light if the estimate is of that.

    Returns:
        The estimate with another kernel; `confidence` and `explained` are those of the first one.
    """
    if estimate.kernel is None:
        return estimate
    plane = _best_window(estimate, pixels)
    noise = _noise(plane)
    is_usable = unsaturated(pixels)[estimate.windows[0]]
    kernel = np.asarray(estimate.kernel, np.float32)
    for _ in range(ROUNDS):
        sharp = restore(plane, kernel / kernel.sum(dtype=np.float64), noise)
        found = fitted(plane, sharp, is_usable, np.pad(kernel, MARGIN))
        if found is None:
            break
        kernel = trimmed(found)
    return replace(estimate, kernel=kernel / kernel.sum(dtype=np.float64))


def window_explained(estimate: KernelEstimate, pixels: NDArray[Any], restore: Restore) -> float:
    """Return how much of a photo's best window its restored self explains if the kernel blurs it; 0 without a kernel.

    Args:
        estimate: as in `refined`.
        pixels: see there.
        restore: see there.

    Returns:
        See `explained_fraction`.
    """
    if estimate.kernel is None:
        return 0.0
    plane = _best_window(estimate, pixels)
    sharp = restore(plane, estimate.kernel, _noise(plane))
    return explained_fraction(pixels[estimate.windows[0]], sharp, estimate.kernel, is_linear=estimate.is_linear)


def _best_window(estimate: KernelEstimate, pixels: NDArray[Any]) -> Floats:
    """Return the luma of the window with the most edges, in linear light if the kernel is of that."""
    return plane_of(pixels[estimate.windows[0]], is_linear=estimate.is_linear)


def _noise(plane: Floats) -> float:
    """Return the noise that a restoration assumes [gray levels]."""
    from deblur.wiener.noise import white_noise

    return max(255 * math.sqrt(white_noise(plane)), LEAST_NOISE)
