"""What is behind the face, and what floats in front of it."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from deblur.synthesis.faces.canvas import Canvas
from deblur.synthesis.faces.randomness import happens, pick
from deblur.synthesis.faces.scatter import Area, random_count, scatter
from deblur.synthesis.faces.view import CANVAS_SIZE, OVERSAMPLING, PIXELS

BEHIND = Area(left=-2.5, right=2.5, top=-2.7, bottom=2.3)
IN_FRONT = Area(left=-2.4, right=2.4, top=-2.6, bottom=2.2)


def draw_background(canvas: Canvas, rng: np.random.RandomState) -> None:
    """Draw the background: bare paper, a gradient, a pattern, or, in half of the drawings, scenery."""
    kind = rng.randint(6)
    top_level = pick(rng, rng.uniform(215, 256), rng.uniform(0, 256))
    bottom_level = pick(rng, rng.uniform(215, 256), rng.uniform(0, 256))
    if kind == 0:
        return
    _draw_gradient(canvas, rng, top_level, bottom_level)
    if kind == 2:
        _draw_pattern(canvas, rng)
    elif kind >= 3:
        _draw_scenery(canvas, rng)


def draw_petals(canvas: Canvas, rng: np.random.RandomState) -> None:
    """Let a few petals or confetti fly in front of the face."""
    count = random_count(rng, 2, 5)
    sizes = rng.uniform(0.02, 0.1) / rng.uniform(0.05, 1, count) ** 0.7
    scatter(canvas, rng, np.minimum(sizes, 0.3), IN_FRONT)


def _draw_gradient(canvas: Canvas, rng: np.random.RandomState, top_level: float, bottom_level: float) -> None:
    """Cover the canvas with a gradient from top to bottom that slants to a random side."""
    slant = PIXELS * (rng.uniform(-1, 1) / CANVAS_SIZE)
    image = slant + (PIXELS / CANVAS_SIZE)[:, None]
    image *= bottom_level - top_level
    image += top_level
    canvas.levels[:] = np.clip(image, 0, 255, out=image)


def _draw_pattern(canvas: Canvas, rng: np.random.RandomState) -> None:
    """Add stripes or checks, lighter or darker than what they lie on."""
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
    """Strew leaves of power-law sizes; one scenery in four is out of focus."""
    count = random_count(rng, 3, 6.2)
    sizes = rng.uniform(0.05, 0.12) / rng.uniform(0.03, 1, count) ** 0.8
    scatter(canvas, rng, np.minimum(sizes, 1.5), BEHIND)
    if happens(rng, 0.25):
        width = rng.randint(1, 14) * OVERSAMPLING + 1  # px
        once = cv2.blur(canvas.levels, (width, width))
        canvas.levels[:] = cv2.blur(once, (width, width))
