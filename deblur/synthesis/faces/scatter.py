"""Dead leaves, petals and confetti: many small shapes that hide one another.

Such images have edges of all lengths, contrasts and sizes, much like photographs of nature.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deblur.synthesis.faces.canvas import Canvas
from deblur.synthesis.faces.geometry import Points
from deblur.synthesis.faces.randomness import pick

CORNERS = 12  # of a leaf; an angular leaf keeps every third
TURN = 6.28  # radians
HALF_TURN = 3.15  # radians


@dataclass(frozen=True)
class Area:
    """A rectangle in face units."""

    left: float
    right: float
    top: float
    bottom: float


@dataclass(frozen=True)
class Looks:
    """Looks of n leaves, (n,) arrays: gray levels, and line widths relative to the style's line (0: no outline)."""

    level: NDArray[np.float64]
    line: NDArray[np.float64]
    line_level: NDArray[np.float64]
    plainness: NDArray[np.float64]


def random_count(rng: np.random.RandomState, low: float, high: float) -> int:
    """Draw a number of leaves whose logarithm is uniform in [low, high)."""
    return int(math.exp(rng.uniform(low, high)))


def scatter(canvas: Canvas, rng: np.random.RandomState, sizes: NDArray[np.float64], area: Area) -> None:
    """Strew leaves of the given sizes, (n,) in face units, over an area; later ones cover earlier ones."""
    leaves = _random_leaves(rng, sizes, area)
    looks = _random_looks(canvas, rng, len(sizes))
    for number, leaf in enumerate(leaves):
        level = float(looks.level[number])
        if sizes[number] > 0.12 and looks.plainness[number] > 0.3:
            _fill_large_leaf(canvas, rng, leaf, level)
        else:
            canvas.fill_plain(leaf, level)
        if looks.line[number] > 0:
            canvas.outline(leaf, float(looks.line_level[number]), float(looks.line[number]))


def _random_leaves(rng: np.random.RandomState, sizes: NDArray[np.float64], area: Area) -> list[Points]:
    """Draw the outlines: tilted ellipses whose corners are evenly spaced or not, half of them reduced to 4 corners."""
    count = len(sizes)
    ragged = rng.uniform(size=(count, 1)) < 0.5
    uneven_angles = np.sort(rng.uniform(0, TURN, (count, CORNERS)), axis=1)
    even_angles = np.linspace(0, TURN, CORNERS, endpoint=False)
    angles = np.where(ragged, uneven_angles, even_angles)
    tilt = rng.uniform(0, HALF_TURN, (count, 1))
    flatness = rng.uniform(0.15, 1, (count, 1))
    angular = rng.uniform(size=count) < 0.5
    x = rng.uniform(area.left, area.right, count)
    y = rng.uniform(area.top, area.bottom, count)

    long, short = np.cos(angles), flatness * np.sin(angles)
    shape_x = long * np.cos(tilt) - short * np.sin(tilt)
    shape_y = long * np.sin(tilt) + short * np.cos(tilt)
    outlines = np.stack([shape_x, shape_y], axis=2) * sizes[:, None, None] + np.stack([x, y], axis=1)[:, None]
    return [leaf[::3] if few else leaf for leaf, few in zip(outlines, angular, strict=True)]


def _random_looks(canvas: Canvas, rng: np.random.RandomState, count: int) -> Looks:
    """Draw the looks: a third of the leaves has outlines, most of them in the drawing's ink."""
    level = rng.uniform(0, 256, count)
    line = rng.uniform(0.3, 1.4, count) * (rng.uniform(size=count) < 0.35)
    inked = rng.uniform(size=count) < 0.7
    line_level = np.where(inked, canvas.ink, rng.uniform(0, 256, count))
    return Looks(level, line, line_level, plainness=rng.uniform(size=count))


def _fill_large_leaf(canvas: Canvas, rng: np.random.RandomState, leaf: Points, level: float) -> None:
    """Fill a leaf that is large enough to show a gradient, transparency and texture."""
    end_level = level + rng.normal(0, 50)
    angle = rng.uniform(0, 360)
    opacity = pick(rng, 1, 1, rng.uniform(0.3, 1))
    texture = pick(rng, None, canvas.textures.blotches)
    canvas.fill(leaf, level, end_level, angle=angle, opacity=opacity, line=0, texture=texture)
