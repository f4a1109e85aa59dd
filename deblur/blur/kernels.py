"""Blur kernels with the parameters of MATLAB's `fspecial`, and the convolution of a whole image with one."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from deblur.blur.images import Extension, padded

Psf = NDArray[np.float64]
"""The weights of a kernel: odd height and width, at least 0, of sum 1."""

GrayImage = NDArray[np.uint8] | NDArray[np.float32]

GAUSSIAN_TRUNCATION = 4.0
"""Half the width of a gaussian kernel, in sigmas: it leaves out 6e-5 of the weight, 0.02 gray levels at most."""

NEGLIGIBLE_COVERAGE = 1e-9
"""Share of a pixel below which a covered area is a rounding error of the geometry."""

SUM_TOLERANCE = 1e-6
"""How far the sum of a kernel may be from 1: 3e-4 gray levels on a constant image."""

RANK_TOLERANCE = 1e-7
"""Sum of the weights' errors up to which a kernel counts as a product: 3e-5 gray levels, float32's own precision."""

DIRECT_TAPS = 129
"""Largest number of elements of a float32 kernel that OpenCV filters directly and not by Fourier transform, which
takes 2 ms for 256x256 whatever the kernel; directly, only the elements above 0 cost anything, 2 to 5 us each."""

IDENTITY_RADIUS = 0.5
"""Radius up to which a disk lies within the central pixel [px]."""

SPARSE_TAPS = 200
"""Number of weights above 0 up to which several direct filters beat one Fourier transform (256x256 to 1024x1024)."""


def identity() -> Psf:
    """Return the kernel that leaves an image as it is, shape (1, 1)."""
    return np.ones((1, 1))


def gaussian(sigma: float) -> Psf:
    """Sample a round gaussian at the pixel centers.

    Args:
        sigma: Standard deviation in px, above 0.

    Returns:
        Square kernel of size 2 * ceil(4 * sigma) + 1.

    Raises:
        ValueError: `sigma` is not a finite number above 0.
    """
    _require(math.isfinite(sigma) and sigma > 0, f"sigma is {sigma} px; it must be a finite number above 0.")
    radius = math.ceil(GAUSSIAN_TRUNCATION * sigma)
    profile = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    profile /= profile.sum()
    return np.outer(profile, profile)


def box(size: int) -> Psf:
    """Average a square of `size` x `size` px.

    Raises:
        ValueError: `size` is not an odd whole number of at least 1.
    """
    _require(size >= 1 and size % 2 == 1, f"size is {size} px; it must be an odd whole number of at least 1.")
    return np.full((int(size), int(size)), 1.0 / size**2)


def motion(length: float, angle: float) -> Psf:
    """Spread each pixel evenly along a straight line.

    The line is a rectangle of the given length and of width 1 px around the kernel's center. Each weight is the exact
    area that the rectangle covers in that pixel, so the length is Euclidean at every angle, and a whole odd length at
    0 or 90 degrees is a plain row or column of 1 / length. `fspecial` takes the same parameters, but weights a pixel
    by its distance from the line.

    Args:
        length: Length of the line in px, any real number of at least 1.
        angle: Direction of the line in degrees, counter-clockwise as seen on the image (y axis up).

    Returns:
        The smallest odd-sized kernel that holds the line: `angle + 180` gives the same, `-angle` its mirror image,
        `90 - angle` its transpose.

    Raises:
        ValueError: `length` is not a finite number of at least 1, or `angle` is not finite.
    """
    _require(math.isfinite(length) and length >= 1, f"length is {length} px; it must be a finite number >= 1.")
    _require(math.isfinite(angle), f"angle is {angle} degrees; it must be a finite number.")
    # Geometry is done between 0 and 45 degrees alone: the others follow by symmetry, without rounding errors.
    turn = angle % 180.0
    if turn > 90.0:
        return np.ascontiguousarray(motion(length, 180.0 - turn)[:, ::-1])
    if turn > 45.0:
        return np.ascontiguousarray(motion(length, 90.0 - turn).T)
    cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    along = np.array([cosine, -sine]) * length / 2  # (x, y) with y down, as rows are counted
    across = np.array([sine, cosine]) / 2
    corners = np.array([along - across, along + across, across - along, -along - across])
    width, height = (_odd_size(extent) for extent in corners.max(axis=0))
    return normalized(_polygon_coverage(corners, height, width))


def disk(radius: float) -> Psf:
    """Spread each pixel evenly over a disk, as a lens out of focus does; weights are exact areas.

    Args:
        radius: Radius of the disk in px, above 0; up to 0.5 the kernel is the identity.

    Returns:
        Square kernel of size 2 * ceil(radius - 0.5) + 1.

    Raises:
        ValueError: `radius` is not a finite number above 0.
    """
    _require(math.isfinite(radius) and radius > 0, f"radius is {radius} px; it must be a finite number above 0.")
    half = _odd_size(radius) / 2
    edges = np.arange(-half, half + 1)
    x, y = np.minimum(np.abs(edges), radius)[np.newaxis, :], np.minimum(np.abs(edges), radius)[:, np.newaxis]
    # Area of the disk between the axes and (x, y): a rectangle up to where the circle falls below y, then the circle.
    meeting = np.minimum(x, _height_of_circle(y, radius))
    quadrant = y * meeting + _area_under_circle(x, radius) - _area_under_circle(meeting, radius)
    cumulative = np.sign(edges)[:, np.newaxis] * np.sign(edges)[np.newaxis, :] * quadrant
    return normalized(np.diff(np.diff(cumulative, axis=0), axis=1))


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise ValueError(sentence)


def _odd_size(extent: float) -> int:
    """Return the number of pixels that hold `extent` px to either side of the middle of the central one."""
    return 2 * math.ceil(extent - 0.5) + 1


def _height_of_circle(x: Psf, radius: float) -> Psf:
    """Return how high a circle around the origin is above x (0 <= x <= radius)."""
    return np.sqrt((radius - x) * (radius + x))  # radius**2 - x**2 can round to below 0


def _area_under_circle(x: Psf, radius: float) -> Psf:
    """Return the area between the x axis and a circle around the origin, from 0 to x (0 <= x <= radius)."""
    return 0.5 * (x * _height_of_circle(x, radius) + radius**2 * np.arcsin(x / radius))


def _polygon_coverage(corners: Psf, height: int, width: int) -> Psf:
    """Compute the exact area that a polygon around the origin covers in each pixel of a centered grid.

    Each edge adds the signed area between itself and the pixels' upper boundaries (the trapezoids of the shoelace
    formula, cut at the pixels), which leaves the inside when all edges are summed. Corners (x, y) are in order, (N, 2).
    """
    left = np.arange(width) - width / 2
    top = (np.arange(height) - height / 2)[:, np.newaxis]
    area = np.zeros((height, width))
    for (start_x, start_y), (end_x, end_y) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if start_x == end_x:
            continue  # a vertical edge bounds no area below or above itself
        slope = (end_y - start_y) / (end_x - start_x)
        from_x, to_x = np.clip(start_x, left, left + 1), np.clip(end_x, left, left + 1)
        from_y, to_y = (start_y + slope * (x - start_x) - top for x in (from_x, to_x))
        area += (to_x - from_x) * _mean_of_clipped(from_y, to_y)
    return np.abs(area)


def _mean_of_clipped(start: Psf, end: Psf) -> Psf:
    """Return the mean of clip(v, 0, 1) for v that runs evenly from start to end."""
    run = end - start
    level = np.abs(run) < NEGLIGIBLE_COVERAGE
    clipped_start, clipped_end = np.clip(start, 0.0, 1.0), np.clip(end, 0.0, 1.0)
    middle = (clipped_start + clipped_end) / 2
    ramp = (clipped_end - clipped_start) * middle
    plateau = np.maximum(end, 1.0) - np.maximum(start, 1.0)
    mean: Psf = np.where(level, middle, (ramp + plateau) / np.where(level, 1.0, run))
    return mean


def normalized(areas: Psf) -> Psf:
    """Drop rounding errors, trim empty outer rows and columns in opposite pairs and scale the sum to 1.

    Args:
        areas: What is covered of each pixel, odd height and width; below `NEGLIGIBLE_COVERAGE` is a rounding error.
    """
    psf = np.where(areas < NEGLIGIBLE_COVERAGE, 0.0, areas)
    filled = np.argwhere(psf)
    top, left = np.minimum(filled.min(axis=0), np.array(psf.shape) - 1 - filled.max(axis=0))
    trimmed = psf[top : len(psf) - top, left : psf.shape[1] - left]
    return np.ascontiguousarray(trimmed / trimmed.sum())


class Piece(NamedTuple):
    """A rectangle cut out of a kernel at a row and a column, of at most `DIRECT_TAPS` weights (rows, columns)."""

    top: int
    left: int
    psf: Psf


@dataclass(frozen=True, eq=False)
class Kernel:
    """A blur kernel (point spread function) and the fast ways to convolve with it.

    Attributes:
        psf: The weights, shape (height, width). The center is the middle element.

    Raises:
        ValueError: The weights are not odd-sized, at least 0 and of sum 1.
    """

    psf: Psf

    def __post_init__(self) -> None:
        """Check the weights."""
        if self.psf.ndim != 2 or any(size % 2 == 0 for size in self.psf.shape):
            raise ValueError(f"A kernel needs an odd height and an odd width; this has {self.psf.shape}.")
        if not self.psf.min() >= 0.0:
            raise ValueError(f"A kernel's weights must be at least 0; the smallest is {self.psf.min()}.")
        if not abs(self.psf.sum() - 1.0) <= SUM_TOLERANCE:
            raise ValueError(f"A kernel's weights must have the sum 1; these have {self.psf.sum()}.")

    @cached_property
    def factors(self) -> tuple[Psf, Psf] | None:
        """The column (height,) and row (width,) whose outer product is the kernel, or None if its rank is above 1."""
        # A matrix of rank 1 and sum 1 is the product of its own row sums and column sums, and no other matrix is.
        column, row = self.psf.sum(axis=1), self.psf.sum(axis=0)
        error = np.abs(np.outer(column, row) - self.psf).sum()
        return (column, row) if error <= RANK_TOLERANCE else None

    @cached_property
    def mirrored(self) -> Psf:
        """The weights turned by 180 degrees, as OpenCV's filters need them, which are correlations."""
        return np.ascontiguousarray(self.psf[::-1, ::-1])

    @cached_property
    def pieces(self) -> tuple[Piece, ...] | None:
        """The mirrored kernel in bands to filter one by one, or None if filtering all at once is faster."""
        size, width = self.psf.size, self.psf.shape[1]
        if size <= DIRECT_TAPS or width > DIRECT_TAPS or np.count_nonzero(self.psf) > SPARSE_TAPS:
            return None
        pieces = []
        band = _cut(self.mirrored, 0, 1)
        for bottom in range(2, len(self.mirrored) + 1):
            taller = _cut(self.mirrored, band.top, bottom)
            if taller.psf.size > DIRECT_TAPS:
                pieces.append(band)
                taller = _cut(self.mirrored, bottom - 1, bottom)
            band = taller
        return (*pieces, band)


def convolve(image: GrayImage, kernel: Kernel, boundary: Extension = "symmetric") -> NDArray[np.float32]:
    """Convolve an image with a kernel, without rounding.

    Beyond its boundary the image continues as its half-sample mirror image (`cba|abc|cba`: NumPy's `symmetric`,
    OpenCV's `BORDER_REFLECT`) or periodically (`abc|abc|abc`: NumPy's `wrap`), repeatedly if the kernel is larger than
    the image.

    Args:
        image: Gray image, shape (H, W), any range of values.
        kernel: What a single bright pixel becomes.
        boundary: How the image continues.

    Raises:
        ValueError: The image is not a non-empty two-dimensional array of uint8 or float32.
    """
    if image.ndim != 2 or image.size == 0 or image.dtype not in (np.uint8, np.float32):
        raise ValueError(f"The image must be uint8 or float32 of shape (H, W), not {image.dtype} {image.shape}.")
    if boundary == "circular":  # OpenCV's filters cannot continue an image periodically
        height, width = image.shape
        rows, columns = (size // 2 for size in kernel.psf.shape)
        extended = convolve(padded(image, boundary, rows, columns), kernel)
        return np.ascontiguousarray(extended[rows : rows + height, columns : columns + width])
    if kernel.factors is not None:
        column, row = (np.ascontiguousarray(factor[::-1]) for factor in kernel.factors)
        blurred = cv2.sepFilter2D(image, cv2.CV_32F, row, column, borderType=cv2.BORDER_REFLECT)
    elif kernel.pieces is not None:
        blurred = _sum_of_pieces(image.astype(np.float32, copy=False), kernel.psf.shape, kernel.pieces)
    else:
        exact = image.astype(np.float32, copy=False)  # from uint8 this filter takes longer
        blurred = cv2.filter2D(exact, cv2.CV_32F, kernel.mirrored, borderType=cv2.BORDER_REFLECT)
    return blurred.astype(np.float32, copy=False)


def _sum_of_pieces(
    image: NDArray[np.float32], kernel_shape: tuple[int, ...], pieces: tuple[Piece, ...]
) -> NDArray[np.float32]:
    """Add up the correlations of an image with the pieces of a kernel, each at its place in it."""
    height, width = image.shape
    vertical, horizontal = kernel_shape[0] // 2, kernel_shape[1] // 2
    extended = cv2.copyMakeBorder(image, vertical, vertical, horizontal, horizontal, cv2.BORDER_REFLECT)
    filtered = np.empty_like(extended)
    total = np.zeros_like(image)
    for top, left, psf in pieces:
        bottom, right = height + len(psf) - 1, width + psf.shape[1] - 1
        window = extended[top : top + bottom, left : left + right]
        # Anchored at its first element, the piece needs nothing from beyond the window for the pixels that are kept.
        cv2.filter2D(window, cv2.CV_32F, psf, filtered[:bottom, :right], (0, 0), borderType=cv2.BORDER_CONSTANT)
        cv2.add(total, filtered[:height, :width], total)
    return total


def _cut(psf: Psf, top: int, bottom: int) -> Piece:
    """Cut out the columns that are not empty between two rows."""
    columns = np.flatnonzero(psf[top:bottom].any(axis=0))
    left, right = (columns[0], columns[-1] + 1) if columns.size else (0, 1)
    return Piece(top, int(left), np.ascontiguousarray(psf[top:bottom, left:right]))
