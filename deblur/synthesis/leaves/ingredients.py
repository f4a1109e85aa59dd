"""What the images consist of, for ablations."""

from dataclasses import dataclass
from enum import IntEnum


@dataclass(frozen=True)
class Ingredients:
    """Which parts of the drawing take place.

    Each part draws its random numbers from a stream of its own: without one of them, the others stay as they are.
    """

    smooth_shapes: bool = True  # without: ellipses and polygons only
    materials: bool = True  # shapes of one kind lie together; without: each shape is independent of all others
    micro_textures: bool = True  # colored noise on the shapes, and the grain of the image
    waves: bool = True  # stripes and grids on the shapes
    shading: bool = True  # light falls off over a shape and over the image, shadows
    depth_of_field: bool = True  # shapes at the back and at the front are out of focus
    lens: bool = True  # blur and sharpening by the camera; without: means of 2x2 canvas px
    thin_structures: bool = True  # twigs, wires, hair
    marks: bool = True  # rows of strokes like letters


ALL = Ingredients()


class Stream(IntEnum):
    """Numbers of the streams of random numbers; 1 is that of the colors."""

    SHAPES = 0
    OUTLINES = 2
    MATERIALS = 3
    MICRO_TEXTURES = 4
    WAVES = 5
    SHADING = 6
    LIGHT = 7
    DEPTH = 8
    LENS = 9
    GRAIN = 10
    THIN = 11
    MARKS = 12
