"""The kernel of a photo, from the kernels of several windows or of several estimates, and how far to trust it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft  # type: ignore[import-untyped] # it has no types

from deblur.blur.kernels import Kernel, Psf, convolve
from deblur.estimation.coarse_to_fine import kernel_of, refined
from deblur.estimation.estimate import BlurEstimate, estimate, luma_of
from deblur.estimation.kernel_steps import Bools, canvas, centroid, sketch, tidied
from deblur.estimation.network import FIELD, Floats
from deblur.srgb import decoded

LEAST_SIDE: Final = 96
"""Least shorter side of an image whose kernel is estimated [px]."""

VARIANTS: Final = ((1.0, 8e-3), (1.0, 16e-3), (1.3, 5e-3))  # of the first size, and the weight of edges
SIZE_PER_WIDTH: Final = 2.0  # first size of a kernel, by the estimated width of the blur
SIZE_BEYOND_WIDTH: Final = 11.0  # px, added to it: widths are not exact
LEAST_WINDOW, LARGEST_WINDOW = 288, 720  # px a side
WINDOW_PER_SIZE: Final = 9.0  # side of a window, by the first size of the kernel
WHOLE_IMAGE: Final = 1.5  # of the area of a window, up to which an image is one window
MOST_WINDOWS: Final = 3
LEAST_FOUND: Final = 2  # kernels, which can be compared
WINDOW_STEP: Final = 4  # places per side of a window
OVERLAP: Final = 0.5  # of the area of a window, that another one may share

SATURATED: Final = 250 / 255  # of any channel, from which on a pixel may have lost light
SMOOTHING: Final = 1.5  # px, sigma of the gaussian before edges are told from noise
EDGES_SEEN: Final = 15.0  # 99th percentile of the squared gradients, by their mean in white noise, with edges
FAINTEST_EDGE: Final = 1.0 / 255  # per px; the 99th percentile of the gradients of an image with edges
SHARP_SURE: Final = 0.8  # probability of a sharp image, from which on no kernel is looked for
LEAST_SPREAD: Final = 0.7  # px, standard deviation in the widest direction; a narrower kernel hardly blurs

TOLERANCE: Final = 1.0  # px, sigma of the gaussian under which kernels are compared
AGREEMENT: Final = 0.75  # least correlation of two kernels that are the same but for errors
LEAST_EXPLAINED: Final = 0.5
EXPLAINING_WEIGHT: Final = 1e-3  # of the edges of the image that has to explain the photo

TOO_SMALL: Final = f"The image is too small for an estimate of its kernel, which needs {LEAST_SIDE} px a side."
FLAT: Final = "The image shows no edges, from which a kernel could be estimated."
SHARP: Final = "The image is sharp already: no kernel wider than a pixel is seen."
SATURATED_TEXT: Final = "Too much of the image is saturated, or without edges, for an estimate of its kernel."
CUT: Final = "The blur is too wide for the image: its kernel does not fit into a part of it."
DISAGREE: Final = (
    "Parts of the image show different kernels, so that the blur varies over the image or cannot be seen well enough."
)
UNSTABLE: Final = "Several estimates of the kernel differ: the image does not show it well enough."
UNEXPLAINED: Final = "The estimated kernel does not explain the image."


@dataclass(frozen=True, eq=False)
class KernelEstimate:
    """The kernel of a photo.

    Attributes:
        kernel: of odd sides, at least 0, of sum 1, its center of mass within half a pixel of the middle; None if none
            was found. It is known up to a shift alone.
        confidence: the mean correlation of the estimates of several windows, or of several estimates of one window,
            with their mean, in [0, 1].
        explained: the fraction of the energy of the photo's gradients, without noise, that a sketch of few edges
            explains if the kernel blurs it, in [0, 1].
        refusal: a sentence on why the kernel is not to be relied on; empty if it is.
        windows: the parts of the photo that were used, each as rows and columns.
        blur: kind and width of the blur; None for an image that is too small for it.
    """

    kernel: Psf | None
    confidence: float
    explained: float
    refusal: str
    windows: tuple[tuple[slice, slice], ...] = field(default=(), repr=False)
    blur: BlurEstimate | None = field(default=None, repr=False)


def estimate_kernel(pixels: NDArray[Any], *, is_linear: bool = False) -> KernelEstimate:
    """Estimate the one kernel that blurred a photo.

    Up to three windows with many edges are estimated, or a small photo three times in somewhat different ways. The
    kernels are compared up to a shift; the mean of those that agree is refined on the first window. Saturated pixels
    and flat areas are left out.

    Args:
        pixels: gray (H, W) or RGB (H, W, 3), uint8 or uint16 of full range, or floating point in [0, 1].
        is_linear: whether the kernel blurred linear light, as a camera does; otherwise it is that of the encoded
            values, which the pretrained networks take.
    """
    if min(pixels.shape[:2]) < LEAST_SIDE:
        return _refused(TOO_SMALL)
    plane = luma_of(pixels)
    is_usable = _unsaturated(pixels)
    if not _shows_edges(plane):
        return _refused(FLAT)
    blur = estimate(pixels) if min(plane.shape) >= FIELD else None
    if blur is not None and blur.kind == "none" and blur.probability >= SHARP_SURE:
        return _refused(SHARP, blur)
    if is_linear:
        plane = decoded(plane)
    size = SIZE_BEYOND_WIDTH + SIZE_PER_WIDTH * (0.0 if blur is None else blur.width)
    windows = _windows(plane, is_usable, size)
    tried = [(windows[place % len(windows)], *variant) for place, variant in enumerate(VARIANTS)]
    found = [kernel_of(plane[window], is_usable[window], factor * size, weight) for window, factor, weight in tried]
    kernels = [one.kernel for one in found if one is not None]
    if len(kernels) < LEAST_FOUND:
        return _refused(SATURATED_TEXT, blur)
    agreed, confidence = _agreed(kernels)
    first = tried[next(place for place, one in enumerate(found) if one is not None)][0]
    kernel = refined(plane[first], is_usable[first], agreed)
    weights = kernel / kernel.sum(dtype=np.float64)
    explained = explained_fraction(pixels[first], _sketched(plane[first], kernel), weights, is_linear=is_linear)
    cut = sum(one is not None and one.is_cut for one in found)
    refusal = ""
    if _spread(kernel) < LEAST_SPREAD:
        refusal = SHARP
    elif 2 * cut > len(found):
        refusal = CUT
    elif confidence < AGREEMENT:
        refusal = DISAGREE if len(windows) > 1 else UNSTABLE
    elif explained < LEAST_EXPLAINED:
        refusal = UNEXPLAINED
    return KernelEstimate(weights, confidence, explained, refusal, tuple(windows), blur)


def _refused(refusal: str, blur: BlurEstimate | None = None) -> KernelEstimate:
    return KernelEstimate(None, 0.0, 0.0, refusal, (), blur)


def _unsaturated(pixels: NDArray[Any]) -> Bools:
    white = 1 if np.issubdtype(pixels.dtype, np.floating) else np.iinfo(pixels.dtype).max
    is_below = pixels < SATURATED * white
    return np.asarray(is_below if pixels.ndim == 2 else is_below.all(axis=2))


def _smooth_energy(plane: Floats) -> Floats:
    """Return the squared gradients of a smoothed plane."""
    import cv2

    smooth = cv2.GaussianBlur(plane, (0, 0), SMOOTHING)
    across, down = np.diff(smooth, axis=1)[:-1], np.diff(smooth, axis=0)[:, :-1]
    return np.asarray(across * across + down * down, np.float32)


def _shows_edges(plane: Floats) -> bool:
    """Return whether some gradients stand out of white noise, whose smoothed ones have a known mean."""
    from deblur.wiener.noise import white_noise

    energy = float(np.percentile(_smooth_energy(plane), 99))
    of_noise = 2 * white_noise(plane) / (8 * math.pi * SMOOTHING**4)
    return energy > max(EDGES_SEEN * of_noise, FAINTEST_EDGE**2)


def _windows(plane: Floats, is_usable: Bools, size: float) -> list[tuple[slice, slice]]:
    """Return the parts of a photo with the most edges, the best first; all of a photo that is hardly larger."""
    side = round(min(max(WINDOW_PER_SIZE * size, LEAST_WINDOW), LARGEST_WINDOW))
    height, width = plane.shape
    if height * width <= WHOLE_IMAGE * side * side:
        return [(slice(0, height), slice(0, width))]
    tall, wide = min(side, height), min(side, width)
    energy = np.where(is_usable[:-1, :-1], np.sqrt(_smooth_energy(plane)), 0)
    sums = np.pad(energy.astype(np.float64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    bottoms, rights = sums.shape[0] - 1, sums.shape[1] - 1
    places = [
        (
            float(
                sums[min(top + tall, bottoms), min(left + wide, rights)]
                - sums[top, min(left + wide, rights)]
                - sums[min(top + tall, bottoms), left]
                + sums[top, left]
            ),
            top,
            left,
        )
        for top in _starts(height, tall)
        for left in _starts(width, wide)
    ]
    chosen: list[tuple[int, int]] = []
    for _, top, left in sorted(places, reverse=True):
        shared = [max(0, tall - abs(top - y)) * max(0, wide - abs(left - x)) for y, x in chosen]
        if all(area <= OVERLAP * tall * wide for area in shared):
            chosen.append((top, left))
        if len(chosen) == MOST_WINDOWS:
            break
    return [(slice(top, top + tall), slice(left, left + wide)) for top, left in chosen]


def _starts(side: int, window: int) -> list[int]:
    count = math.ceil((side - window) / (window / WINDOW_STEP)) + 1
    return sorted({round(start) for start in np.linspace(0, side - window, count)})


def _agreed(kernels: list[Floats]) -> tuple[Floats, float]:
    """Return the mean of the kernels that agree with most others, and the mean correlation of all with it."""
    side = 2 * max(len(kernel) for kernel in kernels) + 1
    same = [_enlarged(kernel, side) for kernel in kernels]
    near = np.array([[_correlation(one, other)[0] for other in same] for one in same])
    middle = int(near.sum(axis=1).argmax())
    mean = np.zeros_like(same[middle])
    for kernel, correlation in zip(same, near[middle], strict=True):
        if correlation >= AGREEMENT or kernel is same[middle]:
            _, shift = _correlation(same[middle], kernel)
            mean += np.roll(kernel, shift, (0, 1))
    agreed = tidied(mean / mean.sum())
    if agreed is None:
        raise ValueError("kernels of sum 1 have a mean")
    others = [near[middle, place] for place in range(len(same)) if place != middle]
    return agreed, float(np.clip(np.mean(others), 0, 1)) if others else 0.0


def _enlarged(kernel: Floats, side: int) -> Floats:
    around = (side - len(kernel)) // 2
    return np.pad(kernel, around)


def _correlation(one: Floats, other: Floats) -> tuple[float, tuple[int, int]]:
    """Return the highest correlation of two kernels under a tolerance, and the shift of the other one for it [px]."""
    import cv2

    first, second = (fft.rfft2(cv2.GaussianBlur(kernel, (0, 0), TOLERANCE)) for kernel in (one, other))
    products = fft.irfft2(first * np.conj(second), s=one.shape)
    down, right = (int(place) for place in np.unravel_index(int(products.argmax()), products.shape))
    norms = (fft.irfft2(waves * np.conj(waves), s=one.shape)[0, 0] for waves in (first, second))
    return float(products[down, right]) / math.sqrt(math.prod(float(norm) for norm in norms)), (down, right)


def explained_fraction(pixels: NDArray[Any], image: Floats, kernel: Psf, *, is_linear: bool = False) -> float:
    """Return how much of a photo an image explains if the kernel blurs it.

    Args:
        pixels: of the photo, as in `estimate_kernel`.
        image: luma or linear light of an image that may be sharp, (H, W).
        kernel: of odd sides and of sum 1.
        is_linear: as in `estimate_kernel`.

    Returns:
        The fraction of the energy of the gradients, without that of white noise and outside saturated areas,
        in [0, 1].
    """
    from deblur.wiener.noise import white_noise

    plane = decoded(luma_of(pixels)) if is_linear else luma_of(pixels)
    again = convolve(np.ascontiguousarray(image, np.float32), Kernel(kernel))
    reaches = [size // 2 for size in kernel.shape]
    counts = _apart_from_saturated(_unsaturated(pixels), reaches)[:-1, :-1]
    missed, whole = (
        float((np.square(np.diff(one, axis=1)[:-1]) + np.square(np.diff(one, axis=0)[:, :-1]))[counts].sum())
        for one in (plane - again, plane)
    )
    noise = 4 * white_noise(plane) * int(counts.sum())
    return float(np.clip(1 - max(missed - noise, 0) / max(whole - noise, 1e-12), 0, 1))


def _apart_from_saturated(is_usable: Bools, reaches: Sequence[int]) -> Bools:
    """Return the pixels whose kernel reaches neither saturated ones nor beyond the image."""
    import cv2

    sides = [2 * reach + 1 for reach in reaches]
    return np.asarray(cv2.erode(is_usable.astype(np.uint8), np.ones(sides, np.uint8), borderValue=0) > 0)


def _sketched(plane: Floats, kernel: Floats) -> Floats:
    """Return the sketch of a plane that has to explain it."""
    blurred = canvas(plane, len(kernel) // 2)
    return sketch(blurred, kernel, EXPLAINING_WEIGHT)[blurred.rows, blurred.columns]


def _spread(kernel: Floats) -> float:
    """Return the standard deviation of a kernel in its widest direction [px]."""
    down, right = centroid(kernel)
    rows, columns = (np.arange(side) - (side - 1) / 2 for side in kernel.shape)
    y, x = rows[:, None] - down, columns - right
    moments = [[float((kernel * a * b).sum()) for a in (y, x)] for b in (y, x)]
    return math.sqrt(max(float(np.linalg.eigvalsh(moments)[-1]), 0.0))
