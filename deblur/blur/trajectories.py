"""Camera shake: random paths of the camera during an exposure, and the kernels that they leave.

The random walk follows G. Boracchi and A. Foi, "Modeling the performance of image restoration from motion blur", IEEE
Transactions on Image Processing 21(8), 2012 (their random motion trajectories), in the form that O. Kupyn et al.,
"DeblurGAN", CVPR 2018, algorithm 1, gave it. Three things differ. They set the speed to the same value after each
step; here it only returns to that value, so that the camera lingers where it turns, as the bright spots of measured
kernels show. They fix the length of the path, here its extent is chosen. They share out 2000 samples of the path among
the pixels, here the straight lines between fewer positions are integrated exactly.
"""

import cmath
import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deblur.blur.kernels import NEGLIGIBLE_COVERAGE, Psf, normalized

Path = NDArray[np.float64]

STEPS: Final = 128
"""Positions of a path: with this many, a corner of it is a fraction of its extent that no pixel shows."""

# Strengths at shake 1, for an exposure of 1 at a speed of about 1; each path draws its own, from 0 up to these. In
# the program of Boracchi and Foi, an anxiety of 0.005 at 2000 steps and 64 px amounts to 2.2, 450 and 2.
TURBULENCE: Final = 4.0
"""Standard deviation of all gaussian changes of the velocity together: that of the direction in radians."""

PULL: Final = 200.0
"""Acceleration towards where the path began, for each unit of distance: a pendulum of sqrt(200) / 2 pi = 2 swings."""

SHAKES: Final = 3.0
"""Mean number of sudden shakes, each of which turns the velocity round."""

TURN_SPREAD: Final = 0.5
"""How far from the opposite of its direction a shake turns the velocity at most, before inertia [radians]."""

RECOVERY: Final = 12.8
"""Rate at which the logarithm of the speed returns to 0. Much faster gives the constant speed of the papers, much
slower a pendulum that gets ever faster."""

GAUSS_NODES: Final = (0.5 - math.sqrt(1 / 12), 0.5 + math.sqrt(1 / 12))
"""Where Gauss-Legendre quadrature with two nodes evaluates the unit interval: exact up to cubic polynomials."""


def trajectory(rng: np.random.Generator, extent: float, shake: float, steps: int = STEPS) -> Path:
    """Draw the path of a shaken camera.

    A velocity that keeps its direction by inertia is disturbed by gaussian noise, pulled back to where the path began,
    and now and then turned round by a sudden shake. What is drawn does not depend on extent and shake: from the same
    generator, another extent gives the same path in another size.

    Args:
        rng: What to draw from.
        extent: Largest distance between two points of the path in px, above 0. Unlike a height or width it does not
            change when the path is turned, and for a straight path it is the length, as that of `kernels.motion`.
        shake: How unsteady the camera is, in 0..1. At 0 it moves straight on at a constant speed.
        steps: Number of positions, at least 2.

    Returns:
        Positions (x, y) at equal distances in time, y downwards, shape (steps, 2) [px].

    Raises:
        ValueError: A value is outside what is allowed.
    """
    if not (math.isfinite(extent) and extent > 0):
        raise ValueError(f"extent is {extent} px; it must be a finite number above 0.")
    if not 0 <= shake <= 1:
        raise ValueError(f"shake is {shake}; it must be in 0..1.")
    if steps < 2:
        raise ValueError(f"steps is {steps}; a path needs at least 2.")
    positions = np.array(_walk(rng, shake, steps - 1))
    path = np.stack([positions.real, positions.imag], axis=1)
    path *= extent / diameter(path)
    return path


def _walk(rng: np.random.Generator, shake: float, moves: int) -> list[complex]:
    """Return positions x + iy of a walk from 0 whose steps have a length of about 1."""
    turbulence, pull, shakes = shake * rng.random(3) * (TURBULENCE, PULL, SHAKES)
    noise = rng.standard_normal((moves, 2)) @ (1, 1j) * (turbulence / math.sqrt(moves))
    is_shaken = rng.random(moves) < shakes / moves
    turns = np.exp(1j * rng.uniform(-TURN_SPREAD, TURN_SPREAD, moves))
    velocity = cmath.exp(2j * math.pi * rng.random())
    position, positions = 0j, [0j]
    pull, recovery = pull / moves**2, min(RECOVERY / moves, 1.0)
    # Each step needs the one before, so this is a loop; numbers of Python take a tenth of the time of NumPy's in it.
    for disturbance, shaken, turn in zip(noise.tolist(), is_shaken.tolist(), turns.tolist(), strict=True):
        if shaken:
            velocity -= 2 * velocity * turn
        velocity += disturbance - pull * position
        velocity *= abs(velocity) ** -recovery
        position += velocity
        positions.append(position)
    return positions


def diameter(path: Path) -> float:
    """Return the largest distance between two positions."""
    x, y = path.T
    squares = np.subtract.outer(x, x) ** 2
    squares += np.subtract.outer(y, y) ** 2
    return math.sqrt(squares.max())


def rasterize(path: Path) -> Psf:
    """Make the kernel of a camera that follows a path.

    Between its positions the camera moves straight on, each time for the same share of the exposure. At every moment
    its light goes to the four nearest pixels by bilinear weights; the integral of these over the exposure is exact, so
    the kernel is a continuous function of the path, and its center of mass is that of the path.

    The center of mass is put into the middle of the kernel. Elsewhere the kernel would also move the image, by
    something that cannot be seen in it, and a network would be asked to move it back.

    Args:
        path: Positions (x, y) at equal distances in time, y downwards, shape (steps, 2) [px]; at least one.

    Returns:
        The smallest odd-sized kernel that holds the path; the identity for a single position.
    """
    return normalized(_exposures(path[np.newaxis])[0])


def rasterize_all(paths: NDArray[np.float64]) -> Psf:
    """Make the kernels of several paths as `rasterize` does, all of one size.

    Args:
        paths: Shape (paths, steps, 2) [px].

    Returns:
        Shape (paths, size, size), with an odd size that holds the longest path.
    """
    exposures = _exposures(paths)
    exposures[exposures < NEGLIGIBLE_COVERAGE] = 0
    kernels: Psf = exposures / exposures.sum(axis=(1, 2), keepdims=True)
    return kernels


def _exposures(paths: NDArray[np.float64]) -> Psf:
    """Return the time that each path spends at each pixel, shape (paths, size, size)."""
    polylines = paths if paths.shape[1] > 1 else np.repeat(paths, 2, axis=1)
    centered = polylines - (polylines[:, :-1] + polylines[:, 1:]).mean(axis=1, keepdims=True) / 2
    half = int(np.abs(centered).max()) + 2  # one more than bilinear weights need: the sums below round
    # All paths are one, in which no time passes between the end of one and the start of the next.
    count, steps, _ = centered.shape
    joined = centered.reshape(count * steps, 2)
    # Cut where the path crosses a line through pixel centers, the weights are quadratic in time within each piece.
    times = np.arange(len(joined))
    cuts = np.sort(np.concatenate([times, *(_crossings(coordinates) for coordinates in joined.T)]))
    x, y = (_at_nodes(np.interp(cuts, times, coordinates)) + half for coordinates in joined.T)
    path, step = np.divmod((cuts[:-1] + cuts[1:]) / 2, steps)
    durations = np.tile(np.where(step < steps - 1, np.diff(cuts), 0.0), len(GAUSS_NODES))
    column, row = x.astype(np.intp), y.astype(np.intp)
    right, below = x - column, y - row
    lower, upper = durations * below, durations * (1 - below)
    side = 2 * half + 1
    corner = row * side + column + np.tile(path.astype(np.intp) * side**2, len(GAUSS_NODES))
    pixels = np.concatenate([corner, corner + 1, corner + side, corner + side + 1])
    shares = np.concatenate([upper * (1 - right), upper * right, lower * (1 - right), lower * right])
    exposures = np.asarray(np.bincount(pixels, shares, count * side * side), dtype=np.float64)
    return exposures.reshape(count, side, side)


def _crossings(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the times at which a coordinate passes whole numbers, shape (crossings,), not in order."""
    start, change = coordinates[:-1], np.diff(coordinates)
    first = np.floor(np.minimum(start, coordinates[1:])) + 1
    count = np.maximum(np.ceil(np.maximum(start, coordinates[1:])) - first, 0).astype(np.intp)
    step = np.repeat(np.arange(len(start)), count)
    earlier = np.cumsum(count) - count  # crossings before each step
    number = first[step] + np.arange(len(step)) - earlier[step]
    times: NDArray[np.float64] = step + (number - start[step]) / change[step]
    return times


def _at_nodes(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a coordinate at the nodes of the pieces between its values, one node of all pieces after the other."""
    start, change = coordinates[:-1], np.diff(coordinates)
    return np.concatenate([start + node * change for node in GAUSS_NODES])
