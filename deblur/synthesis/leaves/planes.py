"""Planes of a scene: shapes at one distance, painted and out of focus by one amount."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from deblur.synthesis import CANVAS_SIZE
from deblur.synthesis.leaves.materials import Surfaces
from deblur.synthesis.leaves.outlines import Points
from deblur.synthesis.leaves.strokes import Stroke

Plane = NDArray[np.float32]
Labels = NDArray[np.int16]
Figure = Points | Stroke  # the outline of a shape, or curves

LARGE_BLUR: Final = 4.0  # standard deviation from which on a blur is computed at half the size [canvas px]
_FRACTION_BITS: Final = 4  # of the coordinates that OpenCV takes

_PLACES: Final = np.arange(CANVAS_SIZE**2).reshape(CANVAS_SIZE, CANVAS_SIZE)
_LINE: Final = np.arange(CANVAS_SIZE, dtype=np.float32)


def labeled(figures: list[Figure], first: int, bare: int) -> Labels:
    """Return which of the figures is in front at each place, (CANVAS_SIZE, CANVAS_SIZE).

    Args:
        figures: from the back to the front.
        first: the number of the first; the others count up.
        bare: the number of places without any.
    """
    labels = np.full((CANVAS_SIZE, CANVAS_SIZE), bare, np.int16)
    scale = np.float32(1 << _FRACTION_BITS)
    for number, figure in enumerate(figures, first):
        if isinstance(figure, Stroke):
            curves = [np.rint(curve * scale).astype(np.int32) for curve in figure.curves]
            cv2.polylines(labels, curves, False, number, figure.width, cv2.LINE_8, _FRACTION_BITS)
        else:
            cv2.fillPoly(labels, [np.rint(figure * scale).astype(np.int32)], number, cv2.LINE_8, _FRACTION_BITS)
    return labels


def painted(labels: Labels, surfaces: Surfaces, textures: Plane, chromaticities: Plane | None) -> list[Plane]:
    """Return the gray levels of labeled places, around [0, 1], and R - Y and B - Y if there are colors.

    Args:
        labels: (CANVAS_SIZE, CANVAS_SIZE); at negative ones the result has no meaning.
        surfaces: of the labels.
        textures: (T, TEXTURE_ROWS, CANVAS_SIZE).
        chromaticities: (R - Y) / Y and (B - Y) / Y of the labels, (N, 2), or None.

    Returns:
        Planes (CANVAS_SIZE, CANVAS_SIZE).
    """
    at = labels.astype(np.intp)
    levels = _taken(surfaces.slopes[:, 0], at)
    levels *= _LINE
    downward = _taken(surfaces.slopes[:, 1], at)
    downward *= _LINE[:, None]
    levels += downward
    levels += _taken(surfaces.levels, at)
    if surfaces.contrasts.any():
        places = surfaces.starts.take(at, mode="clip")
        places += _PLACES
        relief = _taken(textures.reshape(-1), places)
        relief *= _taken(surfaces.contrasts, at)
        levels += relief
    np.maximum(levels, 0, out=levels)
    if chromaticities is None:
        return [levels]
    return [levels, *(levels * _taken(chromaticities[:, channel], at) for channel in (0, 1))]


def _taken(values: Plane, places: NDArray[np.intp]) -> Plane:
    """Return values at places; those at negative ones are the first, which takes less time than to refuse them."""
    return values.take(places, mode="clip")


def blurred(plane: Plane, deviation: float) -> Plane:
    """Return a plane blurred by a gaussian of the given standard deviation [canvas px]."""
    if deviation < LARGE_BLUR:
        return np.asarray(cv2.GaussianBlur(plane, (0, 0), deviation), np.float32)
    height, width = plane.shape[:2]
    half = np.asarray(cv2.resize(plane, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.float32)
    enlarged = cv2.resize(blurred(half, deviation / 2), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(enlarged, np.float32)
