"""Composition of a face, from bare paper to the finished image; and sheets of many faces."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deblur.choices import DataColor
from deblur.synthesis import IMAGE_SIZE, color_stream, happens, pick, random_stream
from deblur.synthesis.colors import with_colors
from deblur.synthesis.faces.canvas import Canvas, Field, Levels, random_light, random_style, random_textures
from deblur.synthesis.faces.clothing import draw_body, draw_headwear
from deblur.synthesis.faces.geometry import random_view
from deblur.synthesis.faces.hair import draw_back_hair, draw_front_hair, random_hair_colors
from deblur.synthesis.faces.head import draw_head, random_skin
from deblur.synthesis.faces.palette import random_palette
from deblur.synthesis.faces.scenery import draw_background, draw_petals

EMPTY = 255  # gray level of a sheet without a face


@dataclass(frozen=True)
class Stages:
    """The image after every stage; all gray levels are in [0, 255]."""

    background: Levels  # the canvas with its background, (CANVAS_SIZE, CANVAS_SIZE)
    figure: Levels  # the canvas with the whole drawing, same shape
    light: Field  # the drawing at the size of the image, in painted light and with paper grain, not rounded
    image: Levels  # the finished image, (IMAGE_SIZE, IMAGE_SIZE), or (IMAGE_SIZE, IMAGE_SIZE, 3) in color


def draw(seed: int, index: int, color: DataColor = "gray") -> NDArray[np.uint8]:
    """Draw a face.

    The image depends only on the two numbers: not on the order of the calls, the process or any global state. Other
    releases of NumPy and OpenCV round differently, which changes single pixels by a few gray levels.

    Args:
        seed: number of the collection of faces, in [0, 2**32).
        index: number of the face in its collection, in [0, 2**32).
        color: `gray` or `rgb`. The luma of the RGB image is exactly the gray image.

    Returns:
        Gray levels, (IMAGE_SIZE, IMAGE_SIZE), or RGB, (IMAGE_SIZE, IMAGE_SIZE, 3), in a new array.

    Raises:
        ValueError: if the seed or the index is outside its range, or the color is unknown.
    """
    return draw_stages(seed, index, color).image


def draw_stages(seed: int, index: int, color: DataColor = "gray") -> Stages:
    """Draw a face like `draw` and keep the image after every stage."""
    rng = random_stream(seed, index)
    paper = rng.uniform(200, 256)
    view = random_view(rng)
    textures = random_textures(rng, view)
    style = random_style(rng)
    skin = random_skin(rng)
    hair = random_hair_colors(rng)
    of_colors = color_stream(seed, index, color)
    palette = None if of_colors is None else random_palette(of_colors, skin, hair.mid)
    canvas = Canvas(paper, view, style, textures, palette)

    draw_background(canvas, rng)
    background = canvas.levels.copy()

    draw_back_hair(canvas, rng, hair)
    draw_body(canvas, rng, skin)
    draw_head(canvas, rng, skin)
    draw_front_hair(canvas, rng, hair)
    draw_headwear(canvas, rng, hair)
    if happens(rng, 0.35):
        draw_petals(canvas, rng)

    reduced = cv2.resize(canvas.levels, (IMAGE_SIZE, IMAGE_SIZE), interpolation=cv2.INTER_AREA)
    softness = rng.uniform(0.1, 0.55)  # px, standard deviation; scanned drawings are a little soft
    light = _expose(cv2.GaussianBlur(reduced, (3, 3), softness).astype(np.float32), rng)
    is_mirrored = happens(rng, 0.5)
    mirrored = light[:, ::-1] if is_mirrored else light
    image = np.rint(mirrored).astype(np.uint8, order="C")
    if canvas.colors is not None:
        colors = np.asarray(cv2.GaussianBlur(canvas.colors, (3, 3), softness), np.uint8)
        image = with_colors(image, colors[:, ::-1] if is_mirrored else colors)
    return Stages(background, canvas.levels, light, image)


def _expose(image: Field, rng: np.random.RandomState) -> Field:
    """Add painted light, in half of the drawings paper grain, and a gamma to an image in place, and return it."""
    light = random_light(rng)
    light *= pick(rng, rng.uniform(0, 0.03), rng.uniform(0.04, 0.18), rng.uniform(0.04, 0.18))
    light += 1
    image *= light
    if happens(rng, 0.5):
        grain = rng.uniform(0.3, 2.0)  # gray levels, standard deviation
        image += rng.normal(0, grain, image.shape)
    image /= 255
    np.clip(image, 0, 1, out=image)
    # In double precision: NumPy's powers of single precision differ between processors.
    image[:] = image.astype(np.float64) ** rng.uniform(0.6, 1.1)
    image *= 255
    return image


def contact_sheet(
    seed: int, first: int, count: int, columns: int, face_size: int = IMAGE_SIZE, color: DataColor = "gray"
) -> NDArray[np.uint8]:
    """Draw faces side by side.

    Args:
        seed: number of the collection of faces.
        first: index of the first face; the others follow it, row by row.
        count: number of faces, at least 1.
        columns: faces per row, at least 1; a sheet with fewer faces is narrower.
        face_size: edge of one face [px], in [1, IMAGE_SIZE]; smaller faces are averaged.
        color: `gray` or `rgb`.

    Returns:
        Gray levels, (rows * face_size, columns * face_size), or RGB with three channels.
    """
    columns = min(columns, count)
    rows = -(-count // columns)
    channels = (3,) if color == "rgb" else ()
    sheet = np.full((rows * face_size, columns * face_size, *channels), EMPTY, np.uint8)
    for place in range(count):
        top, left = (face_size * number for number in divmod(place, columns))
        face = cv2.resize(draw(seed, first + place, color), (face_size, face_size), interpolation=cv2.INTER_AREA)
        sheet[top : top + face_size, left : left + face_size] = face
    return sheet
