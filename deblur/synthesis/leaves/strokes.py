"""Thin structures and marks: curves like twigs, wires and hair, and rows of strokes like letters."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deblur.synthesis import CANVAS_SIZE, OVERSAMPLING, happens
from deblur.synthesis.leaves.outlines import Points

THIN_FRACTION: Final = 0.5  # of the images
MARKED_FRACTION: Final = 0.3  # of the images
MOST_CURVES: Final = 60
WIDTH: Final = (0.5, 4.0)  # of a curve [image px]
HEIGHT: Final = (4.0, 24.0)  # of a letter [image px]


@dataclass(frozen=True)
class Stroke:
    """Curves of one material that are drawn together."""

    curves: list[Points]  # (M, 2) each [canvas px]
    width: int  # [canvas px]


def curves(rng: np.random.RandomState) -> list[Stroke]:
    """Draw a bundle of curves of nearly one direction for some of the images."""
    if not happens(rng, THIN_FRACTION):
        return []
    count = int(math.exp(rng.uniform(0, math.log(MOST_CURVES))))
    steps = 14
    length = OVERSAMPLING * math.exp(rng.uniform(math.log(20), math.log(300)))
    center, spread = rng.uniform(0, CANVAS_SIZE, 2), rng.uniform(0.05, 0.5) * CANVAS_SIZE
    direction = rng.uniform(0, 2 * math.pi) + rng.uniform(0, 0.8) * rng.normal(size=(count, 1))
    wander = rng.uniform(0, 0.3) * rng.normal(size=(count, steps)) + rng.uniform(0, 0.15) * rng.normal(size=(count, 1))
    heading = direction + np.cumsum(wander, axis=1)
    moves = length / steps * np.stack([np.cos(heading), np.sin(heading)], axis=2)
    points = (center + spread * rng.normal(size=(count, 1, 2)) + np.cumsum(moves, axis=1)).astype(np.float32)
    thickest = math.exp(rng.uniform(*np.log(WIDTH)))
    widths = np.maximum(np.rint(OVERSAMPLING * thickest * rng.uniform(0.4, 1, count)), 1).astype(int)
    return [Stroke([one], width) for one, width in zip(points, widths.tolist(), strict=True)]


def letters(rng: np.random.RandomState) -> list[Stroke]:
    """Draw lines of marks for some of the images: each mark is a path over a grid of 3x4 places."""
    if not happens(rng, MARKED_FRACTION):
        return []
    height = OVERSAMPLING * math.exp(rng.uniform(*np.log(HEIGHT)))
    tilt, slant = rng.normal(0, 0.25), rng.normal(0, 0.2)
    right = np.array([math.cos(tilt), math.sin(tilt)]) * height * rng.uniform(0.2, 0.35)
    down = np.array([-math.sin(tilt) + slant, math.cos(tilt)]) * height / 3
    start = rng.uniform(0, CANVAS_SIZE, 2)
    width = max(round(height * rng.uniform(0.06, 0.2)), 1)
    lines = []
    for line in range(rng.randint(1, 5)):
        count = rng.randint(3, 16)
        places = rng.randint(0, 12, (count, 5))
        columns, rows = places % 3 + 3.6 * np.arange(count)[:, None], places // 3 + 4.6 * line
        marks = (start + columns[..., None] * right + rows[..., None] * down).astype(np.float32)
        lines.append(Stroke(list(marks), width))
    return lines


def origins(strokes: list[Stroke]) -> NDArray[np.float64]:
    """Return where strokes begin, (N, 2) [canvas px]."""
    return np.array([stroke.curves[0][0] for stroke in strokes], np.float64).reshape(-1, 2)
