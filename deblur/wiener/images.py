"""Training images as arrays, and the search for the parameter of the highest mean PSNR on them."""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deblur.blur.images import as_float
from deblur.blur.kernels import Psf

UnitImage = NDArray[np.float32]
"""A gray image in [0, 1], shape (H, W)."""

ByteImage = NDArray[np.uint8]
"""A gray image in gray levels 0 to 255, shape (H, W)."""

GRAY_LEVELS: Final = 255.0  # of 1.0
LEAST_ERROR: Final = 1e-12  # mean squared error that counts as exact, 120 dB: one infinite PSNR would end all tuning


def check_training_images(
    sharp: Sequence[ByteImage], blurred: Sequence[ByteImage], kernels: Sequence[Psf] | None = None
) -> None:
    """Check that there are as many sharp as blurred images, and kernels if given, in pairs of the same shape.

    Raises:
        ValueError: if their numbers differ, there are none, or a pair differs in shape.
    """
    counts = [len(sharp), len(blurred), *([] if kernels is None else [len(kernels)])]
    if not sharp or len(set(counts)) != 1:
        raise ValueError(f"Sharp and blurred images and kernels must be as many, at least one; there are {counts}.")
    for index, (first, second) in enumerate(zip(sharp, blurred, strict=True)):
        if first.shape != second.shape or first.ndim != 2:
            raise ValueError(f"Training image {index} is {first.shape} sharp and {second.shape} blurred.")


def mean_psnr(
    restore: Callable[[UnitImage, Psf], UnitImage],
    sharp: Sequence[ByteImage],
    blurred: Sequence[ByteImage],
    kernels: Sequence[Psf],
) -> float:
    """Return the mean of the per-image PSNR of clamped results [dB], at most 120, as `deblur.metrics` does on tensors.

    Args:
        restore: takes a blurred image in [0, 1] and its kernel.
        sharp: training images.
        blurred: the same images degraded.
        kernels: of each image.
    """
    ratios = []
    for original, image, kernel in zip(sharp, blurred, kernels, strict=True):
        error = np.clip(restore(as_float(image), kernel), 0, 1) - as_float(original)
        ratios.append(-10 * math.log10(max(float(np.mean(np.square(error, dtype=np.float64))), LEAST_ERROR)))
    return math.fsum(ratios) / len(ratios)


def climb(score: Callable[[float], float], start: float, low: float, high: float, steps: Sequence[float]) -> float:
    """Find the maximum of a function of a positive number, in steps that are even on a log scale.

    From the best value so far, it walks while a neighbor scores higher, then continues with the next, smaller step.
    This finds the maximum of a function with a single one, such as the PSNR over one regularizing parameter.

    Args:
        score: the function.
        start: first value.
        low: smallest value to try, above 0.
        high: largest value to try.
        steps: factors between neighbors, above 1, coarse to fine.

    Returns:
        A value in low..high that scores no less than both its neighbors at the last step.
    """
    score = cache(score)  # walks return to values that have been tried
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
    """Find the maximum as `climb` does, for a function of a whole number from 1 to `high`."""
    scores = cache(score)
    return round(climb(lambda value: scores(round(value)), float(start), 1.0, float(high), steps))
