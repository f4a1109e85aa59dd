"""Blur kernels: odd-sized, non-negative float arrays of sum 1, with the parameters of MATLAB's `fspecial`."""

import math

import numpy as np
from numpy.typing import NDArray

Psf = NDArray[np.float64]

GAUSSIAN_TRUNCATION = 4.0
"""Half the width of a gaussian kernel, in sigmas: it leaves out 6e-5 of the weight, 0.02 gray levels at most."""

NEGLIGIBLE_COVERAGE = 1e-9
"""Share of a pixel below which a covered area is a rounding error of the geometry."""


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
        ValueError: If sigma is not a finite number above 0.
    """
    _require(math.isfinite(sigma) and sigma > 0, f"sigma is {sigma} px; it must be a finite number above 0.")
    radius = math.ceil(GAUSSIAN_TRUNCATION * sigma)
    profile = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    profile /= profile.sum()
    return np.outer(profile, profile)


def box(size: int) -> Psf:
    """Average a square of pixels.

    Args:
        size: Width and height in px, odd, at least 1.

    Returns:
        Constant kernel, shape (size, size).

    Raises:
        ValueError: If size is not an odd whole number of at least 1.
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
        ValueError: If length is not a finite number of at least 1, or angle is not finite.
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
    """Spread each pixel evenly over a disk, as a lens out of focus does.

    Each weight is the exact area that the disk covers in that pixel.

    Args:
        radius: Radius of the disk in px, above 0; up to 0.5 the kernel is the identity.

    Returns:
        Square kernel of size 2 * ceil(radius - 0.5) + 1.

    Raises:
        ValueError: If radius is not a finite number above 0.
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
    """Raise a ValueError with the sentence unless the condition holds."""
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
    formula, cut at the pixels), which leaves the inside when all edges are summed.

    Args:
        corners: Corners (x, y) in px, in order, shape (N, 2).
        height: Rows of the grid, odd.
        width: Columns of the grid, odd.

    Returns:
        Areas in 0..1, shape (height, width), up to rounding errors.
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
