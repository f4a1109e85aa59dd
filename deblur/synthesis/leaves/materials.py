"""Materials: gray level, texture, shading and color of the shapes of an image."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deblur.synthesis import CANVAS_SIZE
from deblur.synthesis.leaves.ingredients import Ingredients
from deblur.synthesis.leaves.textures import MICRO_TEXTURES, TEXTURE_ROWS, TILE_SIZE, WAVES

BRIGHTNESS: Final = (0.3, 0.65)  # mean gray level of an image, in [0, 1]
CONTRAST: Final = (0.18, 0.38)  # standard deviation of the gray levels of an image's shapes, in [0, 1]
MATERIALS: Final = (2, 8)  # of an image
SHARED: Final = 0.8  # share of the variance of the gray levels that lies between the materials
TEXTURED_FRACTION: Final = 0.72  # of the materials
WAVY_FRACTION: Final = 0.12  # of the materials
TEXTURE_CONTRAST: Final = (0.015, 0.12)  # standard deviation of a texture, in [0, 1]
FALL_OFF: Final = 0.12  # standard deviation of the change of the light over the radius of a shape, relative
# Standard deviations of (R - Y) / Y and (B - Y) / Y, and their correlation
CAST: Final = (0.12, 0.18)  # of the means of images
COLORFULNESS: Final = (0.17, 0.24)  # of the shapes of an image
COLOR_CORRELATION: Final = -0.75
COLOR_FREEDOM: Final = 5  # degrees of freedom of Student's t-distribution
COLOR_SPREAD: Final = 0.5  # standard deviation of the logarithm of an image's colorfulness
COLORS_SHARED: Final = 0.7  # share of the variance of the colors that lies between the materials
PALING: Final = 1.2  # by how much the colors of white are paler than those of black, relative to those of gray


@dataclass(frozen=True)
class Surfaces:
    """What the shapes of an image look like; the first is the background."""

    levels: NDArray[np.float32]  # gray levels at (0, 0) of the canvas, (N,)
    slopes: NDArray[np.float32]  # of the gray levels to the right and downward, (N, 2) [1 / canvas px]
    textures: NDArray[np.intp]  # numbers of the textures, (N,)
    starts: NDArray[np.intp]  # places in all textures that the top left corner of the canvas takes, (N,)
    contrasts: NDArray[np.float32]  # standard deviations of the textures, (N,)
    materials: NDArray[np.intp]  # numbers of the materials, (N,)
    means: NDArray[np.float64]  # gray levels, (N,)


def random_surfaces(
    rng: np.random.RandomState,
    of_light: np.random.RandomState,
    centers: NDArray[np.float64],
    radii: NDArray[np.float64],
    parts: Ingredients,
) -> Surfaces:
    """Draw what shapes look like.

    Args:
        rng: stream of the materials.
        of_light: stream of the shading.
        centers: of the shapes, (N, 2) [canvas px].
        radii: of the shapes, (N,) [canvas px].
        parts: what is drawn.
    """
    count = len(radii)
    brightness, contrast = rng.uniform(*BRIGHTNESS), math.exp(rng.uniform(*np.log(CONTRAST)))
    kinds = rng.randint(*MATERIALS)
    of_kinds = rng.standard_t(6, kinds) * math.sqrt(4 / 6)
    is_wavy = rng.rand(kinds) < WAVY_FRACTION
    is_textured = (rng.rand(kinds) < TEXTURED_FRACTION) | is_wavy
    texture_of_kind = np.where(
        is_wavy, MICRO_TEXTURES + rng.randint(WAVES, size=kinds), rng.randint(MICRO_TEXTURES, size=kinds)
    )
    faintest, strongest = np.log(TEXTURE_CONTRAST).tolist()
    contrast_of_kind = np.exp(rng.uniform(faintest, strongest, kinds)) * is_textured
    # Materials follow one another along a direction, with exceptions.
    direction = rng.normal(0, 0.8 / CANVAS_SIZE, 2)
    order = centers @ direction + rng.rand() + rng.uniform(0.05, 0.4) * rng.standard_t(3, count)
    anywhere, own, jitter = rng.rand(count), rng.normal(size=count), rng.uniform(0.5, 1.5, count)
    if not parts.materials:
        order = anywhere
    materials = np.floor(order % 1 * kinds).astype(np.intp) % kinds
    shared = SHARED if parts.materials else 0.0
    means = brightness + contrast * (math.sqrt(shared) * of_kinds[materials] + math.sqrt(1 - shared) * own)
    means = 0.5 + 0.48 * np.tanh((means - 0.5) / 0.48)  # black and white are the ends
    textures = texture_of_kind[materials].astype(np.intp)
    down, right = rng.randint(TILE_SIZE, size=(2, count))
    shifts = np.where(textures < MICRO_TEXTURES, down * CANVAS_SIZE + right, 0)
    fall_off = FALL_OFF * of_light.normal(size=(count, 2)) * parts.shading
    slopes = means[:, None] * fall_off / radii[:, None]
    return Surfaces(
        (means - np.sum(slopes * centers, axis=1)).astype(np.float32),
        slopes.astype(np.float32),
        textures,
        (textures * (TEXTURE_ROWS * CANVAS_SIZE) + shifts).astype(np.intp),
        (contrast_of_kind[materials] * jitter * np.sqrt(np.clip(means, 0.05, 1) * 2)).astype(np.float32),
        materials,
        means,
    )


def chromaticities(rng: np.random.RandomState, surfaces: Surfaces) -> NDArray[np.float32]:
    """Draw (R - Y) / Y and (B - Y) / Y of the shapes, (N, 2).

    Colors of natural images vary most between yellow and blue, symmetrically around their mean: D. Ruderman, T. Cronin
    and C.-C. Chiao, "Statistics of cone responses to natural images", Journal of the Optical Society of America A 15,
    1998. The tails are heavier than those of a normal distribution, so that a few shapes are vivid, and light shapes
    are paler than dark ones, as in photographs.
    """
    count, kinds = len(surfaces.means), MATERIALS[1]
    image, of_kinds, own = (_correlated(rng, size) for size in (1, kinds, count))
    # Both factors have a mean square of 1.
    tails = np.sqrt((COLOR_FREEDOM - 2) / rng.chisquare(COLOR_FREEDOM, (kinds, 1)))
    colorfulness = math.exp(rng.normal(-(COLOR_SPREAD**2), COLOR_SPREAD))
    deviations = math.sqrt(COLORS_SHARED) * (of_kinds * tails)[surfaces.materials] + math.sqrt(1 - COLORS_SHARED) * own
    paleness = np.clip(1 - PALING * (surfaces.means[:, None] - 0.5), 0.3, 2)
    drawn = image * CAST + colorfulness * deviations * COLORFULNESS
    return np.asarray(drawn * paleness, dtype=np.float32)


def _correlated(rng: np.random.RandomState, count: int) -> NDArray[np.float64]:
    """Draw pairs of correlated normal numbers with a standard deviation of 1, (count, 2)."""
    first, second = rng.normal(size=(2, count))
    return np.stack([first, COLOR_CORRELATION * first + math.sqrt(1 - COLOR_CORRELATION**2) * second], axis=1)
