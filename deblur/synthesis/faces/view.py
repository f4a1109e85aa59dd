"""From face units to canvas pixels."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deblur.synthesis.faces.geometry import Points

IMAGE_SIZE = 256  # px
OVERSAMPLING = 2  # canvas pixels per image pixel, along one edge
CANVAS_SIZE = IMAGE_SIZE * OVERSAMPLING  # px
PIXELS = np.arange(CANVAS_SIZE, dtype=np.float32)  # the x of every column and the y of every row
PIXELS.setflags(write=False)


@dataclass(frozen=True)
class View:
    """Size, turn and place of the face on the canvas.

    Attributes:
        unit: Length of one face unit in canvas pixels.
        matrix: (2, 2), multiplied from the right: turns, stretches and enlarges a row of face units to pixels.
        origin: (2,), where the middle of the head lies, in canvas pixels.
    """

    unit: float
    matrix: NDArray[np.float64]
    origin: NDArray[np.float64]

    def to_pixels(self, points: Points) -> Points:
        """Convert (n, 2) points from face units to canvas pixels."""
        return points @ self.matrix + self.origin

    def direction(self, angle: float) -> NDArray[np.float64]:
        """Convert a direction from degrees in face units (0: right, 90: down) to a unit vector in pixels, (2,)."""
        radians = math.radians(angle)
        vector = np.array([math.cos(radians), math.sin(radians)]) @ self.matrix
        vector /= math.hypot(*vector)
        return vector

    def turn_about_center(self) -> NDArray[np.float32]:
        """Return the (2, 3) affine map, in pixels, that turns an image like the face and keeps the canvas center."""
        center = CANVAS_SIZE / 2
        affine = np.zeros((2, 3), np.float32)
        affine[:, :2] = self.matrix.T / self.unit
        affine[:, 2] = center - affine[:, :2] @ [center, center]
        return affine


def random_view(rng: np.random.RandomState) -> View:
    """Draw how large, how tilted, how wide and where the face is."""
    tilt = math.radians(rng.normal(0, 9))
    unit = rng.uniform(0.2, 0.32) * CANVAS_SIZE
    stretch = rng.uniform(0.95, 1.1)
    cosine, sine = math.cos(tilt), math.sin(tilt)
    matrix = (unit * np.array([[cosine, -sine], [sine, cosine]]) * [stretch, 1]).T
    x = CANVAS_SIZE * rng.normal(0.5, 0.04)
    y = CANVAS_SIZE * rng.normal(0.54, 0.04)
    return View(unit, matrix, np.array([x, y]))
