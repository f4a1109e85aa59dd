"""Smooth random fields: the grain of hair and cloth, and the painted light."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deblur.synthesis.faces.view import CANVAS_SIZE, IMAGE_SIZE, View

Field = NDArray[np.float32]

LIGHT_GRIDS = (3, 6, 12, 24, 48, 96)  # cells along one edge, coarse to fine


@dataclass(frozen=True)
class Textures:
    """Two fields of gray levels to add to a filled shape, both of the size of the canvas.

    Attributes:
        streaks: Runs from the crown to the tips, for hair.
        blotches: Has no direction, for cloth and paper.
    """

    streaks: Field
    blotches: Field


def random_textures(rng: np.random.RandomState, view: View) -> Textures:
    """Draw both textures; the streaks turn with the head."""
    return Textures(streaks=_random_streaks(rng, view), blotches=_random_blotches(rng))


def _random_streaks(rng: np.random.RandomState, view: View) -> Field:
    """Draw streaks: fine across the hair, long along it, and gathered in broader tresses."""
    fine = rng.normal(0, 1, (5, 40))
    broad = cv2.resize(rng.normal(0, 1, (4, 14)), (40, 5), interpolation=cv2.INTER_CUBIC)
    strength = rng.uniform(2, 16)  # gray levels
    upright = _enlarge((fine + broad).astype(np.float32) * strength, CANVAS_SIZE)
    size = (CANVAS_SIZE, CANVAS_SIZE)
    turned = cv2.warpAffine(upright, view.turn_about_center(), size, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(turned, np.float32)


def _random_blotches(rng: np.random.RandomState) -> Field:
    """Draw blotches of 2 to 12 gray levels (standard deviation)."""
    strength = rng.uniform(2, 12)
    return _enlarge(rng.normal(0, strength, (40, 40)), CANVAS_SIZE)


def random_light(rng: np.random.RandomState) -> Field:
    """Draw a cloudy field around 0, (IMAGE_SIZE, IMAGE_SIZE), that is strong at large scales and weak at small ones."""
    total = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.float32)
    for cells in LIGHT_GRIDS:
        total += _enlarge(rng.normal(0, 2.0 / cells**0.9, (cells, cells)), IMAGE_SIZE)
    return total


def _enlarge(field: NDArray[np.floating], size: int) -> Field:
    """Interpolate a small field to `size` x `size` pixels."""
    enlarged = cv2.resize(field.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(enlarged, np.float32)
