"""The head without its hair: ears, face, shadows, blush, eyes, brows, nose and mouth."""

from dataclasses import dataclass, replace

import numpy as np

from deblur.synthesis import happens, pick
from deblur.synthesis.faces.canvas import WHITE, Canvas
from deblur.synthesis.faces.geometry import SIDES, Points, as_points, bezier, ellipse, join, mirror, shifted


def random_skin(rng: np.random.RandomState) -> float:
    """Draw the skin's gray level: light, in one drawing in six darker."""
    light = [rng.uniform(205, 252) for _ in range(5)]
    return pick(rng, *light, rng.uniform(120, 205))


def draw_head(canvas: Canvas, rng: np.random.RandomState, skin: float) -> None:
    """Draw ears and face on a skin of the given gray level."""
    temple = bezier((0, -1), (0.75, -1.0), (1.0, -0.5), (0.98, 0.1))
    cheek = (0.97, rng.uniform(0.55, 0.75))
    jaw = (rng.uniform(0.4, 0.6), 0.95)
    chin = (0, rng.uniform(0.98, 1.12))
    lower = bezier((0.98, 0.1), cheek, jaw, chin, count=18)
    face = join(temple, lower[1:], mirror(lower)[1:], mirror(temple)[1:-1])
    for side in SIDES:  # ears
        ear = ellipse(side * 0.97, 0.25, 0.12, 0.22, count=20)
        canvas.fill(ear, skin, skin * 0.85, color=canvas.palette.skin)
        canvas.stroke(ellipse(side * 0.97, 0.25, 0.06, 0.12, count=10, arc=(1.0, 5.0)), canvas.ink, 0.7)
    shadow = canvas.palette.skin_shadow
    canvas.fill(face, skin, skin * rng.uniform(0.9, 1.0), color=canvas.palette.skin)
    dark_side = pick(rng, *SIDES)
    far_side = shifted(face, dark_side * rng.uniform(1.2, 1.7), rng.uniform(-0.2, 0.3))
    canvas.shade(far_side, face, rng.uniform(0.75, 0.95), color=shadow)
    below_hair = ellipse(0, -0.62, 1.1, rng.uniform(0.2, 0.55))
    canvas.shade(below_hair, face, rng.uniform(0.7, 0.9), color=shadow)
    below_cheek = ellipse(dark_side * 0.6, 0.8, 0.5, 0.3)
    canvas.shade(below_cheek, face, rng.uniform(0.85, 0.97), softness=0.15, color=shadow)
    if happens(rng, 0.6):
        _draw_blush(canvas, rng, face, skin)
    _draw_eyes(canvas, rng, skin)
    nose = bezier((0, 0.5), (0.04, 0.56), (-0.01, 0.6), count=8)
    canvas.stroke(nose, skin * rng.uniform(0.4, 0.7), 0.9)
    _draw_mouth(canvas, rng)


def _draw_blush(canvas: Canvas, rng: np.random.RandomState, face: Points, skin: float) -> None:
    """Draw a soft spot and up to three short lines on each cheek."""
    for side in SIDES:
        spot = ellipse(side * 0.55, 0.52, 0.2, 0.1)
        canvas.shade(spot, face, rng.uniform(0.75, 0.92), softness=0.07, color=canvas.palette.blush)
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
    lips = join(upper_lip, lower_lip[1:])
    canvas.fill(lips, rng.uniform(30, 110), rng.uniform(90, 190), color=canvas.palette.mouth)
    if happens(rng, 0.5):
        teeth = bezier((-half_width * 0.7, y + 0.01), (0, y + 0.05), (half_width * 0.7, y + 0.01))
        canvas.fill(teeth, 245, line=0)


@dataclass(frozen=True)
class Eye:
    """One eye: lengths in face units, gray levels, and counts. Both eyes differ in their side and in chance details."""

    x: float  # distance of the eye's middle from the face's middle
    y: float
    half_width: float
    half_height: float  # about, of the open eye
    iris_level: float  # the paint is darker above and lighter below
    gaze: float  # how far both irises are moved to the right
    slant: float  # how far the outer corners are raised
    closed: bool
    lash_level: float  # of lashes and pupil
    white_level: float
    glint_x: float  # place of the main glint, relative to the half width
    rays: int  # of light, in the iris
    glints: int
    brow_slant: float  # how far the brow's inner end is lowered
    brow_level: float
    side: int = 1  # -1 for the left eye, 1 for the right one, as seen in the image

    def place(self, points: Points) -> Points:
        """Move points to this eye: they are given from its middle, with x from the inner to the outer corner."""
        return points * [self.side, 1] + [self.side * self.x, self.y]

    @property
    def iris_x(self) -> float:
        """The place of the iris; both eyes look to the same side of the image: this one is not mirrored."""
        return self.gaze * self.side

    def upper_lid(self) -> Points:
        """Return the upper lid from the inner to the outer corner, not yet placed."""
        width, height, slant = self.half_width, self.half_height, self.slant
        inner = (-width * 0.8, -height * 1.15)
        outer = (width * 0.7, -height * 1.3 - slant)
        return bezier((-width, height * 0.15), inner, outer, (width * 1.1, height * 0.1 - slant))

    def lower_lid(self) -> Points:
        """Return the lower lid from the outer to the inner corner, not yet placed."""
        width, height, slant = self.half_width, self.half_height, self.slant
        outer = (width * 0.6, height * 0.95)
        inner = (-width * 0.5, height * 0.9)
        return bezier((width * 1.1, height * 0.1 - slant), outer, inner, (-width, height * 0.15))


def _random_eye(rng: np.random.RandomState, skin: float) -> Eye:
    # Keyword arguments are evaluated in the order in which they stand here: this order is part of the drawing.
    return Eye(
        x=rng.uniform(0.4, 0.48),
        y=rng.uniform(0.16, 0.3),
        half_width=rng.uniform(0.19, 0.27),
        half_height=rng.uniform(0.16, 0.31),
        iris_level=rng.uniform(20, 170),
        gaze=rng.normal(0, 0.03),
        slant=rng.normal(0, 0.04),
        closed=happens(rng, 0.06),
        lash_level=rng.uniform(0, 50),
        white_level=rng.uniform(225, 255),
        glint_x=rng.uniform(-0.5, 0.5),
        rays=rng.randint(0, 7),
        glints=rng.randint(1, 4),
        brow_slant=rng.normal(0, 0.06),
        brow_level=skin * pick(rng, 0.4, 0.6, 0.8),
    )


def _draw_eyes(canvas: Canvas, rng: np.random.RandomState, skin: float) -> None:
    right_eye = _random_eye(rng, skin)
    for side in SIDES:
        eye = replace(right_eye, side=side)
        width, height, slant = eye.half_width, eye.half_height, eye.brow_slant
        brow = bezier((-width, slant - height - 0.14), (0, -height - 0.24), (width * 1.2, -height - 0.1 - slant))
        canvas.stroke(eye.place(brow), eye.brow_level, rng.uniform(0.9, 2.2), color=canvas.palette.hair)
        if eye.closed:
            lashes = bezier((-width, -0.02), (0, 0.16), (width, 0))
            canvas.stroke(eye.place(lashes), eye.lash_level, 2.6)
        else:
            _draw_open_eye(canvas, rng, eye, skin)


def _draw_open_eye(canvas: Canvas, rng: np.random.RandomState, eye: Eye, skin: float) -> None:
    white = eye.place(join(eye.upper_lid(), eye.lower_lid()))
    canvas.fill(white, eye.white_level * 0.8, eye.white_level, line=0)
    _draw_iris(canvas, rng, eye)
    _draw_glints(canvas, rng, eye)
    _draw_lashes(canvas, rng, eye)
    canvas.stroke(eye.place(eye.lower_lid()[4:11]), canvas.ink, 0.8)
    fold = shifted(eye.upper_lid(), 0, -0.07)
    canvas.stroke(eye.place(fold[3:12]), skin * 0.6, 0.8)


def _draw_iris(canvas: Canvas, rng: np.random.RandomState, eye: Eye) -> None:
    width, height, level = eye.half_width, eye.half_height, eye.iris_level
    iris = ellipse(eye.iris_x, -0.05 * height, width * 0.68, height * 0.92, count=30)
    canvas.fill(eye.place(iris), level * 0.35, level * 1.5 + 20, line=0.8, color=canvas.palette.iris)
    for _ in range(eye.rays):
        end = (eye.iris_x + rng.uniform(-0.5, 0.5) * width, height * 0.7)
        ray = as_points((eye.iris_x, 0.1 * height), end)
        canvas.stroke(eye.place(ray), level + rng.uniform(10, 90), 0.8)
    pupil = ellipse(eye.iris_x, -0.1 * height, width * 0.3, height * 0.42, count=20)
    canvas.fill(eye.place(pupil), eye.lash_level, level * 0.6, line=0, color=canvas.palette.iris)


def _draw_glints(canvas: Canvas, rng: np.random.RandomState, eye: Eye) -> None:
    """Draw reflected lights; they are not mirrored: the light comes from one side."""
    for number in range(eye.glints):
        if number == 0:
            offset_x, offset_y = eye.glint_x, -0.45
        else:
            offset_x, offset_y = rng.uniform(-0.5, 0.5), rng.uniform(-0.4, 0.5)
        x = eye.side * eye.x + eye.gaze + eye.half_width * offset_x
        y = eye.y + eye.half_height * offset_y
        radius_x = eye.half_width * rng.uniform(0.12, 0.32) / (number + 1)
        radius_y = eye.half_height * rng.uniform(0.15, 0.32) / (number + 1)
        canvas.fill(ellipse(x, y, radius_x, radius_y, count=14), WHITE, line=0)


def _draw_lashes(canvas: Canvas, rng: np.random.RandomState, eye: Eye) -> None:
    """Draw the dark upper lid and up to three lashes at its outer end."""
    width, height, slant = eye.half_width, eye.half_height, eye.slant
    lid = eye.upper_lid()
    band = join(lid, shifted(lid[::-1], 0, height * rng.uniform(0.12, 0.3)))
    canvas.fill(eye.place(band), eye.lash_level, line=0)
    canvas.stroke(eye.place(lid), eye.lash_level, 2.0)
    for number in range(rng.randint(0, 4)):
        start = (width * (1 - 0.2 * number), -0.3 * height - slant)
        middle = (width * (1.25 - 0.2 * number), -0.45 * height)
        end = (width * (1.4 - 0.2 * number), -height * (0.7 + 0.15 * number))
        canvas.stroke(eye.place(bezier(start, middle, end)), eye.lash_level, 1.2)
