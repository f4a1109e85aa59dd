"""Clothes of the upper body with neck and collar, headwear, and the decorations of both."""

import numpy as np

from deblur.synthesis import happens, pick
from deblur.synthesis.colors import Color
from deblur.synthesis.faces.canvas import WHITE, Canvas
from deblur.synthesis.faces.geometry import (
    SIDES,
    as_points,
    bezier,
    circle,
    ellipse,
    join,
    mirror,
    shifted,
    symmetric,
)
from deblur.synthesis.faces.hair import HairColors
from deblur.synthesis.faces.scenery import Area, scatter


def draw_body(canvas: Canvas, rng: np.random.RandomState, skin: float) -> None:
    """Draw the clothed upper body and the neck."""
    level = pick(rng, rng.uniform(10, 80), rng.uniform(80, 200), rng.uniform(200, 256))
    half_width = rng.uniform(1.0, 1.5)
    top = rng.uniform(1.3, 1.45)
    shoulder, elbow = (-half_width * 0.7, top + 0.1), (-half_width, top + 0.4)
    garment = symmetric(bezier((-0.2, top), shoulder, elbow, (-half_width - 0.4, 3.4)))
    end_level, blotches = level * rng.uniform(0.5, 1.1), canvas.textures.blotches
    canvas.fill(garment, level, end_level, texture=blotches, color=canvas.palette.cloth(level))
    for _ in range(rng.randint(1, 5)):  # dark folds
        x, y = rng.uniform(-half_width, half_width), rng.uniform(top + 0.3, 2.6)
        fold = ellipse(x, y, rng.uniform(0.1, 0.5), rng.uniform(0.3, 0.9), count=20)
        canvas.shade(fold, garment, rng.uniform(0.6, 0.9))
    for _ in range(rng.randint(3, 14)):  # creases
        x, y = rng.uniform(-half_width, half_width), rng.uniform(top + 0.2, 2.4)
        middle = (x + rng.normal(0, 0.2), y + 0.3)
        end = (x + rng.normal(0, 0.3), y + rng.uniform(0.3, 0.9))
        crease_level = pick(rng, canvas.ink, level * 0.7, 255 - level)
        canvas.stroke(bezier((x, y), middle, end), crease_level, rng.uniform(0.4, 1.5))
    if happens(rng, 0.5):  # a print
        sizes = rng.uniform(0.02, 0.1, rng.randint(20, 120))
        scatter(canvas, rng, sizes, Area(-half_width, half_width, top + 0.25, 2.4))
    side, notch = top + 0.05, top + 0.35
    neck = as_points((-0.25, 0.8), (0.25, 0.8), (0.28, side), (0.05, notch), (-0.05, notch), (-0.28, side))
    canvas.fill(neck, skin, skin * 0.93, line=0.8, color=canvas.palette.skin)
    canvas.shade(ellipse(0, 0.95, 0.5, 0.33), neck, rng.uniform(0.65, 0.85), color=canvas.palette.skin_shadow)
    if happens(rng, 0.7):
        _draw_collar(canvas, rng, top)
    for _ in range(rng.poisson(0.9)):
        x, y = rng.normal(0, 0.4), rng.uniform(top + 0.3, top + 0.6)
        _draw_decoration(canvas, rng, x, y, size=rng.uniform(0.12, 0.35))


def _draw_collar(canvas: Canvas, rng: np.random.RandomState, top: float) -> None:
    level = pick(rng, rng.uniform(215, 256), rng.uniform(10, 256))
    outer = (rng.uniform(0.5, 0.8), top + 0.1)
    corner = (rng.uniform(0.3, 0.6), top + 0.6)
    right = as_points((0.28, top - 0.12), outer, corner, (0.0, top + 0.35))
    color = canvas.palette.cloth(level)
    for half in (right, mirror(right)):
        canvas.fill(half, level, level * 0.8, color=color)


def draw_headwear(canvas: Canvas, rng: np.random.RandomState, colors: HairColors) -> None:
    """Draw what is on the head: animal ears, a headband or a cap or none of them, decorations, and glasses."""
    kind = rng.rand()
    level = rng.uniform(20, 250)
    if kind < 0.2:
        _draw_animal_ears(canvas, colors)
    elif kind < 0.4:
        front = bezier((-1.12, -0.5), (-0.9, -1.5), (0.9, -1.5), (1.12, -0.5))
        back = bezier((1.1, -0.68), (0.85, -1.72), (-0.85, -1.72), (-1.1, -0.68))
        canvas.fill(join(front, back), level, level * 0.8, color=canvas.palette.cloth(level))
    elif kind < 0.52:
        crown = bezier((-1.3, -0.7), (-1.3, -2.3), (1.3, -2.3), (1.3, -0.7))
        cap = join(crown, bezier((1.3, -0.7), (0.5, -1.1), (-0.5, -1.1), (-1.3, -0.7)))
        canvas.fill(cap, level, level * 0.7, color=canvas.palette.cloth(level))
        canvas.shade(shifted(cap, 0.5, 0.2), cap, 0.8)
    for _ in range(rng.poisson(1.2)):
        x = pick(rng, *SIDES) * rng.uniform(0.5, 1.1)
        y = rng.uniform(-1.3, -0.4)
        _draw_decoration(canvas, rng, x, y, size=rng.uniform(0.12, 0.4))
    if kind > 0.92:  # glasses
        for side in SIDES:
            canvas.stroke(ellipse(side * 0.44, 0.22, 0.32, 0.27), canvas.ink, 1.4, tapered=False)


def _draw_animal_ears(canvas: Canvas, colors: HairColors) -> None:
    outer = bezier((0.4, -1.35), (0.75, -2.5), (1.15, -2.1), (1.1, -0.95))
    inner = bezier((0.6, -1.35), (0.8, -2.2), (1.05, -1.9), (1.0, -1.05))
    for side in SIDES:
        canvas.fill(outer * [side, 1], colors.mid, colors.dark, color=canvas.palette.hair)
        canvas.fill(inner * [side, 1], 200, colors.light, line=0.6, color=canvas.palette.blush)


def _draw_decoration(canvas: Canvas, rng: np.random.RandomState, x: float, y: float, size: float) -> None:
    """Draw a random decoration around (x, y), about `size` face units to all sides."""
    kind = rng.randint(5)
    level = rng.uniform(20, 250)
    second_level = level + rng.normal(0, 60)
    color = canvas.palette.cloth(level)
    if kind == 0:  # a flower with a center of the opposite lightness
        petals = rng.randint(5, 9)
        for petal_x, petal_y in circle(petals + 1)[:petals].tolist():
            petal = ellipse(x + size * 0.6 * petal_x, y + size * 0.6 * petal_y, size * 0.42, size * 0.42, count=16)
            canvas.fill(petal, level, second_level, line=0.7, color=color)
        center = ellipse(x, y, size * 0.3, size * 0.3, count=14)
        canvas.fill(center, WHITE - level, line=0.7, color=canvas.palette.cloth(WHITE - level))
    elif kind == 1:
        _draw_bow(canvas, rng, x, y, size, (level, second_level), color)
    elif kind == 2:  # a gem with a glint
        canvas.fill(ellipse(x, y, size * 0.7, size * 0.7, count=24), level, second_level, color=color)
        canvas.fill(ellipse(x - size * 0.2, y - size * 0.2, size * 0.2, size * 0.15, count=10), 250, line=0)
    elif kind == 3:  # a star with five points
        radii = np.where(np.arange(10) % 2, 0.4 * size, size)
        canvas.fill(circle(11)[:10] * radii[:, None] + [x, y], level, second_level, line=0.8, color=color)
    else:  # slanted stripes
        left, right = x - size, x + size
        for number in range(4):
            top_left, top_right, bottom_right, bottom_left = (
                y + size * (0.3 * number - rise) for rise in (0.6, 0.5, 0.3, 0.4)
            )
            stripe = as_points((left, top_left), (right, top_right), (right, bottom_right), (left, bottom_left))
            canvas.fill(stripe, level if number % 2 else second_level, line=0.5, color=color)


def _draw_bow(
    canvas: Canvas,
    rng: np.random.RandomState,
    x: float,
    y: float,
    size: float,
    levels: tuple[float, float],
    color: Color,
) -> None:
    """Draw two loops with folds, and the knot between them."""
    for side in SIDES:
        reach = side * size
        upper = bezier((x, y), (x + reach * 0.8, y - size * 1.1), (x + reach * 1.4, y - size * 0.5))
        lower = bezier((x + reach * 1.4, y + size * 0.5), (x + reach * 0.8, y + size * 0.6), (x, y))
        canvas.fill(join(upper, lower), *levels, line=0.9, color=color)
        for _ in range(3):
            middle = (x + reach * 0.5, y + size * rng.uniform(-0.3, 0.3))
            end = (x + reach, y + size * rng.uniform(-0.4, 0.4))
            canvas.stroke(bezier((x, y), middle, end), canvas.ink, 0.8)
    canvas.fill(ellipse(x, y, size * 0.25, size * 0.3, count=14), *levels[::-1], line=0.9, color=color)
