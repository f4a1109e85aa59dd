"""The kernel of one window of a photo, from a reduced copy to the full size."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from deblur.estimation.kernel_steps import Bools, Canvas, KernelFit, canvas, centered, centroid, sketch, strong_edges
from deblur.estimation.network import Floats

LEVEL_RATIO: Final = math.sqrt(0.5)  # of the size of a level and of the next finer one
COARSEST_SIZE: Final = 5  # px, about the size of the kernel on the coarsest level
ROUNDS: Final = 5  # of image and kernel on each level
RELAXATION: Final = 1.1  # by which weight and threshold of edges fall in each round: finer detail comes later
LEAST_EDGE_WEIGHT: Final = 1e-4
LARGEST_SIZE: Final = 121  # px, of a kernel
GROWTH: Final = 1.5  # of a size that turns out too small
CHECKED_SCALE: Final = 0.5  # of the level whose kernel shows whether the size is large enough
BORDER: Final = 0.08  # of the size, the border that has to be empty; at least 1 px
LEAST_IN_BORDER: Final = 0.02  # of the sum of the kernel, from which on its border is not empty
LEAST_USABLE: Final = 0.05  # of a window, in which edges may count
KERNELS_PER_SIDE: Final = 2.5  # a window has to be this many times as wide as the kernel


@dataclass(frozen=True, eq=False)
class WindowKernel:
    """The kernel of one window.

    Attributes:
        kernel: (K, K), odd, at least 0, of sum 1 and centered.
        is_cut: whether its border is not empty at the largest size that the window allows.
    """

    kernel: Floats
    is_cut: bool


def kernel_of(window: Floats, is_usable: Bools, first_size: float, edge_weight: float) -> WindowKernel | None:
    """Estimate the kernel of a window; its size grows until its border is empty.

    Args:
        window: luma or linear light in [0, 1], (H, W).
        is_usable: where pixels are not saturated, (H, W).
        first_size: of the kernel to begin with [px].
        edge_weight: see `sketch`.

    Returns:
        The kernel; None if the window shows none, since it has no edges or is too small.
    """
    largest = min(LARGEST_SIZE, int(min(window.shape) / KERNELS_PER_SIDE))
    if largest < COARSEST_SIZE:
        return None
    size = min(_odd(first_size), _odd(largest - 1))
    smaller: Floats | None = None
    while True:
        can_grow = size < _odd(largest - 1)
        kernel = _through_levels(window, is_usable, size, edge_weight, stops=can_grow)
        if kernel is None:  # too few pixels are apart from saturated ones by a larger kernel
            return None if smaller is None else WindowKernel(trimmed(smaller), is_cut=True)
        is_cut = _is_cut(kernel)
        if not is_cut or not can_grow:
            return WindowKernel(trimmed(kernel), is_cut)
        smaller, size = kernel, min(_odd(GROWTH * size), _odd(largest - 1))


def _through_levels(window: Floats, is_usable: Bools, size: int, edge_weight: float, *, stops: bool) -> Floats | None:
    """Return the kernel of the finest level, or that of a coarser one on which its border is not empty."""
    count = max(1, math.floor(math.log(COARSEST_SIZE / size, LEVEL_RATIO)) + 1)
    kernel = np.zeros((COARSEST_SIZE, COARSEST_SIZE), np.float32)
    kernel[COARSEST_SIZE // 2, COARSEST_SIZE // 2 - 1 : COARSEST_SIZE // 2 + 1] = 0.5  # not yet the identity
    weight = edge_weight
    for level in reversed(range(count)):
        scale = LEVEL_RATIO**level
        plane, shown = _reduced(window, is_usable, scale)
        side = max(_odd(size * scale), 3)
        found = _on_level(plane, shown, resized(kernel, side), weight)
        if found is None:
            return None
        kernel, weight = found
        if stops and level > 0 and scale >= CHECKED_SCALE and _is_cut(kernel):
            return kernel
    return kernel


def _on_level(plane: Floats, is_usable: Bools, kernel: Floats, weight: float) -> tuple[Floats, float] | None:
    """Return the kernel after some rounds on one level, and the weight of edges of the next level."""
    reach = len(kernel) // 2
    blurred = canvas(plane, reach)
    fit = KernelFit(blurred, reach)
    counts = _counting(blurred, is_usable, reach)
    if counts is None:
        return None
    threshold: float | None = None
    for _ in range(ROUNDS):
        across, down, threshold = strong_edges(sketch(blurred, kernel, weight), counts, reach, threshold)
        threshold /= RELAXATION
        found = fit.kernel((across, down), kernel)
        if found is None:
            return None
        kernel, weight = found, max(weight / RELAXATION, LEAST_EDGE_WEIGHT)
    return kernel, weight


def _counting(blurred: Canvas, is_usable: Bools, reach: int) -> Bools | None:
    """Return where the kernel reaches usable pixels alone, so that edges may count; None if hardly anywhere."""
    import cv2

    side = 2 * reach + 1
    counts = np.zeros(blurred.plane.shape, np.bool_)
    counts[blurred.rows, blurred.columns] = (
        cv2.erode(is_usable.astype(np.uint8), np.ones((side, side), np.uint8), borderValue=0) > 0
    )
    return counts if counts.sum() >= LEAST_USABLE * counts.size else None


def fitted(plane: Floats, sharp: Floats, is_usable: Bools, kernel: Floats) -> Floats | None:
    """Fit a kernel to a blurred window and its restored image, by the strongest edges of that.

    Args:
        plane: of the window, (H, W) in [0, 1].
        sharp: the restored image, (H, W).
        is_usable: where pixels are not saturated, (H, W).
        kernel: to begin with, (K, K), of sum 1.

    Returns:
        (K, K), of sum 1 and centered; None if too few edges show one.
    """
    reach = len(kernel) // 2
    blurred = canvas(plane, reach)
    counts = _counting(blurred, is_usable, reach)
    if counts is None:
        return None
    across, down, _ = strong_edges(canvas(sharp, reach).plane, counts, reach, None)
    return KernelFit(blurred, reach).kernel((across, down), kernel)


def _reduced(window: Floats, is_usable: Bools, scale: float) -> tuple[Floats, Bools]:
    if scale == 1:
        return window, is_usable
    import cv2

    size = tuple(max(1, round(side * scale)) for side in reversed(window.shape))
    plane = cv2.resize(window, size, interpolation=cv2.INTER_AREA)
    shown = cv2.resize(is_usable.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.asarray(plane, np.float32), np.asarray(shown > 1 - 1e-3)


def resized(kernel: Floats, side: int) -> Floats:
    """Return a kernel at another size, its center of mass in the middle: that moves by parts of a pixel."""
    import cv2

    scale = side / len(kernel)
    down, right = centroid(kernel)
    middle = (len(kernel) - 1) / 2, (side - 1) / 2
    moving = np.array(
        [[scale, 0, middle[1] - scale * (middle[0] + right)], [0, scale, middle[1] - scale * (middle[0] + down)]]
    )
    larger = np.maximum(cv2.warpAffine(kernel, moving, (side, side), flags=cv2.INTER_LINEAR), 0)
    return centered(np.asarray(larger / larger.sum(), np.float32))


def _is_cut(kernel: Floats) -> bool:
    border = max(1, round(BORDER * len(kernel)))
    return float(kernel[border:-border, border:-border].sum()) < 1 - LEAST_IN_BORDER


def trimmed(kernel: Floats) -> Floats:
    """Return a kernel without its empty border."""
    reach = int(np.abs(np.argwhere(kernel) - len(kernel) // 2).max())
    middle = len(kernel) // 2
    return np.ascontiguousarray(kernel[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1])


def _odd(size: float) -> int:
    return 2 * round((size - 1) / 2) + 1
