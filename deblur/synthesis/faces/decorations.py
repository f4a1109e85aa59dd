"""Small decorations for hair and clothes: flowers, bows, gems, stars and ribbons."""

from dataclasses import dataclass

import numpy as np

from deblur.synthesis.faces.canvas import WHITE, Canvas
from deblur.synthesis.faces.geometry import SIDES, as_points, bezier, circle, ellipse, join


@dataclass(frozen=True)
class Decoration:
    """Place, size (about half of the width) in face units, and two gray levels of a decoration."""

    x: float
    y: float
    size: float
    level: float
    second_level: float


def draw_decoration(canvas: Canvas, rng: np.random.RandomState, x: float, y: float, size: float) -> None:
    """Draw a random decoration around (x, y), about `size` face units to all sides."""
    kind = rng.randint(5)
    level = rng.uniform(20, 250)
    item = Decoration(x, y, size, level, second_level=level + rng.normal(0, 60))
    if kind == 0:
        _draw_flower(canvas, item, petals=rng.randint(5, 9))
    elif kind == 1:
        _draw_bow(canvas, rng, item)
    elif kind == 2:
        _draw_gem(canvas, item)
    elif kind == 3:
        _draw_star(canvas, item)
    else:
        _draw_ribbon(canvas, item)


def _draw_flower(canvas: Canvas, item: Decoration, petals: int) -> None:
    """Draw round petals around a heart of the opposite lightness."""
    x, y, size = item.x, item.y, item.size
    for petal_x, petal_y in circle(petals + 1)[:petals].tolist():
        petal = ellipse(x + size * 0.6 * petal_x, y + size * 0.6 * petal_y, size * 0.42, size * 0.42, count=16)
        canvas.fill(petal, item.level, item.second_level, line=0.7)
    canvas.fill(ellipse(x, y, size * 0.3, size * 0.3, count=14), WHITE - item.level, line=0.7)


def _draw_bow(canvas: Canvas, rng: np.random.RandomState, item: Decoration) -> None:
    """Draw two loops with folds, and the knot between them."""
    x, y, size = item.x, item.y, item.size
    for side in SIDES:
        reach = side * size
        upper = bezier((x, y), (x + reach * 0.8, y - size * 1.1), (x + reach * 1.4, y - size * 0.5))
        lower = bezier((x + reach * 1.4, y + size * 0.5), (x + reach * 0.8, y + size * 0.6), (x, y))
        canvas.fill(join(upper, lower), item.level, item.second_level, line=0.9)
        for _ in range(3):
            middle = (x + reach * 0.5, y + size * rng.uniform(-0.3, 0.3))
            end = (x + reach, y + size * rng.uniform(-0.4, 0.4))
            canvas.stroke(bezier((x, y), middle, end), canvas.ink, 0.8)
    knot = ellipse(x, y, size * 0.25, size * 0.3, count=14)
    canvas.fill(knot, item.second_level, item.level, line=0.9)


def _draw_gem(canvas: Canvas, item: Decoration) -> None:
    """Draw a round gem with a glint."""
    x, y, size = item.x, item.y, item.size
    canvas.fill(ellipse(x, y, size * 0.7, size * 0.7, count=24), item.level, item.second_level)
    glint = ellipse(x - size * 0.2, y - size * 0.2, size * 0.2, size * 0.15, count=10)
    canvas.fill(glint, 250, line=0)


def _draw_star(canvas: Canvas, item: Decoration) -> None:
    """Draw a star with five points."""
    radii = np.where(np.arange(10) % 2, 0.4 * item.size, item.size)
    star = circle(11)[:10] * radii[:, None] + [item.x, item.y]
    canvas.fill(star, item.level, item.second_level, line=0.8)


def _draw_ribbon(canvas: Canvas, item: Decoration) -> None:
    """Draw four slanted stripes in two alternating gray levels."""
    left, right = item.x - item.size, item.x + item.size
    for number in range(4):
        drop = 0.3 * number
        top_left = (left, item.y + item.size * (drop - 0.6))
        top_right = (right, item.y + item.size * (drop - 0.5))
        bottom_right = (right, item.y + item.size * (drop - 0.3))
        bottom_left = (left, item.y + item.size * (drop - 0.4))
        level = item.level if number % 2 else item.second_level
        canvas.fill(as_points(top_left, top_right, bottom_right, bottom_left), level, line=0.5)
