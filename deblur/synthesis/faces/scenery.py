"""The background, the petals in front of the face, and the scattering of leaves that both use.

Many small shapes that occlude one another have edges of all lengths, contrasts and sizes, as photographs of nature do.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deblur.synthesis import CANVAS_SIZE, OVERSAMPLING, happens, pick
from deblur.synthesis.colors import Color
from deblur.synthesis.faces.canvas import PIXELS, Canvas, Levels
from deblur.synthesis.faces.geometry import Points

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


BEHIND = Area(left=-2.5, right=2.5, top=-2.7, bottom=2.3)
IN_FRONT = Area(left=-2.4, right=2.4, top=-2.6, bottom=2.2)


def draw_background(canvas: Canvas, rng: np.random.RandomState) -> None:
    """Draw the background: bare paper, a gradient, a pattern, or, in half of the drawings, scenery."""
    kind = rng.randint(6)
    top_level = pick(rng, rng.uniform(215, 256), rng.uniform(0, 256))
    bottom_level = pick(rng, rng.uniform(215, 256), rng.uniform(0, 256))
    if kind == 0:
        return
    slant = PIXELS * (rng.uniform(-1, 1) / CANVAS_SIZE)
    image = slant + (PIXELS / CANVAS_SIZE)[:, None]
    image *= bottom_level - top_level
    image += top_level
    canvas.levels[:] = np.clip(image, 0, 255, out=image)
    if canvas.colors is not None:
        _fade(canvas.colors, *canvas.palette.background())
    if kind == 2:
        _draw_pattern(canvas, rng)
    elif kind >= 3:
        _draw_scenery(canvas, rng)


def _fade(colors: Levels, top: Color, bottom: Color) -> None:
    """Cover the colors of an image with a gradient from top to bottom."""
    progress = np.linspace(0, 1, len(colors), dtype=np.float32)[:, None]
    colors[:] = (np.array(top) + progress * np.subtract(bottom, top))[:, None]


def draw_petals(canvas: Canvas, rng: np.random.RandomState) -> None:
    """Draw a few petals or confetti in front of the face."""
    count = _random_count(rng, 2, 5)
    sizes = rng.uniform(0.02, 0.1) / rng.uniform(0.05, 1, count) ** 0.7
    scatter(canvas, rng, np.minimum(sizes, 0.3), IN_FRONT)


def _draw_pattern(canvas: Canvas, rng: np.random.RandomState) -> None:
    """Add lighter or darker stripes or checks."""
    period = rng.uniform(8, 60)  # px
    angle = rng.uniform(0, 3.2)  # radians
    wave = _plane_wave(period, math.cos(angle), math.sin(angle))
    if happens(rng, 0.6):
        wave = wave * _plane_wave(period, -math.sin(angle), math.cos(angle))
    contrast = rng.uniform(-60, 60)  # gray levels
    stripes = np.clip(wave * (period / 5) + 0.5, 0, 1)
    canvas.levels[:] = np.clip(canvas.levels + contrast * stripes, 0, 255)


def _plane_wave(period: float, direction_x: float, direction_y: float) -> NDArray[np.float32]:
    """Return a sine wave in [-1, 1] over the whole canvas; period in pixels, direction a unit vector."""
    phase = 2 * np.pi / period * (PIXELS * direction_x + (PIXELS * direction_y)[:, None])
    return np.sin(phase)


def _draw_scenery(canvas: Canvas, rng: np.random.RandomState) -> None:
    """Scatter leaves of power-law sizes; one scenery in four is out of focus."""
    count = _random_count(rng, 3, 6.2)
    sizes = rng.uniform(0.05, 0.12) / rng.uniform(0.03, 1, count) ** 0.8
    scatter(canvas, rng, np.minimum(sizes, 1.5), BEHIND)
    if happens(rng, 0.25):
        width = rng.randint(1, 14) * OVERSAMPLING + 1  # px
        once = cv2.blur(canvas.levels, (width, width))
        canvas.levels[:] = cv2.blur(once, (width, width))
        if canvas.colors is not None:
            reduced = (width // OVERSAMPLING | 1,) * 2
            canvas.colors[:] = cv2.blur(cv2.blur(canvas.colors, reduced), reduced)


def _random_count(rng: np.random.RandomState, low: float, high: float) -> int:
    """Draw a number of leaves whose logarithm is uniform in [low, high)."""
    return int(math.exp(rng.uniform(low, high)))


def scatter(canvas: Canvas, rng: np.random.RandomState, sizes: NDArray[np.float64], area: Area) -> None:
    """Scatter leaves of the given sizes, (n,) in face units, over an area; later ones occlude earlier ones.

    A third of the leaves have outlines, most of them in the drawing's ink.
    """
    count = len(sizes)
    leaves = _random_leaves(rng, sizes, area)
    levels = rng.uniform(0, 256, count)
    colors = canvas.palette.leaves(levels)
    lines = rng.uniform(0.3, 1.4, count) * (rng.uniform(size=count) < 0.35)  # widths; 0 for no outline
    is_inked = rng.uniform(size=count) < 0.7
    line_levels = np.where(is_inked, canvas.ink, rng.uniform(0, 256, count))
    is_plain = (rng.uniform(size=count) <= 0.3) | (sizes <= 0.12)
    for number, leaf in enumerate(leaves):
        level = float(levels[number])
        if is_plain[number]:
            canvas.fill_plain(leaf, level, colors[number])
        else:
            _fill_large_leaf(canvas, rng, leaf, level, colors[number])
        if lines[number] > 0:
            canvas.outline(leaf, float(line_levels[number]), float(lines[number]))


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


def _fill_large_leaf(canvas: Canvas, rng: np.random.RandomState, leaf: Points, level: float, color: Color) -> None:
    """Fill a leaf that is large enough to show a gradient, transparency and texture."""
    end_level = level + rng.normal(0, 50)
    angle = rng.uniform(0, 360)
    opacity = pick(rng, 1, 1, rng.uniform(0.3, 1))
    texture = pick(rng, None, canvas.textures.blotches)
    canvas.fill(leaf, level, end_level, angle=angle, opacity=opacity, line=0, texture=texture, color=color)
