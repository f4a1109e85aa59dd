"""Where shapes fall and how large they are."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deblur.synthesis import CANVAS_SIZE, IMAGE_SIZE, OVERSAMPLING
from deblur.synthesis.leaves.outlines import Points, Style, outlines

LAYERS: Final = 3.0  # area of all shapes per area of the image; what stays bare is the background
LEAST_RADIUS: Final = (1.5, 15.0)  # of an image's smallest shapes [image px]
LARGEST_RADIUS: Final = (40.0, 200.0)  # [image px]
CORNERS: Final = ((6.0, 8), (24.0, 20), (math.inf, 56))  # largest radius [canvas px] and corners of an outline


@dataclass(frozen=True)
class Shapes:
    """Shapes from the back to the front."""

    radii: NDArray[np.float64]  # (N,) [canvas px]
    centers: NDArray[np.float64]  # (N, 2) [canvas px]
    outlines: list[Points]  # N times (M, 2), around the centers [canvas px]


def random_radii(rng: np.random.RandomState, least: float, largest: float) -> NDArray[np.float64]:
    """Draw the radii of all shapes, with a density that falls with their cube.

    Args:
        rng: stream of random numbers.
        least: radius of the smallest shapes [canvas px].
        largest: radius of the largest shapes [canvas px].
    """
    span = 1 - (least / largest) ** 2
    mean_area = 2 * math.pi * least**2 * math.log(largest / least) / span  # that of a disk
    count = math.ceil(LAYERS * CANVAS_SIZE**2 / mean_area)
    radii: NDArray[np.float64] = least / np.sqrt(1 - span * rng.rand(count))
    return radii


def random_shapes(
    rng: np.random.RandomState, of_outlines: np.random.RandomState, style: Style, *, smooth: bool
) -> Shapes:
    """Drop the shapes of an image.

    Args:
        rng: stream of the sizes and places.
        of_outlines: stream of the outlines.
        style: of the outlines.
        smooth: whether there are smooth non-convex shapes.
    """
    least, largest = (
        OVERSAMPLING * math.exp(rng.uniform(*np.log(bounds))) for bounds in (LEAST_RADIUS, LARGEST_RADIUS)
    )
    radii = random_radii(rng, least, largest)
    centers = rng.uniform(0, CANVAS_SIZE, (len(radii), 2))
    # Small shapes lie in groups, so that places are busy or calm.
    busy = _wave(rng, centers)
    is_kept = (radii > IMAGE_SIZE / 8) | (busy > rng.uniform(-1.2, 0.3))
    radii, centers = radii[is_kept], centers[is_kept]
    found: list[Points] = [np.empty(0, np.float32)] * len(radii)
    lower = 0.0
    for upper, corners in CORNERS:
        places = np.flatnonzero((radii >= lower) & (radii < upper))
        drawn = outlines(of_outlines, radii[places], corners, style, smooth=smooth)
        drawn += centers[places][:, None].astype(np.float32)
        for place, outline in zip(places.tolist(), drawn, strict=True):
            found[place] = outline
        lower = upper
    return Shapes(radii, centers, found)


def _wave(rng: np.random.RandomState, centers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a random smooth function of the place, in about [-1.5, 1.5]."""
    directions = rng.normal(0, 2 * math.pi / CANVAS_SIZE, (2, 3))
    waves: NDArray[np.float64] = np.sin(centers @ directions + rng.uniform(0, 2 * math.pi, 3)).sum(axis=1) / 1.5
    return waves
