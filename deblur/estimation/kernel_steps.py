"""The two steps of blind deconvolution in turn: a sketch of the sharp image's edges, and the kernel that blurs them.

An image with few edges is fitted to the photo for a known kernel by half-quadratic splitting of an L0 norm of its
gradient (L. Xu, S. Zheng, J. Jia, "Unnatural L0 sparse representation for natural image deblurring", CVPR 2013; J. Pan,
Z. Hu, Z. Su, M.-H. Yang, "Deblurring text images via L0-regularized intensity and gradient prior", CVPR 2014). Its
strongest gradients, in each of four directions, predict the kernel by least squares on gradients (S. Cho, S. Lee, "Fast
motion deblurring", SIGGRAPH Asia 2009; L. Xu, J. Jia, "Two-phase kernel estimation for robust motion deblurring", ECCV
2010).
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage  # type: ignore[import-untyped] # it has no types

from deblur.estimation.network import Floats
from deblur.wiener.filters import transfer

Bools = NDArray[np.bool_]
Waves = NDArray[np.complex64]

SPLITTING_GROWTH: Final = 3.0  # of the weight that ties the image's gradients to the sparse ones, per iteration
LARGEST_SPLITTING: Final = 1e5  # weight at which both are equal
EDGES_PER_ROOT_PIXEL: Final = 1.0  # edge pixels of each direction, by kernel radius times the root of the pixel count
KERNEL_SMOOTHNESS: Final = 0.005  # weight of the kernel's squared norm, by the energy of the edges
KERNEL_ITERATIONS: Final = 60  # of accelerated projected gradients
LEAST_WEIGHT: Final = 0.05  # of the largest weight of a kernel; lower ones are noise
LEAST_PART: Final = 0.04  # of the sum of a kernel; lower connected parts are noise
DIRECTIONS: Final = 4  # of edges, each of which has to be seen
FADE: Final = 4  # px around the reach of the kernel, in which a plane turns periodic


@dataclass(frozen=True, eq=False)
class Canvas:
    """A blurred plane that continues periodically without a step, with its Fourier transform.

    Attributes:
        plane: (H, W), in [0, 1].
        waves: of the plane.
        rows: of the plane that are given, the others fade from its end to its beginning.
        columns: likewise.
    """

    plane: Floats
    waves: Waves
    rows: slice
    columns: slice


def canvas(plane: Floats, reach: int) -> Canvas:
    """Put a plane onto a canvas, around which it continues by more than the reach of a kernel [px]."""
    sides = [fft.next_fast_len(side + 2 * (reach + FADE), real=True) for side in plane.shape]
    filled = _faded(_faded(plane, sides[0]).T, sides[1]).T
    whole = np.ascontiguousarray(filled, np.float32)
    return Canvas(whole, fft.rfft2(whole), slice(0, plane.shape[0]), slice(0, plane.shape[1]))


def _faded(plane: Floats, side: int) -> Floats:
    """Return a plane with further rows that lead from its last one back to its first one."""
    missing = side - len(plane)
    ramp = (0.5 - 0.5 * np.cos(np.pi * np.arange(1, missing + 1, dtype=np.float32) / (missing + 1)))[:, None]
    return np.concatenate([plane, plane[-1] * (1 - ramp) + plane[0] * ramp])


def gradients(plane: Floats) -> tuple[Floats, Floats]:
    """Return the differences of a periodic plane with its next columns and with its next rows."""
    return np.roll(plane, -1, 1) - plane, np.roll(plane, -1, 0) - plane


def sketch(blurred: Canvas, kernel: Floats, edge_weight: float) -> Floats:
    """Return an image of few edges that the kernel blurs into the given one.

    It minimizes |k * x - y|^2 + edge_weight * (number of pixels with a gradient), approximately.

    Args:
        blurred: the plane y.
        kernel: k, of odd sides and of sum 1.
        edge_weight: the least squared gradient that is worth an edge, about.

    Returns:
        (H, W), as the canvas.
    """
    sides = blurred.plane.shape
    response = _transfer(kernel, sides)
    fitted, power = np.conj(response) * blurred.waves, np.square(np.abs(response))
    rows, columns = (
        (2 - 2 * np.cos(2 * np.pi * waves)).astype(np.float32)
        for waves in (fft.fftfreq(sides[0]), fft.rfftfreq(sides[1]))
    )
    differences = rows[:, None] + columns
    image, splitting = blurred.plane, 2 * edge_weight
    while splitting < LARGEST_SPLITTING:
        across, down = gradients(image)
        is_flat = across * across + down * down < edge_weight / splitting
        across[is_flat] = 0
        down[is_flat] = 0
        divergence = np.roll(across, 1, 1) - across + np.roll(down, 1, 0) - down
        image = fft.irfft2(
            (fitted + np.float32(splitting) * fft.rfft2(divergence)) / (power + np.float32(splitting) * differences),
            s=sides,
        )
        splitting *= SPLITTING_GROWTH
    return image


def strong_edges(image: Floats, is_usable: Bools, reach: int, threshold: float | None) -> tuple[Floats, Floats, float]:
    """Return the gradients of an image that predict a kernel, and the squared gradient from which on they count.

    Args:
        image: a sketch.
        is_usable: where gradients may count.
        reach: of the kernel [px].
        threshold: on the squared gradient; None leaves so many gradients of each direction that they determine a
            kernel of the reach.
    """
    across, down = gradients(image)
    squares = np.where(is_usable, across * across + down * down, 0)
    if threshold is None:
        wanted = max(1, int(EDGES_PER_ROOT_PIXEL * reach * math.sqrt(np.count_nonzero(is_usable))))
        sector = np.minimum(np.arctan2(down, across) % np.pi * (DIRECTIONS / np.pi), DIRECTIONS - 1).astype(np.int8)
        least = []
        for direction in range(DIRECTIONS):
            found = squares[(sector == direction) & (squares > 0)]
            least.append(np.partition(found, -wanted)[-wanted] if len(found) > wanted else found.min(initial=np.inf))
        threshold = float(min(least))
    is_weak = squares < threshold if math.isfinite(threshold) else np.ones_like(is_usable)
    is_weak |= squares == 0
    return np.where(is_weak, 0, across), np.where(is_weak, 0, down), threshold


class KernelFit:
    """The least squares that find the kernel from edges of a sharp image and gradients of the blurred one.

    The gradients of the photo are transformed once; the equations are those of the kernel's own weights, which takes a
    correlation of the edges for each fit and small transforms for each of its iterations.
    """

    def __init__(self, blurred: Canvas, reach: int) -> None:
        """Take the blurred plane, and the reach of the kernel to each side [px]."""
        self._reach = reach
        self._sides = tuple(fft.next_fast_len(side + 2 * reach, real=True) for side in blurred.plane.shape)
        inside = np.zeros(blurred.plane.shape, np.float32)
        inside[: blurred.rows.stop - 1, : blurred.columns.stop - 1] = 1
        self._waves = [fft.rfft2(one * inside, s=self._sides) for one in gradients(blurred.plane)]

    def kernel(self, edges: tuple[Floats, Floats], start: Floats) -> Floats | None:
        """Return the kernel of weights of at least 0, without its noise and of sum 1; None if the edges show none.

        Args:
            edges: horizontal and vertical gradients of the sharp image.
            start: a kernel of the size of the result.
        """
        reach = self._reach
        waves = [fft.rfft2(one, s=self._sides) for one in edges]
        products = sum(self._correlation(one, one, 2 * reach) for one in waves)
        wanted = sum(self._correlation(one, other, reach) for one, other in zip(waves, self._waves, strict=True))
        energy = float(np.sum(np.square(edges[0])) + np.sum(np.square(edges[1])))
        if energy == 0:
            return None
        normal, right = (np.asarray(one / energy, np.float32) for one in (products, wanted))
        return tidied(_least_squares(normal, right, start))

    def _correlation(self, first: Waves, second: Waves, reach: int) -> Floats:
        whole = fft.irfft2(np.conj(first) * second, s=self._sides)
        shifts = np.arange(-reach, reach + 1)
        cut: Floats = whole[np.ix_(shifts % self._sides[0], shifts % self._sides[1])]
        return cut


def _least_squares(products: Floats, wanted: Floats, start: Floats) -> Floats:
    """Return the weights k >= 0 that minimize k A k / 2 - b k + KERNEL_SMOOTHNESS |k|^2 / 2.

    Accelerated projected gradients: A. Beck, M. Teboulle, "A fast iterative shrinkage-thresholding algorithm for linear
    inverse problems", SIAM Journal on Imaging Sciences 2(1), 2009.

    Args:
        products: A as the correlation that it convolves with, (4 reach + 1, 4 reach + 1).
        wanted: b, (2 reach + 1, 2 reach + 1).
        start: of the shape of b.
    """
    height, width = wanted.shape
    sides = tuple(
        fft.next_fast_len(size + taps - 1, real=True) for size, taps in zip(wanted.shape, products.shape, strict=True)
    )
    operator = np.maximum(_transfer(products, sides).real, 0) + np.float32(KERNEL_SMOOTHNESS)
    rate = 1 / operator.max()
    weights = ahead = start
    momentum = 1.0
    for _ in range(KERNEL_ITERATIONS):
        slope = fft.irfft2(operator * fft.rfft2(ahead, s=sides), s=sides)[:height, :width] - wanted
        moved = np.maximum(ahead - rate * slope, 0)
        following = (1 + math.sqrt(1 + 4 * momentum * momentum)) / 2
        ahead = moved + np.float32((momentum - 1) / following) * (moved - weights)
        weights, momentum = moved, following
    return weights


def _transfer(kernel: Floats, sides: tuple[int, ...]) -> Waves:
    height, width = sides
    return transfer(kernel.astype(np.float64), height, width).astype(np.complex64)


def tidied(kernel: Floats) -> Floats | None:
    """Return a kernel without negligible weights and small parts, centered and of sum 1; None if nothing is left."""
    largest = float(kernel.max())
    if not largest > 0:
        return None
    kept = np.where(kernel < LEAST_WEIGHT * largest, 0, kernel)
    parts, count = ndimage.label(kept > 0, np.ones((3, 3), np.int8))
    sums = np.asarray(ndimage.sum_labels(kept, parts, np.arange(count + 1)))
    is_noise = sums < LEAST_PART * kept.sum()
    if is_noise.all():
        is_noise[sums.argmax()] = False
    kept = np.where(is_noise[parts], 0, kept)
    return centered((kept / kept.sum()).astype(np.float32))


def centroid(kernel: Floats) -> tuple[float, float]:
    """Return the center of mass of a kernel of sum 1, from its middle, downwards and to the right [px]."""
    rows, columns = (np.arange(side) - (side - 1) / 2 for side in kernel.shape)
    return float(kernel.sum(axis=1) @ rows), float(kernel.sum(axis=0) @ columns)


def centered(kernel: Floats) -> Floats:
    """Return a kernel of the same size and sum, its center of mass within half a pixel of its middle."""
    down, right = (round(offset) for offset in centroid(kernel))
    if down == right == 0:
        return kernel
    margin = max(abs(down), abs(right))
    wide = np.pad(kernel, margin)
    rows, columns = (
        slice(margin + offset, margin + offset + side) for offset, side in zip((down, right), kernel.shape, strict=True)
    )
    moved = wide[rows, columns]
    return np.ascontiguousarray(moved / moved.sum())
