"""Composition of a face, from bare paper to the finished image."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deblur.synthesis.faces.canvas import Canvas, Levels, random_style
from deblur.synthesis.faces.clothing import draw_body, draw_headwear
from deblur.synthesis.faces.hair import draw_back_hair, draw_front_hair, random_hair_colors
from deblur.synthesis.faces.head import draw_head, random_skin
from deblur.synthesis.faces.randomness import happens, pick, random_stream
from deblur.synthesis.faces.scenery import draw_background, draw_petals
from deblur.synthesis.faces.textures import Field, random_light, random_textures
from deblur.synthesis.faces.view import IMAGE_SIZE, random_view


@dataclass(frozen=True)
class Stages:
    """The image after every stage; all gray levels are in [0, 255].

    Attributes:
        background: The canvas with its background, (CANVAS_SIZE, CANVAS_SIZE).
        figure: The canvas with the whole drawing, same shape.
        light: The drawing reduced to the size of the image, in painted light and with paper grain,
            (IMAGE_SIZE, IMAGE_SIZE), not rounded.
        image: The finished image, (IMAGE_SIZE, IMAGE_SIZE).
    """

    background: Levels
    figure: Levels
    light: Field
    image: Levels


def draw(seed: int, index: int) -> NDArray[np.uint8]:
    """Draw a face.

    The image depends on nothing but the two numbers: not on the order of the calls, the process or any global state.
    Other releases of NumPy and OpenCV round differently: that changes single pixels by a few gray levels.

    Args:
        seed: Number of the collection of faces, in [0, 2**32).
        index: Number of the face in its collection, in [0, 2**32).

    Returns:
        Gray levels, (IMAGE_SIZE, IMAGE_SIZE), in a new array.

    Raises:
        ValueError: The seed or the index is outside its range.
    """
    return draw_stages(seed, index).image


def draw_stages(seed: int, index: int) -> Stages:
    """Draw a face like `draw` and keep the image after every stage."""
    rng = random_stream(seed, index)
    canvas = _random_canvas(rng)
    skin = random_skin(rng)
    hair = random_hair_colors(rng)

    draw_background(canvas, rng)
    background = canvas.levels.copy()

    draw_back_hair(canvas, rng, hair)
    draw_body(canvas, rng, skin)
    draw_head(canvas, rng, skin)
    draw_front_hair(canvas, rng, hair)
    draw_headwear(canvas, rng, hair)
    if happens(rng, 0.35):
        draw_petals(canvas, rng)

    light = _expose(_reduce(canvas.levels, rng), rng)
    mirrored = light[:, ::-1] if happens(rng, 0.5) else light
    image = np.rint(mirrored).astype(np.uint8, order="C")
    return Stages(background, canvas.levels, light, image)


def _random_canvas(rng: np.random.RandomState) -> Canvas:
    """Take a sheet of light paper, and choose the view of the face, the textures and the style of the drawing."""
    paper = rng.uniform(200, 256)
    view = random_view(rng)
    textures = random_textures(rng, view)
    return Canvas(paper, view, random_style(rng), textures)


def _reduce(levels: Levels, rng: np.random.RandomState) -> Field:
    """Reduce the canvas to the size of the image, a little soft, as scanned drawings are."""
    reduced = cv2.resize(levels, (IMAGE_SIZE, IMAGE_SIZE), interpolation=cv2.INTER_AREA)
    softness = rng.uniform(0.1, 0.55)  # px, standard deviation
    return cv2.GaussianBlur(reduced, (3, 3), softness).astype(np.float32)


def _expose(image: Field, rng: np.random.RandomState) -> Field:
    """Change an image in place and return it.

    It gets painted light, in half of the drawings paper grain, and brighter or darker mid-tones.
    """
    light = random_light(rng)
    strength = pick(rng, rng.uniform(0, 0.03), rng.uniform(0.04, 0.18), rng.uniform(0.04, 0.18))
    light *= strength
    light += 1
    image *= light
    if happens(rng, 0.5):
        grain = rng.uniform(0.3, 2.0)  # gray levels, standard deviation
        image += rng.normal(0, grain, image.shape)
    image /= 255
    np.clip(image, 0, 1, out=image)
    image **= rng.uniform(0.6, 1.1)
    image *= 255
    return image
