"""The head without its hair: ears, face, shadows, blush, nose and mouth."""

import numpy as np

from deblur.synthesis.faces.canvas import Canvas
from deblur.synthesis.faces.eyes import draw_eyes
from deblur.synthesis.faces.geometry import SIDES, Points, as_points, bezier, ellipse, join, mirror, shifted
from deblur.synthesis.faces.randomness import happens, pick


def random_skin(rng: np.random.RandomState) -> float:
    """Draw the skin's gray level: light as drawn skin mostly is, in one drawing in six darker."""
    light = [rng.uniform(205, 252) for _ in range(5)]
    return pick(rng, *light, rng.uniform(120, 205))


def draw_head(canvas: Canvas, rng: np.random.RandomState, skin: float) -> None:
    """Draw ears and face on a skin of the given gray level."""
    shape = _random_face_shape(rng)
    _draw_ears(canvas, skin)
    canvas.fill(shape, skin, skin * rng.uniform(0.9, 1.0))
    _draw_shadows(canvas, rng, shape)
    if happens(rng, 0.6):
        _draw_blush(canvas, rng, shape, skin)
    draw_eyes(canvas, rng, skin)
    nose = bezier((0, 0.5), (0.04, 0.56), (-0.01, 0.6), count=8)
    canvas.stroke(nose, skin * rng.uniform(0.4, 0.7), 0.9)
    _draw_mouth(canvas, rng)


def _random_face_shape(rng: np.random.RandomState) -> Points:
    """Draw the outline of the face; cheeks and chin vary."""
    temple = bezier((0, -1), (0.75, -1.0), (1.0, -0.5), (0.98, 0.1))
    cheek = (0.97, rng.uniform(0.55, 0.75))
    jaw = (rng.uniform(0.4, 0.6), 0.95)
    chin = (0, rng.uniform(0.98, 1.12))
    lower = bezier((0.98, 0.1), cheek, jaw, chin, count=18)
    return join(temple, lower[1:], mirror(lower)[1:], mirror(temple)[1:-1])


def _draw_ears(canvas: Canvas, skin: float) -> None:
    """Draw both ears; hair often hides them."""
    for side in SIDES:
        canvas.fill(ellipse(side * 0.97, 0.25, 0.12, 0.22, count=20), skin, skin * 0.85)
        inside = ellipse(side * 0.97, 0.25, 0.06, 0.12, count=10, arc=(1.0, 5.0))
        canvas.stroke(inside, canvas.ink, 0.7)


def _draw_shadows(canvas: Canvas, rng: np.random.RandomState, shape: Points) -> None:
    """Darken one side of the face, the forehead below the hair, and one cheek."""
    side = pick(rng, *SIDES)
    far_side = shifted(shape, side * rng.uniform(1.2, 1.7), rng.uniform(-0.2, 0.3))
    canvas.shade(far_side, shape, rng.uniform(0.75, 0.95))
    below_hair = ellipse(0, -0.62, 1.1, rng.uniform(0.2, 0.55))
    canvas.shade(below_hair, shape, rng.uniform(0.7, 0.9))
    below_cheek = ellipse(side * 0.6, 0.8, 0.5, 0.3)
    canvas.shade(below_cheek, shape, rng.uniform(0.85, 0.97), softness=0.15)


def _draw_blush(canvas: Canvas, rng: np.random.RandomState, shape: Points, skin: float) -> None:
    """Draw a soft spot and up to three short lines on either cheek."""
    for side in SIDES:
        canvas.shade(ellipse(side * 0.55, 0.52, 0.2, 0.1), shape, rng.uniform(0.75, 0.92), softness=0.07)
        for number in range(rng.randint(0, 4)):
            x = side * 0.55 + 0.07 * number
            canvas.stroke(as_points((x - 0.08, 0.56), (x - 0.04, 0.47)), skin * 0.6, 0.6)


def _draw_mouth(canvas: Canvas, rng: np.random.RandomState) -> None:
    """Draw a closed mouth, a single line, or an open one, half of them with teeth."""
    y = rng.uniform(0.73, 0.8)
    half_width = rng.uniform(0.07, 0.26)
    left, right = (-half_width, y), (half_width, y)
    if happens(rng, 0.55):
        canvas.stroke(bezier(left, (0, y + rng.uniform(-0.06, 0.12)), right), canvas.ink, 1.2)
        return
    lip_right = (half_width * 0.5, y + rng.uniform(0.1, 0.32))
    lip_left = (-half_width * 0.5, y + 0.2)
    upper_lip = bezier(left, (0, y - 0.03), right)
    lower_lip = bezier(right, lip_right, lip_left, left)
    canvas.fill(join(upper_lip, lower_lip[1:]), rng.uniform(30, 110), rng.uniform(90, 190))
    if happens(rng, 0.5):
        teeth = bezier((-half_width * 0.7, y + 0.01), (0, y + 0.05), (half_width * 0.7, y + 0.01))
        canvas.fill(teeth, 245, line=0)
