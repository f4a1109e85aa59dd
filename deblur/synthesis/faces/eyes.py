"""Eyes and brows: both eyes share one design and differ in chance details."""

from dataclasses import dataclass

import numpy as np

from deblur.synthesis.faces.canvas import WHITE, Canvas
from deblur.synthesis.faces.geometry import SIDES, Points, as_points, bezier, ellipse, join, shifted
from deblur.synthesis.faces.randomness import happens, pick


@dataclass(frozen=True)
class EyeDesign:
    """What both eyes have in common: lengths in face units, gray levels, and counts.

    Attributes:
        x: Distance of the eye's middle from the face's middle.
        y: Height of the eye's middle.
        half_width: Half of the eye's width.
        half_height: About half of the open eye's height.
        iris_level: Gray level of the iris; the paint is darker above and lighter below.
        gaze: How far both irises are moved to the right.
        slant: How far the outer corners are raised.
        closed: Whether the eyes are shut.
        lash_level: Gray level of lashes and pupil.
        white_level: Gray level of the white of the eye.
        glint_x: Place of the main glint, relative to the half width.
        rays: Number of light rays in the iris.
        glints: Number of glints.
        brow_slant: How far the brow's inner end is lowered.
        brow_level: Gray level of the brow.
    """

    x: float
    y: float
    half_width: float
    half_height: float
    iris_level: float
    gaze: float
    slant: float
    closed: bool
    lash_level: float
    white_level: float
    glint_x: float
    rays: int
    glints: int
    brow_slant: float
    brow_level: float


def random_eye_design(rng: np.random.RandomState, skin: float) -> EyeDesign:
    """Draw the design of the eyes for a skin of the given gray level."""
    # Keyword arguments are evaluated in the order in which they stand here, so this order is part of the drawing.
    return EyeDesign(
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


@dataclass(frozen=True)
class Eye:
    """One of the two eyes.

    Attributes:
        design: What it shares with the other eye.
        side: -1 for the left eye, 1 for the right one, as seen in the image.
    """

    design: EyeDesign
    side: int

    def place(self, points: Points) -> Points:
        """Move points to this eye: they are given from its middle, with x from the inner to the outer corner."""
        return points * [self.side, 1] + [self.side * self.design.x, self.design.y]

    @property
    def iris_x(self) -> float:
        """Where the iris is; both eyes look to the same side of the image, so this one is not mirrored."""
        return self.design.gaze * self.side

    def upper_lid(self) -> Points:
        """Return the upper lid from the inner to the outer corner, not yet placed."""
        width, height, slant = self.design.half_width, self.design.half_height, self.design.slant
        inner = (-width * 0.8, -height * 1.15)
        outer = (width * 0.7, -height * 1.3 - slant)
        return bezier((-width, height * 0.15), inner, outer, (width * 1.1, height * 0.1 - slant))

    def lower_lid(self) -> Points:
        """Return the lower lid from the outer to the inner corner, not yet placed."""
        width, height, slant = self.design.half_width, self.design.half_height, self.design.slant
        outer = (width * 0.6, height * 0.95)
        inner = (-width * 0.5, height * 0.9)
        return bezier((width * 1.1, height * 0.1 - slant), outer, inner, (-width, height * 0.15))


def draw_eyes(canvas: Canvas, rng: np.random.RandomState, skin: float) -> None:
    """Draw both eyes on a skin of the given gray level."""
    design = random_eye_design(rng, skin)
    for side in SIDES:
        eye = Eye(design, side)
        _draw_brow(canvas, rng, eye)
        if design.closed:
            _draw_closed_lid(canvas, eye)
        else:
            _draw_open_eye(canvas, rng, eye, skin)


def _draw_brow(canvas: Canvas, rng: np.random.RandomState, eye: Eye) -> None:
    """Draw the brow, a tapered line above the eye."""
    width, height, slant = eye.design.half_width, eye.design.half_height, eye.design.brow_slant
    brow = bezier((-width, slant - height - 0.14), (0, -height - 0.24), (width * 1.2, -height - 0.1 - slant))
    canvas.stroke(eye.place(brow), eye.design.brow_level, rng.uniform(0.9, 2.2))


def _draw_closed_lid(canvas: Canvas, eye: Eye) -> None:
    """Draw a shut eye: one bow of lashes."""
    width = eye.design.half_width
    lashes = bezier((-width, -0.02), (0, 0.16), (width, 0))
    canvas.stroke(eye.place(lashes), eye.design.lash_level, 2.6)


def _draw_open_eye(canvas: Canvas, rng: np.random.RandomState, eye: Eye, skin: float) -> None:
    """Draw an open eye from its white to its lids."""
    white = eye.place(join(eye.upper_lid(), eye.lower_lid()))
    canvas.fill(white, eye.design.white_level * 0.8, eye.design.white_level, line=0)
    _draw_iris(canvas, rng, eye)
    _draw_glints(canvas, rng, eye)
    _draw_lashes(canvas, rng, eye)
    canvas.stroke(eye.place(eye.lower_lid()[4:11]), canvas.ink, 0.8)
    fold = shifted(eye.upper_lid(), 0, -0.07)
    canvas.stroke(eye.place(fold[3:12]), skin * 0.6, 0.8)


def _draw_iris(canvas: Canvas, rng: np.random.RandomState, eye: Eye) -> None:
    """Draw the iris, the rays in it and the pupil."""
    width, height, level = eye.design.half_width, eye.design.half_height, eye.design.iris_level
    iris = ellipse(eye.iris_x, -0.05 * height, width * 0.68, height * 0.92, count=30)
    canvas.fill(eye.place(iris), level * 0.35, level * 1.5 + 20, line=0.8)
    for _ in range(eye.design.rays):
        end = (eye.iris_x + rng.uniform(-0.5, 0.5) * width, height * 0.7)
        ray = as_points((eye.iris_x, 0.1 * height), end)
        canvas.stroke(eye.place(ray), level + rng.uniform(10, 90), 0.8)
    pupil = ellipse(eye.iris_x, -0.1 * height, width * 0.3, height * 0.42, count=20)
    canvas.fill(eye.place(pupil), eye.design.lash_level, level * 0.6, line=0)


def _draw_glints(canvas: Canvas, rng: np.random.RandomState, eye: Eye) -> None:
    """Draw reflected lights; they are not mirrored, for the light comes from one side."""
    design = eye.design
    for number in range(design.glints):
        if number == 0:
            offset_x, offset_y = design.glint_x, -0.45
        else:
            offset_x, offset_y = rng.uniform(-0.5, 0.5), rng.uniform(-0.4, 0.5)
        x = eye.side * design.x + design.gaze + design.half_width * offset_x
        y = design.y + design.half_height * offset_y
        radius_x = design.half_width * rng.uniform(0.12, 0.32) / (number + 1)
        radius_y = design.half_height * rng.uniform(0.15, 0.32) / (number + 1)
        canvas.fill(ellipse(x, y, radius_x, radius_y, count=14), WHITE, line=0)


def _draw_lashes(canvas: Canvas, rng: np.random.RandomState, eye: Eye) -> None:
    """Draw the dark upper lid and up to three lashes at its outer end."""
    width, height, slant = eye.design.half_width, eye.design.half_height, eye.design.slant
    lid = eye.upper_lid()
    band = join(lid, shifted(lid[::-1], 0, height * rng.uniform(0.12, 0.3)))
    canvas.fill(eye.place(band), eye.design.lash_level, line=0)
    canvas.stroke(eye.place(lid), eye.design.lash_level, 2.0)
    for number in range(rng.randint(0, 4)):
        start = (width * (1 - 0.2 * number), -0.3 * height - slant)
        middle = (width * (1.25 - 0.2 * number), -0.45 * height)
        end = (width * (1.4 - 0.2 * number), -height * (0.7 + 0.15 * number))
        canvas.stroke(eye.place(bezier(start, middle, end)), eye.design.lash_level, 1.2)
