"""What lights the scene and takes the image: illumination, shadows, exposure, lens, pixels, grain."""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from deblur.synthesis import IMAGE_SIZE, happens
from deblur.synthesis.leaves.ingredients import Ingredients
from deblur.synthesis.leaves.outlines import Style, outlines
from deblur.synthesis.leaves.textures import white_noise

Plane = NDArray[np.float32]

ILLUMINATION: Final = 0.15  # standard deviation of the logarithm of the light over an image
SHADOW_FRACTION: Final = 0.3  # of the images
SHADOW_DEPTH: Final = (0.2, 0.6)  # share of the light that a shadow takes
LENS_BLUR: Final = (0.3, 0.8)  # standard deviation [canvas px]
SHARPENED_FRACTION: Final = 0.7  # of the images
SHARPENING: Final = (0.2, 1.4)  # share of an unsharp mask that is added
SHARPENED_SCALE: Final = 0.8  # standard deviation of the blur of the unsharp mask [px]
BRIGHTNESS: Final = (0.25, 0.6)  # mean gray level of an image, in [0, 1]
EXPOSING: Final = 0.6  # power of the deviation of the mean that the exposure corrects
DARKEST: Final = 0.05  # mean gray level below which the exposure does not rise further, in [0, 1]
GRAIN: Final = (0.3, 2.5)  # standard deviation [gray levels of 255]


@dataclass(frozen=True)
class Camera:
    """How an image is lit and taken; 0 switches a part off."""

    light: Plane  # factor of each pixel, (IMAGE_SIZE, IMAGE_SIZE)
    blur: float  # standard deviation [canvas px]
    sharpening: float  # share of the unsharp mask
    grain: Plane | None  # (IMAGE_SIZE, IMAGE_SIZE), in units of [0, 1]
    brightness: float  # mean gray level that the exposure aims at, in [0, 1]
    exposing: float  # 1 if it attains that level, 0 if there is no automatic exposure

    def exposure(self, canvas: Plane) -> float:
        """Return the factor by which an automatic exposure changes gray levels, (CANVAS_SIZE, CANVAS_SIZE)."""
        mean = cv2.mean(canvas)[0]
        return float((self.brightness / max(mean, DARKEST)) ** self.exposing)

    def reduced(self, canvas: Plane, factor: float) -> Plane:
        """Return a plane as the light and the pixels make it, times a factor, (IMAGE_SIZE, IMAGE_SIZE)."""
        seen = cv2.GaussianBlur(canvas, (0, 0), self.blur) if self.blur else canvas
        image = np.asarray(cv2.resize(seen, (IMAGE_SIZE, IMAGE_SIZE), interpolation=cv2.INTER_AREA), np.float32)
        image *= self.light
        image *= np.float32(factor)
        return image

    def taken(self, canvas: Plane, factor: float) -> Plane:
        """Return the image of gray levels, sharpened and with its grain, around [0, 1]."""
        image = self.reduced(canvas, factor)
        if self.sharpening:
            image += np.float32(self.sharpening) * (image - cv2.GaussianBlur(image, (0, 0), SHARPENED_SCALE))
        if self.grain is not None:
            image += self.grain
        return image


def random_camera(
    of_light: np.random.RandomState,
    of_lens: np.random.RandomState,
    of_grain: np.random.RandomState,
    style: Style,
    parts: Ingredients,
) -> Camera:
    """Draw how an image is lit and taken."""
    blur = math.exp(of_lens.uniform(*np.log(LENS_BLUR)))
    sharpening = of_lens.uniform(*SHARPENING) if happens(of_lens, SHARPENED_FRACTION) else 0.0
    return Camera(
        light=_light(of_light, style) if parts.shading else np.ones((IMAGE_SIZE, IMAGE_SIZE), np.float32),
        blur=blur if parts.lens else 0.0,
        sharpening=sharpening if parts.lens else 0.0,
        grain=_grain(of_grain) if parts.micro_textures else None,
        brightness=of_lens.uniform(*BRIGHTNESS),
        exposing=EXPOSING if parts.lens else 0.0,
    )


def _light(rng: np.random.RandomState, style: Style) -> Plane:
    side = rng.randint(2, 6)
    coarse = np.exp(rng.normal(0, ILLUMINATION, (side, side))).astype(np.float32)
    light = np.asarray(cv2.resize(coarse, (IMAGE_SIZE, IMAGE_SIZE), interpolation=cv2.INTER_CUBIC), np.float32)
    if happens(rng, SHADOW_FRACTION):
        count = rng.randint(1, 6)
        radii = np.exp(rng.uniform(math.log(10), math.log(120), count))
        shadows = outlines(rng, radii, 40, style) + rng.uniform(0, IMAGE_SIZE, (count, 1, 2))
        mask = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.float32)
        for shadow in shadows:
            cv2.fillPoly(mask, [np.rint(shadow).astype(np.int32)], 1.0)
        softness = math.exp(rng.uniform(math.log(0.6), math.log(8)))
        light *= 1 - np.float32(rng.uniform(*SHADOW_DEPTH)) * cv2.GaussianBlur(mask, (0, 0), softness)
    return light


def _grain(rng: np.random.RandomState) -> Plane:
    deviation = math.exp(rng.uniform(*np.log(GRAIN))) / 255
    smoothness = rng.uniform(0.3, 0.8)
    noise = white_noise(rng, IMAGE_SIZE) * np.float32(deviation)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), smoothness), np.float32)
