"""Curves and outlines as (n, 2) arrays of x and y, and the view that places them on the canvas.

Most are in face units: the chin is about one unit below the middle of the head, the ears are about one unit to its left
and right, and y grows downwards.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from deblur.synthesis import CANVAS_SIZE

Points = NDArray[np.float64]
Point = tuple[float, float] | Points

FULL_TURN = 2 * math.pi  # radians
SIDES = (-1, 1)  # left and right, as a factor of x


def as_points(*points: Point) -> Points:
    """Return the given points as an (n, 2) array."""
    return np.array(points, dtype=np.float64)


@cache
def _bernstein_basis(degree: int, count: int) -> Points:
    """Return the (count, degree + 1) weights of a Bezier curve's control points."""
    time = np.linspace(0, 1, count)[:, None]
    powers = np.arange(degree + 1)
    binomials = np.array([math.comb(degree, power) for power in powers])
    return _frozen(binomials * time**powers * (1 - time) ** (degree - powers))


def bezier(*control_points: Point, count: int = 14) -> Points:
    """Return `count` points of a Bezier curve, from its first control point to its last one."""
    return _bernstein_basis(len(control_points) - 1, count) @ as_points(*control_points)


@cache
def circle(count: int, start: float = 0.0, stop: float = FULL_TURN) -> Points:
    """Return `count` points of the unit circle, from one angle to another (radians, both included); read only."""
    angles = np.linspace(start, stop, count)
    return _frozen(np.stack([np.cos(angles), np.sin(angles)], axis=1))


def ellipse(
    x: float,
    y: float,
    radius_x: float,
    radius_y: float,
    count: int = 32,
    arc: tuple[float, float] = (0.0, FULL_TURN),
) -> Points:
    """Return `count` points of an ellipse around (x, y), or of its arc between two angles (radians)."""
    return circle(count, *arc) * [radius_x, radius_y] + [x, y]


def shifted(points: Points, x: float, y: float) -> Points:
    """Move points by x to the right and by y downwards."""
    return points + as_points((x, y))


def mirror(points: Points) -> Points:
    """Reflect points left to right and reverse them: a half outline continues into its mirrored half."""
    return points[::-1] * [-1, 1]


def join(*parts: Points) -> Points:
    """Concatenate curves."""
    return np.concatenate(parts)


def symmetric(half: Points) -> Points:
    """Complete a half outline with its mirror image."""
    return join(half, mirror(half))


def closed(points: Points) -> Points:
    """Repeat the first point at the end."""
    return join(points, points[:1])


@cache
def _taper(count: int) -> Points:
    """Return `count` width factors, thin at both ends and 1 in the middle."""
    arch = np.sin(np.linspace(0, np.pi, count))
    return _frozen(0.12 + 0.88 * arch**0.7)


def ribbon(path: Points, half_width: float, *, tapered: bool) -> Points:
    """Return the outline, (2n, 2), of a line of the given half width along a path of n >= 2 points.

    A tapered line is thin at both ends, as if drawn with a brush.
    """
    # As complex numbers, x + iy, a point takes one number and a quarter turn is a multiplication by 1j.
    middle = np.ascontiguousarray(path).view(np.complex128)[:, 0]
    steps = np.empty_like(middle)
    np.subtract(middle[2:], middle[:-2], out=steps[1:-1])
    steps[0] = middle[1] - middle[0]
    steps[-1] = middle[-1] - middle[-2]
    widths = half_width / (np.abs(steps) + 1e-6)
    if tapered:
        widths *= _taper(len(middle))
    offsets = steps * 1j * widths
    edges = np.concatenate([middle + offsets, (middle - offsets)[::-1]])
    return edges.view(np.float64).reshape(-1, 2)


def _frozen(array: Points) -> Points:
    """Make a cached array read only: a change in it would show in all later drawings."""
    array.setflags(write=False)
    return array


@dataclass(frozen=True)
class View:
    """Size, turn and place of the face on the canvas."""

    unit: float  # length of one face unit [canvas px]
    matrix: NDArray[np.float64]  # (2, 2), multiplied from the right: turns and scales a row of face units to pixels
    origin: NDArray[np.float64]  # (2,), the middle of the head [canvas px]

    def to_pixels(self, points: Points) -> Points:
        """Convert (n, 2) points from face units to canvas pixels."""
        return points @ self.matrix + self.origin

    def direction(self, angle: float) -> NDArray[np.float64]:
        """Convert a direction from degrees in face units (0: right, 90: down) to a unit vector in pixels, (2,)."""
        radians = math.radians(angle)
        vector = np.array([math.cos(radians), math.sin(radians)]) @ self.matrix
        vector /= math.hypot(*vector)
        return vector

    def turn_about_center(self) -> NDArray[np.float32]:
        """Return the (2, 3) affine map, in pixels, that turns an image like the face and keeps the canvas center."""
        center = CANVAS_SIZE / 2
        affine = np.zeros((2, 3), np.float32)
        affine[:, :2] = self.matrix.T / self.unit
        affine[:, 2] = center - affine[:, :2] @ [center, center]
        return affine


def random_view(rng: np.random.RandomState) -> View:
    """Draw the size, tilt, width and place of the face."""
    tilt = math.radians(rng.normal(0, 9))
    unit = rng.uniform(0.2, 0.32) * CANVAS_SIZE
    stretch = rng.uniform(0.95, 1.1)
    cosine, sine = math.cos(tilt), math.sin(tilt)
    matrix = (unit * np.array([[cosine, -sine], [sine, cosine]]) * [stretch, 1]).T
    x = CANVAS_SIZE * rng.normal(0.5, 0.04)
    y = CANVAS_SIZE * rng.normal(0.54, 0.04)
    return View(unit, matrix, np.array([x, y]))
