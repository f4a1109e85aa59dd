"""Kernels of photos as they are used: estimated, then refined by the pretrained non-blind network."""

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from deblur.blur.kernels import Psf
from deblur.choices import NON_BLIND
from deblur.estimation import KernelEstimate, estimate_kernel, estimate_kernels, refined, window_explained
from deblur.estimation.blind import CUT, UNSTABLE
from deblur.estimation.network import Floats

if TYPE_CHECKING:
    from deblur.inference.restorer import Restorer


UNSURE: Final = (UNSTABLE, CUT)
"""Refusals of a kernel that may be right."""

LEAST_CONFIDENCE: Final = 0.5  # of these
CONVINCING: Final = 0.94  # fraction of the gradients' energy that an image restored by one of them has to explain


def photo_kernel(pixels: NDArray[Any], *, is_linear: bool | None = None) -> KernelEstimate:
    """Estimate the kernel of a photo, or a field of kernels if its blur varies; one to be relied on is refined.

    So is one that fills the largest size, or of which several estimates differ: it is relied on after all if the image
    that it then restores explains the photo.

    Args:
        pixels: as in `deblur.estimation.estimate_kernel`.
        is_linear: as there.
    """
    found = estimate_kernels(pixels, is_linear=is_linear)
    if not found.refusal:
        return refined(found, pixels, _restored)
    if found.refusal not in UNSURE or found.confidence < LEAST_CONFIDENCE:
        return found
    better = refined(found, pixels, _restored)
    is_convincing = window_explained(better, pixels, _restored) >= CONVINCING
    return replace(better, refusal="") if is_convincing else found


def one_kernel(pixels: NDArray[Any]) -> KernelEstimate:
    """Estimate and refine the one kernel of a photo, whether it is to be relied on or not; see `photo_kernel`."""
    return refined(estimate_kernel(pixels), pixels, _restored)


def _restored(plane: Floats, kernel: Psf, noise_sigma: float) -> Floats:
    return np.asarray(_network()(np.clip(plane, 0, 1), kernel=kernel, noise_sigma=noise_sigma), np.float32)


@functools.cache
def _network() -> "Restorer":
    from deblur.inference.restorer import load

    return load(NON_BLIND, accelerator="cpu")  # windows are small
