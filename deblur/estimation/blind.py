"""The kernel of a photo, from the kernels of several windows or of several estimates, and how far to trust it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import fft  # type: ignore[import-untyped] # it has no types

from deblur.blur.kernel_fields import KernelField, blurred
from deblur.blur.kernels import Kernel, Psf
from deblur.blur.node_kernels import NodeKernels
from deblur.estimation.coarse_to_fine import WindowKernel, kernel_of, trimmed
from deblur.estimation.estimate import LENGTH, BlurEstimate, estimate, light_of, luma_of, plane_of
from deblur.estimation.kernel_steps import Bools, canvas, centroid, sketch, tidied
from deblur.estimation.network import FIELD, Floats

Window: TypeAlias = tuple[slice, slice]

LEAST_SIDE: Final = 96
"""Least shorter side of an image whose kernel is estimated [px]."""

EDGE_WEIGHTS: Final = (8e-3, 16e-3, 11e-3)  # of several estimates, see `sketch`
LEAST_SIZE: Final = 27.0  # px, of a kernel, to begin with
SIZE_PER_WIDTH: Final = 1.3  # first size of a kernel, by the estimated width of the blur
SIZE_BEYOND_WIDTH: Final = 11.0  # px, added to it
LEAST_WINDOW, LARGEST_WINDOW = 480, 720  # px a side
WINDOW_PER_SIZE: Final = 9.0  # side of a window, by the first size of the kernel
WHOLE_IMAGE: Final = 1.5  # of the area of a window, up to which an image is one window
MOST_WINDOWS: Final = 3
LEAST_FOUND: Final = 2  # kernels, which can be compared
WINDOW_STEP: Final = 4  # places per side of a window
OVERLAP: Final = 0.5  # of the area of a window, that another one may share

SATURATED: Final = 250 / 255  # of any channel, from which on a pixel may have lost light
SMOOTHING: Final = 1.5  # px, sigma of the gaussian before edges are distinguished from noise
EDGES_SEEN: Final = 15.0  # 99th percentile of the squared gradients, by their mean in white noise, with edges
FAINTEST_EDGE: Final = 1.0 / 255  # per px; the 99th percentile of the gradients of an image with edges
SHARP_SURE: Final = 0.8  # probability of a sharp image, from which on no kernel is looked for
LEAST_WIDTH: Final = 2.4  # px, as that of `BlurEstimate`; a narrower kernel hardly blurs
LEAST_OF_WIDTH: Final = 0.45  # of the width that is seen in the spectrum; kernels below it are too narrow

NARROWER: Final = 0.6  # of the kernel in linear light by that of encoded values, or the other way round: not the blur
WIDER: Final = 1.5  # of the width that is seen in the spectrum; a kernel beyond it does not make another one narrow

TOLERANCE: Final = 1.0  # px, sigma of the gaussian under which kernels are compared
SURE: Final = 0.98  # confidence in a kernel of the encoded values of a color photo
AGREEMENT: Final = 0.75  # least correlation of two kernels that are the same but for errors
LEAST_EXPLAINED: Final = 0.35
EXPLAINING_WEIGHT: Final = 1e-3  # of the edges of the image that has to explain the photo

TOO_SMALL: Final = f"The image is too small for an estimate of its kernel, which needs {LEAST_SIDE} px a side."
FLAT: Final = "The image shows no edges, from which a kernel could be estimated."
SHARP: Final = "The image is sharp already: no kernel wider than a pixel is seen."
SATURATED_TEXT: Final = "Too much of the image is saturated, or without edges, for an estimate of its kernel."
CUT: Final = (
    "The estimated kernel fills the largest size that the image allows: the blur is too wide for the image, or the "
    "image does not show it well enough."
)
NARROW: Final = "The estimated kernel is far narrower than the blur of the image."
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
            was found, or a field of them. It is known up to a shift alone.
        confidence: the least correlation of the estimates of several windows, or of several estimates of one window,
            with the one that explains the photo best, in [0, 1].
        explained: the fraction of the energy of the photo's gradients, without noise, that a sketch of few edges
            explains if the kernel blurs it, in [0, 1].
        refusal: a sentence on why the kernel is not to be relied on; empty if it is.
        is_linear: whether the kernel blurred linear light, and not the encoded values.
        windows: the parts of the photo that were used, each as rows and columns.
        blur: kind and width of the blur; None for an image that is too small for it.
        field: the kernels of a photo whose windows show several, in place of one; see `estimate_kernels`.
    """

    kernel: Psf | None
    confidence: float
    explained: float
    refusal: str
    is_linear: bool
    windows: tuple[Window, ...] = field(default=(), repr=False)
    blur: BlurEstimate | None = field(default=None, repr=False)
    field: NodeKernels | None = None


def estimate_kernel(pixels: NDArray[Any], *, is_linear: bool | None = None) -> KernelEstimate:
    """Estimate the one kernel that blurred a photo.

    Up to three windows with many edges are estimated, or a small photo three times in somewhat different ways. The
    kernels are compared up to a shift; the mean of those that agree with the one that explains the photo best is the
    result. Saturated pixels and flat areas are left out.

    Args:
        pixels: gray (H, W) or RGB (H, W, 3), uint8 or uint16 of full range, or floating point in [0, 1].
        is_linear: whether the kernel blurred linear light, as a camera does, or the encoded values. None takes a color
            photo for one of a camera, unless only the other kernel is found, and surely; and for a gray one, whose
            values may be linear, what explains it better.
    """
    if is_linear is None and _is_colored(pixels):
        of_light = estimate_kernel(pixels, is_linear=True)
        if not of_light.refusal or of_light.kernel is None:
            return of_light
        of_levels = estimate_kernel(pixels, is_linear=False)
        return of_levels if not of_levels.refusal and of_levels.confidence >= SURE else of_light
    if min(pixels.shape[:2]) < LEAST_SIDE:
        return _refused(TOO_SMALL)
    plane = luma_of(pixels)
    is_usable = unsaturated(pixels)
    if not shows_edges(plane):
        return _refused(FLAT)
    blur = estimate(pixels) if min(plane.shape) >= FIELD else None
    if blur is not None and blur.kind == "none" and blur.probability >= SHARP_SURE:
        return _refused(SHARP, blur)
    seen = 0.0 if blur is None else blur.width
    size = max(SIZE_BEYOND_WIDTH + SIZE_PER_WIDTH * seen, LEAST_SIZE)
    photo = Photo(pixels, plane, is_usable, _windows(plane, is_usable, size), size)
    spaces = (False, True) if is_linear is None else (is_linear,)
    firsts = [one for space in spaces if (one := photo.tried(0, space)) is not None]
    if not firsts:
        return _refused(SATURATED_TEXT, blur)
    least = LEAST_OF_WIDTH * seen
    wider = max((one.width for one in firsts if one.width <= WIDER * seen), default=0.0)
    first = max(firsts, key=lambda one: (one.width >= max(least, NARROWER * wider), one.explained))
    others = [photo.tried(place, first.is_linear) for place in range(1, len(EDGE_WEIGHTS))]
    found = [first, *(one for one in others if one is not None)]
    if len(found) < LEAST_FOUND:
        return _refused(SATURATED_TEXT, blur)
    best = max(range(len(found)), key=lambda place: (found[place].width >= least, found[place].explained))
    kernel, confidence = _agreed([one.found.kernel for one in found], best)
    explained = found[best].explained
    width = LENGTH * _spread(kernel)
    refusal = ""
    if width < LEAST_WIDTH:
        refusal = SHARP if blur is None or blur.kind == "none" else NARROW
    elif width < least:
        refusal = NARROW
    elif 2 * sum(one.found.is_cut for one in found) > len(found):
        refusal = CUT
    elif confidence < AGREEMENT:
        refusal = DISAGREE if len(photo.windows) > 1 else UNSTABLE
    elif explained < LEAST_EXPLAINED:
        refusal = UNEXPLAINED
    return KernelEstimate(
        kernel / kernel.sum(dtype=np.float64),
        confidence,
        explained,
        refusal,
        first.is_linear,
        tuple(photo.windows),
        blur,
    )


@dataclass(frozen=True, eq=False)
class Tried:
    """An estimate from one window.

    Attributes:
        found: its kernel.
        window: the part of the photo.
        is_linear: whether it is of linear light.
        explained: see `KernelEstimate`.
    """

    found: WindowKernel
    window: Window
    is_linear: bool
    explained: float

    @property
    def width(self) -> float:
        """The width of the kernel, as that of `BlurEstimate` [px]."""
        return LENGTH * _spread(self.found.kernel)


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo whose kernel is estimated several times.

    Attributes:
        pixels: as given.
        plane: its luma.
        is_usable: where it is not saturated.
        windows: its parts that are used.
        size: of the kernel, to begin with [px].
    """

    pixels: NDArray[Any]
    plane: Floats
    is_usable: Bools
    windows: Sequence[Window]
    size: float

    def tried(self, place: int, is_linear: bool) -> Tried | None:
        """Return the estimate of a number, in linear light or not; None if the window shows no kernel."""
        window = self.windows[place % len(self.windows)]
        plane = self._plane(window, is_linear)
        found = kernel_of(plane, self.is_usable[window], self.size, EDGE_WEIGHTS[place])
        return None if found is None else self._explaining(found, window, plane, is_linear)

    def _plane(self, window: Window, is_linear: bool) -> Floats:
        return light_of(self.pixels[window]) if is_linear else self.plane[window]

    def _explaining(self, found: WindowKernel, window: Window, plane: Floats, is_linear: bool) -> Tried:
        weights = found.kernel / found.kernel.sum(dtype=np.float64)
        image = _sketched(plane, found.kernel)
        share = explained_fraction(self.pixels[window], image, weights, is_linear=is_linear)
        return Tried(found, window, is_linear, share)


def _is_colored(pixels: NDArray[Any]) -> bool:
    return pixels.ndim == 3 and bool((pixels != pixels[..., :1]).any())


def _refused(refusal: str, blur: BlurEstimate | None = None) -> KernelEstimate:
    return KernelEstimate(None, 0.0, 0.0, refusal, is_linear=False, windows=(), blur=blur)


def unsaturated(pixels: NDArray[Any]) -> Bools:
    """Return where no channel of a photo is saturated, (H, W)."""
    white = 1 if np.issubdtype(pixels.dtype, np.floating) else np.iinfo(pixels.dtype).max
    is_below = pixels < SATURATED * white
    return np.asarray(is_below if pixels.ndim == 2 else is_below.all(axis=2))


def _smooth_energy(plane: Floats) -> Floats:
    """Return the squared gradients of a smoothed plane."""
    import cv2

    smooth = cv2.GaussianBlur(plane, (0, 0), SMOOTHING)
    across, down = np.diff(smooth, axis=1)[:-1], np.diff(smooth, axis=0)[:, :-1]
    return np.asarray(across * across + down * down, np.float32)


def shows_edges(plane: Floats) -> bool:
    """Return whether some gradients stand out of white noise, whose smoothed ones have a known mean."""
    from deblur.wiener.noise import white_noise

    energy = float(np.percentile(_smooth_energy(plane), 99))
    of_noise = 2 * white_noise(plane) / (8 * math.pi * SMOOTHING**4)
    return energy > max(EDGES_SEEN * of_noise, FAINTEST_EDGE**2)


def _windows(plane: Floats, is_usable: Bools, size: float) -> list[Window]:
    """Return parts of a photo with many edges, far apart, the best first; all of a photo that is hardly larger."""
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
    while places and len(chosen) < MOST_WINDOWS:
        # A blur that varies shows in windows that lie far apart.
        _, top, left = max(
            places, key=lambda one: one[0] * min((math.hypot(one[1] - y, one[2] - x) for y, x in chosen), default=1.0)
        )
        chosen.append((top, left))
        places = [
            one
            for one in places
            if max(0, tall - abs(top - one[1])) * max(0, wide - abs(left - one[2])) <= OVERLAP * tall * wide
        ]
    return [(slice(top, top + tall), slice(left, left + wide)) for top, left in chosen]


def _starts(side: int, window: int) -> list[int]:
    count = math.ceil((side - window) / (window / WINDOW_STEP)) + 1
    return sorted({round(start) for start in np.linspace(0, side - window, count)})


def _agreed(kernels: list[Floats], best: int) -> tuple[Floats, float]:
    """Return the mean of the kernels that agree with the best one, and the least correlation of the others with it."""
    side = 2 * max(len(kernel) for kernel in kernels) + 1
    same = [_enlarged(kernel, side) for kernel in kernels]
    mean, correlations = same[best].copy(), []
    for kernel in same[:best] + same[best + 1 :]:
        correlation, shift = _correlation(same[best], kernel)
        correlations.append(max(correlation, 0.0))
        if correlation >= AGREEMENT:
            mean += np.roll(kernel, shift, (0, 1))
    agreed = tidied(mean / mean.sum())
    if agreed is None:
        raise ValueError("kernels of sum 1 have a mean")
    return trimmed(agreed), min(*correlations, 1.0)


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


def explained_fraction(
    pixels: NDArray[Any], image: Floats, kernel: Psf | KernelField, *, is_linear: bool = False
) -> float:
    """Return how much of a photo an image explains if the kernel blurs it.

    Args:
        pixels: of the photo, as in `estimate_kernel`.
        image: luma or linear light of an image that may be sharp, (H, W).
        kernel: of odd sides and of sum 1, or a field of them.
        is_linear: as in `estimate_kernel`.

    Returns:
        The fraction of the energy of the gradients, without that of white noise and outside saturated areas,
        in [0, 1].
    """
    from deblur.wiener.noise import white_noise

    plane = plane_of(pixels, is_linear=is_linear)
    given = np.ascontiguousarray(image, np.float32)
    if isinstance(kernel, KernelField):
        again, reaches = blurred(given, kernel), [kernel.grid((given.shape[0], given.shape[1])).reach] * 2
    else:
        again, reaches = blurred(given, Kernel(kernel)), [size // 2 for size in kernel.shape]
    counts = _apart_from_saturated(unsaturated(pixels), reaches)[:-1, :-1]
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
