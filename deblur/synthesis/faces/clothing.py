"""Everything worn: the upper body with neck and collar, and what is on the head."""

from dataclasses import dataclass

import numpy as np

from deblur.synthesis.faces.canvas import Canvas
from deblur.synthesis.faces.decorations import draw_decoration
from deblur.synthesis.faces.geometry import SIDES, Points, as_points, bezier, ellipse, join, mirror, shifted, symmetric
from deblur.synthesis.faces.hair import HairColors
from deblur.synthesis.faces.randomness import happens, pick
from deblur.synthesis.faces.scatter import Area, scatter


@dataclass(frozen=True)
class Garment:
    """A garment: half of its width and its upper edge in face units, its outline and its gray level."""

    half_width: float
    top: float
    shape: Points
    level: float


def draw_body(canvas: Canvas, rng: np.random.RandomState, skin: float) -> None:
    """Draw the clothed upper body and the neck."""
    garment = _random_garment(rng)
    end_level = garment.level * rng.uniform(0.5, 1.1)
    canvas.fill(garment.shape, garment.level, end_level, texture=canvas.textures.blotches)
    _draw_folds(canvas, rng, garment)
    _draw_creases(canvas, rng, garment)
    if happens(rng, 0.5):
        _draw_print(canvas, rng, garment)
    _draw_neck(canvas, rng, garment, skin)
    if happens(rng, 0.7):
        _draw_collar(canvas, rng, garment)
    for _ in range(rng.poisson(0.9)):
        x, y = rng.normal(0, 0.4), rng.uniform(garment.top + 0.3, garment.top + 0.6)
        draw_decoration(canvas, rng, x, y, size=rng.uniform(0.12, 0.35))


def _random_garment(rng: np.random.RandomState) -> Garment:
    """Draw shape and color of the garment."""
    level = pick(rng, rng.uniform(10, 80), rng.uniform(80, 200), rng.uniform(200, 256))
    half_width = rng.uniform(1.0, 1.5)
    top = rng.uniform(1.3, 1.45)
    shoulder, elbow = (-half_width * 0.7, top + 0.1), (-half_width, top + 0.4)
    shape = symmetric(bezier((-0.2, top), shoulder, elbow, (-half_width - 0.4, 3.4)))
    return Garment(half_width, top, shape, level)


def _draw_folds(canvas: Canvas, rng: np.random.RandomState, garment: Garment) -> None:
    """Darken a few folds of the cloth."""
    for _ in range(rng.randint(1, 5)):
        x = rng.uniform(-garment.half_width, garment.half_width)
        y = rng.uniform(garment.top + 0.3, 2.6)
        fold = ellipse(x, y, rng.uniform(0.1, 0.5), rng.uniform(0.3, 0.9), count=20)
        canvas.shade(fold, garment.shape, rng.uniform(0.6, 0.9))


def _draw_creases(canvas: Canvas, rng: np.random.RandomState, garment: Garment) -> None:
    """Draw lines that fall down the cloth."""
    for _ in range(rng.randint(3, 14)):
        x = rng.uniform(-garment.half_width, garment.half_width)
        y = rng.uniform(garment.top + 0.2, 2.4)
        middle = (x + rng.normal(0, 0.2), y + 0.3)
        end = (x + rng.normal(0, 0.3), y + rng.uniform(0.3, 0.9))
        level = pick(rng, canvas.ink, garment.level * 0.7, 255 - garment.level)
        canvas.stroke(bezier((x, y), middle, end), level, rng.uniform(0.4, 1.5))


def _draw_print(canvas: Canvas, rng: np.random.RandomState, garment: Garment) -> None:
    """Print small shapes on the cloth."""
    sizes = rng.uniform(0.02, 0.1, rng.randint(20, 120))
    area = Area(-garment.half_width, garment.half_width, garment.top + 0.25, 2.4)
    scatter(canvas, rng, sizes, area)


def _draw_neck(canvas: Canvas, rng: np.random.RandomState, garment: Garment, skin: float) -> None:
    """Draw the neck with its neckline, and the chin's shadow on it."""
    side, notch = garment.top + 0.05, garment.top + 0.35
    neck = as_points((-0.25, 0.8), (0.25, 0.8), (0.28, side), (0.05, notch), (-0.05, notch), (-0.28, side))
    canvas.fill(neck, skin, skin * 0.93, line=0.8)
    canvas.shade(ellipse(0, 0.95, 0.5, 0.33), neck, rng.uniform(0.65, 0.85))


def _draw_collar(canvas: Canvas, rng: np.random.RandomState, garment: Garment) -> None:
    """Draw both halves of a collar."""
    level = pick(rng, rng.uniform(215, 256), rng.uniform(10, 256))
    outer = (rng.uniform(0.5, 0.8), garment.top + 0.1)
    corner = (rng.uniform(0.3, 0.6), garment.top + 0.6)
    right = as_points((0.28, garment.top - 0.12), outer, corner, (0.0, garment.top + 0.35))
    for half in (right, mirror(right)):
        canvas.fill(half, level, level * 0.8)


def draw_headwear(canvas: Canvas, rng: np.random.RandomState, colors: HairColors) -> None:
    """Draw what is on the head: animal ears, a headband or a cap or none of them, decorations, and glasses."""
    kind = rng.rand()
    level = rng.uniform(20, 250)
    if kind < 0.2:
        _draw_animal_ears(canvas, colors)
    elif kind < 0.4:
        _draw_headband(canvas, level)
    elif kind < 0.52:
        _draw_cap(canvas, level)
    for _ in range(rng.poisson(1.2)):
        x = pick(rng, *SIDES) * rng.uniform(0.5, 1.1)
        y = rng.uniform(-1.3, -0.4)
        draw_decoration(canvas, rng, x, y, size=rng.uniform(0.12, 0.4))
    if kind > 0.92:
        _draw_glasses(canvas)


def _draw_animal_ears(canvas: Canvas, colors: HairColors) -> None:
    """Draw two pointed ears in the color of the hair."""
    outer = bezier((0.4, -1.35), (0.75, -2.5), (1.15, -2.1), (1.1, -0.95))
    inner = bezier((0.6, -1.35), (0.8, -2.2), (1.05, -1.9), (1.0, -1.05))
    for side in SIDES:
        canvas.fill(outer * [side, 1], colors.mid, colors.dark)
        canvas.fill(inner * [side, 1], 200, colors.light, line=0.6)


def _draw_headband(canvas: Canvas, level: float) -> None:
    """Draw a band from ear to ear."""
    front = bezier((-1.12, -0.5), (-0.9, -1.5), (0.9, -1.5), (1.12, -0.5))
    back = bezier((1.1, -0.68), (0.85, -1.72), (-0.85, -1.72), (-1.1, -0.68))
    canvas.fill(join(front, back), level, level * 0.8)


def _draw_cap(canvas: Canvas, level: float) -> None:
    """Draw a round cap, shaded on one side."""
    crown = bezier((-1.3, -0.7), (-1.3, -2.3), (1.3, -2.3), (1.3, -0.7))
    rim = bezier((1.3, -0.7), (0.5, -1.1), (-0.5, -1.1), (-1.3, -0.7))
    cap = join(crown, rim)
    canvas.fill(cap, level, level * 0.7)
    canvas.shade(shifted(cap, 0.5, 0.2), cap, 0.8)


def _draw_glasses(canvas: Canvas) -> None:
    """Draw the two rims of a pair of glasses."""
    for side in SIDES:
        canvas.stroke(ellipse(side * 0.44, 0.22, 0.32, 0.27), canvas.ink, 1.4, tapered=False)
