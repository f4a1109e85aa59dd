"""Outlines of shapes: smooth and non-convex ones, ellipses, polygons."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]

HARMONICS: Final = np.arange(2, 8)  # of the radius of a smooth outline along the angle
CORNERS: Final = (3, 8)  # of a polygon


@dataclass(frozen=True)
class Style:
    """What the outlines of an image have in common."""

    smooth: float  # share of smooth non-convex shapes
    round: float  # share of ellipses; the rest are polygons
    regular: float  # 0 to 1: how evenly the corners of a polygon are spaced
    direction: float  # of the long axes [radians]
    spread: float  # of the directions, as a standard deviation [radians]
    slenderness: float  # largest ratio of the axes


def random_style(rng: np.random.RandomState) -> Style:
    """Draw the style of an image: natural scenes are smooth, man-made ones have parallel straight edges."""
    smooth, round_, polygonal = rng.dirichlet((1.2, 0.5, 0.8))
    return Style(
        smooth=smooth / (smooth + round_ + polygonal),
        round=round_,
        regular=rng.rand(),
        direction=rng.uniform(0, math.pi),
        spread=math.exp(rng.uniform(math.log(0.03), math.log(3))),
        slenderness=rng.uniform(1.5, 8),
    )


def outlines(
    rng: np.random.RandomState, radii: NDArray[np.float64], corners: int, style: Style, *, smooth: bool = True
) -> Points:
    """Draw the outlines of shapes around (0, 0).

    Args:
        rng: stream of random numbers; the same number of them is drawn for any style.
        radii: of disks of about the same areas, (N,) [px].
        corners: M, of the polygons by which outlines are approximated.
        style: what they have in common.
        smooth: whether there are smooth non-convex shapes; without, ellipses take their place.

    Returns:
        Corners (x, y), (N, M, 2) [px].
    """
    count = len(radii)
    kind = rng.rand(count, 1)
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False, dtype=np.float32)
    wavy, bend = _wavy(rng, count, angles)
    is_smooth, is_round = kind < style.smooth, kind < style.smooth + style.round
    if not smooth:
        is_smooth, is_round = np.zeros_like(is_smooth), is_smooth | is_round
    polygon_angles, polygon_reach = _polygons(rng, count, corners, style.regular)
    angle = np.where(is_round, angles, polygon_angles)
    reach = np.where(is_smooth, wavy, np.where(is_round, np.float32(1), polygon_reach))
    stretch = np.sqrt(rng.uniform(1, style.slenderness, (count, 1))).astype(np.float32)
    across, along = reach * np.cos(angle) * stretch, reach * np.sin(angle) / stretch
    along = along + np.where(is_smooth, bend / stretch, np.float32(0)) * (across * across / stretch - stretch / 2)
    turn = style.direction + style.spread * rng.normal(size=(count, 1))
    cosine, sine = np.cos(turn).astype(np.float32), np.sin(turn).astype(np.float32)
    turned = np.stack([cosine * across - sine * along, sine * across + cosine * along], axis=2)
    return np.asarray(turned * radii[:, None, None].astype(np.float32), dtype=np.float32)


def _wavy(rng: np.random.RandomState, count: int, angles: Points) -> tuple[Points, Points]:
    """Return radii of smooth outlines that vary with the angle, (N, M), and by how much they bend, (N, 1)."""
    roughness = rng.uniform(0.1, 0.9, (count, 1))
    weights = (roughness * HARMONICS**-1.2).astype(np.float32)
    cosines, sines = rng.normal(size=(2, count, len(HARMONICS))).astype(np.float32) * weights
    phases = HARMONICS[:, None].astype(np.float32) * angles
    reach = 1 + cosines @ np.cos(phases) + sines @ np.sin(phases)
    return np.maximum(reach, np.float32(0.12)), rng.normal(0, 0.5, (count, 1)).astype(np.float32)


def _polygons(rng: np.random.RandomState, count: int, corners: int, regular: float) -> tuple[Points, Points]:
    """Return angles and radii of the corners of polygons, (N, M) each; corners repeat to fill M."""
    low, high = CORNERS
    number = np.where(rng.rand(count, 1) < regular, 4, rng.randint(low, high + 1, (count, 1)))
    places = np.arange(high)
    even = (places + 0.5) / number
    random = np.sort(np.where(places < number, rng.rand(count, high), 2), axis=1)
    angles = 2 * np.pi * (regular * even + (1 - regular) * np.where(places < number, random, even))
    reach = 1 + (1 - regular) * rng.uniform(-0.5, 0.6, (count, high))
    repeated = np.arange(corners) * number // corners
    of_corners = [np.take_along_axis(value, repeated, axis=1).astype(np.float32) for value in (angles, reach)]
    return of_corners[0], of_corners[1]
