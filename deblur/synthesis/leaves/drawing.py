"""Drawing of one image: shapes and strokes fall, are painted from the back to the front, and are photographed."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deblur.choices import DataColor
from deblur.synthesis import CANVAS_SIZE, OVERSAMPLING, color_stream, happens, random_stream
from deblur.synthesis.colors import with_differences
from deblur.synthesis.leaves.camera import random_camera
from deblur.synthesis.leaves.ingredients import ALL, Ingredients, Stream
from deblur.synthesis.leaves.materials import Surfaces, chromaticities, random_surfaces
from deblur.synthesis.leaves.outlines import Style, random_style
from deblur.synthesis.leaves.planes import Figure, Labels, blurred, labeled, painted
from deblur.synthesis.leaves.shapes import random_shapes
from deblur.synthesis.leaves.strokes import Stroke, curves, letters, origins
from deblur.synthesis.leaves.textures import textures

Plane = NDArray[np.float32]

DEFOCUSED_FRACTION: Final = 0.3  # of the images have a back that is out of focus
NEAR_FRACTION: Final = 0.12  # of the images have a front that is out of focus
DEFOCUS: Final = (0.4, 6.0)  # standard deviation of the blur [image px]
MOST_NEAR: Final = 8  # shapes at the front
STROKE_RADIUS: Final = 64.0  # over which the light falls off on strokes [canvas px]
BACKGROUND_RADIUS: Final = CANVAS_SIZE  # over which the light falls off on the background [canvas px]
_NOTHING: Final = -1  # the label of places without a shape


def draw(seed: int, index: int, color: DataColor = "gray", ingredients: Ingredients = ALL) -> NDArray[np.uint8]:
    """Draw an image.

    Args:
        seed: number of the collection of images, in [0, 2**32).
        index: number of the image in its collection, in [0, 2**32).
        color: `gray` or `rgb`. The luma of the RGB image is exactly the gray image.
        ingredients: which parts of the drawing take place; for ablations.

    Returns:
        Gray levels 0 to 255, (IMAGE_SIZE, IMAGE_SIZE), or RGB, (IMAGE_SIZE, IMAGE_SIZE, 3).

    Raises:
        ValueError: if the seed or the index is outside its range, or the color is unknown.
    """
    of_colors = color_stream(seed, index, color)
    streams = {stream: random_stream(seed, index, stream) for stream in Stream}
    style = random_style(streams[Stream.OUTLINES])
    figures, centers, radii = _figures(streams, style, ingredients)
    surfaces = random_surfaces(streams[Stream.MATERIALS], streams[Stream.SHADING], centers, radii, ingredients)
    used = set(surfaces.textures[surfaces.contrasts > 0].tolist())
    drawn = textures(streams[Stream.MICRO_TEXTURES], streams[Stream.WAVES], used, ingredients)
    camera = random_camera(streams[Stream.LIGHT], streams[Stream.LENS], streams[Stream.GRAIN], style, ingredients)
    scene = _Scene(surfaces, drawn, None if of_colors is None else chromaticities(of_colors, surfaces))
    levels, *differences = scene.composed(figures, streams[Stream.DEPTH], ingredients)
    exposure = camera.exposure(levels)
    image = np.asarray(np.rint(np.clip(camera.taken(levels, exposure), 0, 1) * 255), dtype=np.uint8)
    if not differences:
        return image
    red, blue = (camera.reduced(plane, 255 * exposure) for plane in differences)
    return with_differences(image, red, blue)


@dataclass(frozen=True)
class _Scene:
    """What all planes of a scene are painted with."""

    surfaces: Surfaces
    textures: Plane
    chromaticities: Plane | None  # (N, 2)

    def composed(self, figures: list[Figure], rng: np.random.RandomState, parts: Ingredients) -> list[Plane]:
        """Return the gray levels of the canvas, and R - Y and B - Y if there are colors, in units of the levels.

        They mix linearly, as light does, where shapes are out of focus.
        """
        count = len(figures)
        behind = rng.randint(count // 3, count) if happens(rng, DEFOCUSED_FRACTION) else 0
        before = count - rng.randint(1, 1 + min(MOST_NEAR, count // 4)) if happens(rng, NEAR_FRACTION) else count
        far, near = (OVERSAMPLING * math.exp(rng.uniform(*np.log(DEFOCUS))) for _ in range(2))
        if not parts.depth_of_field:
            behind, before = 0, count
        if behind >= before:
            behind = 0
        canvas = self._painted(labeled(figures[: behind or before], 1, 0))
        if behind:
            canvas = [blurred(plane, far) for plane in canvas]
            labels = labeled(figures[behind:before], behind + 1, _NOTHING)
            for plane, sharp in zip(canvas, self._painted(labels), strict=True):
                np.copyto(plane, sharp, where=labels != _NOTHING)
        if before < count:
            labels = labeled(figures[before:], before + 1, _NOTHING)
            opacity = np.asarray(labels != _NOTHING, dtype=np.float32)
            kept = 1 - blurred(opacity, near)
            canvas = [
                plane * kept + blurred(sharp * opacity, near)
                for plane, sharp in zip(canvas, self._painted(labels), strict=True)
            ]
        return canvas

    def _painted(self, labels: Labels) -> list[Plane]:
        return painted(labels, self.surfaces, self.textures, self.chromaticities)


def _figures(
    streams: dict[Stream, np.random.RandomState], style: Style, parts: Ingredients
) -> tuple[list[Figure], NDArray[np.float64], NDArray[np.float64]]:
    """Return shapes and strokes from the back to the front, their centers, (N + 1, 2), and radii, (N + 1,).

    The first center and radius are those of the background.
    """
    shapes = random_shapes(streams[Stream.SHAPES], streams[Stream.OUTLINES], style, smooth=parts.smooth_shapes)
    groups: list[tuple[float, list[Stroke]]] = []
    for stream, draw_strokes, is_drawn in (
        (Stream.THIN, curves, parts.thin_structures),
        (Stream.MARKS, letters, parts.marks),
    ):
        rng = streams[stream]
        strokes = draw_strokes(rng)
        if is_drawn and strokes:
            groups.append((rng.uniform(0.6, 1), strokes))
    figures: list[Figure] = list(shapes.outlines)
    centers, radii = shapes.centers, shapes.radii
    for height, strokes in groups:
        place = int(height * len(figures))
        figures[place:place] = strokes
        centers = np.insert(centers, place, origins(strokes), axis=0)
        radii = np.insert(radii, place, np.full(len(strokes), STROKE_RADIUS))
    middle = np.full((1, 2), CANVAS_SIZE / 2)
    return figures, np.concatenate([middle, centers]), np.concatenate([[BACKGROUND_RADIUS], radii])
