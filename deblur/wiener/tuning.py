"""The search for the parameter of the highest mean PSNR on training images."""

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from deblur.blur.kernels import Psf
from deblur.wiener.images import ByteImage, UnitImage, to_unit

LEAST_ERROR = 1e-12
"""Mean squared error that counts as exact, 120 dB: a single exact image, of infinite PSNR, would end all tuning."""


def mean_psnr(
    restore: Callable[[UnitImage, Psf], UnitImage],
    sharp: Sequence[ByteImage],
    blurred: Sequence[ByteImage],
    kernels: Sequence[Psf],
) -> float:
    """Compute the mean of the per-image PSNR of clamped results, as `deblur.metrics` does it on tensors.

    Args:
        restore: Takes a blurred image in [0, 1] and its kernel.
        sharp: Training images.
        blurred: The same ones degraded.
        kernels: What each was blurred with.

    Returns:
        PSNR [dB], at most 120.
    """
    ratios = []
    for original, image, kernel in zip(sharp, blurred, kernels, strict=True):
        error = np.clip(restore(to_unit(image), kernel), 0, 1) - to_unit(original)
        ratios.append(-10 * math.log10(max(float(np.mean(np.square(error, dtype=np.float64))), LEAST_ERROR)))
    return math.fsum(ratios) / len(ratios)


def climb(score: Callable[[float], float], start: float, low: float, high: float, steps: Sequence[float]) -> float:
    """Find where a function of a positive number is highest, in steps that are even on a log scale.

    From the best value so far, it walks while a neighbor scores higher, then goes on with the next, smaller step. This
    finds the maximum of a function with a single one; the PSNR over one regularizing parameter is such a function.

    Args:
        score: What to maximize.
        start: Where to begin.
        low: Smallest value to try, above 0.
        high: Largest value to try.
        steps: Factors between neighbors, above 1, coarse to fine.

    Returns:
        A value in low..high that scores no less than both its neighbors at the last step.
    """
    score = cache(score)  # walks come back to values that have been tried
    best = start
    for step in steps:
        while True:
            neighbors = [min(max(value, low), high) for value in (best / step, best * step)]
            better = max(neighbors, key=score)
            if not score(better) > score(best):
                break
            best = better
    return best


def climb_whole(score: Callable[[int], float], start: int, high: int, steps: Sequence[float]) -> int:
    """Do as `climb`, for whole numbers from 1.

    Args:
        score: What to maximize.
        start: Where to begin.
        high: Largest number to try.
        steps: Factors between neighbors before they are rounded, coarse to fine.

    Returns:
        A number in 1..high.
    """
    scores = cache(score)
    return round(climb(lambda value: scores(round(value)), float(start), 1.0, float(high), steps))
