"""The canvas: fills, shades and strokes shapes given in face units; and the random fields that texture them."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from deblur.synthesis import CANVAS_SIZE, IMAGE_SIZE, OVERSAMPLING, happens, pick
from deblur.synthesis.colors import COLORLESS, Color
from deblur.synthesis.faces.geometry import Points, View, closed, ribbon
from deblur.synthesis.faces.palette import Palette

Levels = NDArray[np.uint8]
Field = NDArray[np.float32]

BLACK, WHITE = 0.0, 255.0  # gray levels
TEXTURE_WHITE = 254.0  # a texture never reaches pure white, which is left to highlights and paper
FRACTION_BITS = 4  # OpenCV takes polygon corners as whole numbers of 1/16 px
MARGIN = 2  # px around a patch, for the soft rim of the polygon
PAINTED_SOFTNESS = 0.06  # face units: edge of a painted shadow; a cel shadow has a hard edge
LIGHT_GRIDS = (3, 6, 12, 24, 48, 96)  # cells along one edge, coarse to fine
PIXELS = np.arange(CANVAS_SIZE, dtype=np.float32)  # the x of every column and the y of every row
PIXELS.setflags(write=False)


class Patch(NamedTuple):
    """How much of every pixel a shape covers (0 to 255), and the part of a plane that the shape lies in."""

    coverage: Levels
    rows: slice
    columns: slice


@dataclass(frozen=True)
class Style:
    """What all lines and shadows of one drawing have in common."""

    line_width: float  # of a line of width 1 [canvas px]
    ink: float  # gray level of the outlines
    painted: bool  # whether shadows have soft edges, as if painted, or hard ones, as in cel animation


@dataclass(frozen=True)
class Textures:
    """Two fields of gray levels to add to a filled shape, both of the size of the canvas."""

    streaks: Field  # from the crown to the tips, for hair
    blotches: Field  # without direction, for cloth and paper


def random_style(rng: np.random.RandomState) -> Style:
    """Draw a style: two in three use a dark ink, the others a grayish one."""
    line_width = rng.uniform(0.6, 1.7) * OVERSAMPLING
    ink = pick(rng, rng.uniform(5, 45), rng.uniform(5, 45), rng.uniform(45, 120))
    return Style(line_width, ink, painted=happens(rng, 0.6))


def random_textures(rng: np.random.RandomState, view: View) -> Textures:
    """Draw both textures; the streaks turn with the head."""
    # Streaks are fine across the hair, long along it, and gathered in broader tresses.
    fine = rng.normal(0, 1, (5, 40))
    broad = cv2.resize(rng.normal(0, 1, (4, 14)), (40, 5), interpolation=cv2.INTER_CUBIC)
    strength = rng.uniform(2, 16)  # gray levels
    upright = _enlarge((fine + broad).astype(np.float32) * strength, CANVAS_SIZE)
    size = (CANVAS_SIZE, CANVAS_SIZE)
    streaks = cv2.warpAffine(upright, view.turn_about_center(), size, borderMode=cv2.BORDER_REFLECT)
    deviation = rng.uniform(2, 12)  # gray levels
    return Textures(np.asarray(streaks, np.float32), _enlarge(rng.normal(0, deviation, (40, 40)), CANVAS_SIZE))


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


class Canvas:
    """A square of gray levels to draw on.

    Shapes and paths are (n, 2) arrays in face units and may lie outside the canvas. Gray levels are clipped to
    [0, 255]. The color of a shape, at full brightness, is dimmed to the gray levels that its pixels have at the end:
    shadows, gradients and textures need no colors of their own, and a line takes those of the shapes that it is drawn
    on.

    Attributes:
        levels: (CANVAS_SIZE, CANVAS_SIZE), the drawing so far.
        colors: (IMAGE_SIZE, IMAGE_SIZE, 3), the color of every pixel of the image at full brightness; None for a gray
            drawing.
        palette: of the drawing.
    """

    def __init__(
        self, paper: float, view: View, style: Style, textures: Textures, palette: Palette | None = None
    ) -> None:
        """Cover the canvas with paper of the given gray level; without a palette the drawing is gray."""
        self.levels: Levels = np.full((CANVAS_SIZE, CANVAS_SIZE), int(limited(paper)), np.uint8)
        self.colors: Levels | None = None
        if palette is not None:
            self.colors = np.full((IMAGE_SIZE, IMAGE_SIZE, 3), palette.paper, np.uint8)
        self.palette = palette or Palette()
        self.view = view
        self.style = style
        self.textures = textures
        self.ink = style.ink

    def fill(
        self,
        shape: Points,
        level: float,
        end_level: float | None = None,
        *,
        angle: float = 90.0,
        opacity: float = 1.0,
        line: float = 1.0,
        texture: Field | None = None,
        color: Color = COLORLESS,
    ) -> None:
        """Fill a shape and draw its outline.

        Args:
            shape: the outline, (n, 2).
            level: gray level, or the start of a gradient.
            end_level: end of the gradient; None for no gradient.
            angle: direction of the gradient [degrees] (0: right, 90: down).
            opacity: 0 leaves what is below, 1 hides it.
            line: width of the outline relative to the style's line; 0 draws none.
            texture: gray levels to add, a field of the size of the canvas.
            color: of the shape at full brightness.
        """
        start = limited(level)
        end = start if end_level is None else limited(end_level)
        corners = self.view.to_pixels(shape)
        if texture is None and opacity >= 1 and abs(end - start) < 2:
            _draw_polygon(self.levels, corners, start)
        else:
            patch = _cover(corners, MARGIN, CANVAS_SIZE)
            if patch is None:
                return
            paint = _gradient(corners, patch, start, end, self.view.direction(angle))
            if texture is not None:
                paint += texture[patch.rows, patch.columns]
                np.clip(paint, BLACK, TEXTURE_WHITE, out=paint)
            self._blend(patch, paint, opacity)
        self._color(corners, color, opacity)
        if line > 0:
            self._draw_line(closed(corners), self.ink, line, tapered=False)

    def fill_plain(self, shape: Points, level: float, color: Color = COLORLESS) -> None:
        """Fill a shape with one gray level, without an outline."""
        corners = self.view.to_pixels(shape)
        _draw_polygon(self.levels, corners, limited(level))
        self._color(corners, color)

    def outline(self, shape: Points, level: float, width: float) -> None:
        """Draw the outline of a shape with an even line of whole pixels, at least one."""
        thickness = max(1, round(width * self.style.line_width))
        corners = _fixed_point(self.view.to_pixels(shape))
        cv2.polylines(self.levels, [corners], True, limited(level), thickness, cv2.LINE_AA, FRACTION_BITS)

    def shade(
        self,
        shape: Points,
        within: Points,
        factor: float,
        softness: float | None = None,
        *,
        color: Color | None = None,
    ) -> None:
        """Darken an object under a shadow.

        Args:
            shape: outline of the shadow.
            within: outline of the object.
            factor: fraction of the gray level that remains in full shadow, in [0, 1].
            softness: width of the shadow's edge in face units; None for that of the style.
            color: of the object in full shadow, at full brightness; None for its own.
        """
        if softness is None:
            softness = PAINTED_SOFTNESS if self.style.painted else 0.0
        edge = softness * self.view.unit
        outline, limits = self.view.to_pixels(shape), self.view.to_pixels(within)
        patch = _shadow(outline, limits, edge, CANVAS_SIZE)
        if patch is None:
            return
        self._blend(patch, self.levels[patch.rows, patch.columns] * np.float32(factor))
        if color is not None and self.colors is not None:
            reduced = _shadow(_reduced(outline), _reduced(limits), edge / OVERSAMPLING, IMAGE_SIZE)
            _blend_color(self.colors, reduced, color)

    def stroke(
        self, path: Points, level: float, width: float = 1.0, *, tapered: bool = True, color: Color | None = None
    ) -> None:
        """Draw a line along a path of at least two points, `width` times as wide as the style's line.

        Without a color the line takes those of the shapes below it.
        """
        self._draw_line(self.view.to_pixels(path), level, width, tapered=tapered, color=color)

    def _draw_line(
        self, path: Points, level: float, width: float, *, tapered: bool, color: Color | None = None
    ) -> None:
        """Draw a line along a path in pixels."""
        corners = ribbon(path, 0.5 * width * self.style.line_width, tapered=tapered)
        _draw_polygon(self.levels, corners, limited(level))
        if color is not None:
            self._color(corners, color)

    def _color(self, corners: Points, color: Color, opacity: float = 1.0) -> None:
        """Color a polygon, given in pixels of the canvas."""
        if self.colors is None:
            return
        reduced = _reduced(corners)
        if opacity >= 1:
            cv2.fillPoly(self.colors, [_fixed_point(reduced)], color, cv2.LINE_AA, FRACTION_BITS)
        else:
            _blend_color(self.colors, _cover(reduced, MARGIN, IMAGE_SIZE), color, opacity)

    def _blend(self, patch: Patch, paint: Field, opacity: float = 1.0) -> None:
        """Blend paint, gray levels of the patch's size, into the canvas; overwrite the array of the paint."""
        region = self.levels[patch.rows, patch.columns]
        below = region.astype(np.float32)
        weight = patch.coverage.astype(np.float32)
        weight *= np.float32(opacity / 255)
        paint -= below
        paint *= weight
        paint += below
        paint += np.float32(0.5)  # so that cutting off the fraction rounds
        # A steep gradient overshoots outside its shape; beyond 255, white would be stored as black.
        np.clip(paint, BLACK, WHITE, out=paint)
        region[:] = paint


def limited(level: float) -> float:
    """Clip a gray level to [0, 255]."""
    return min(max(float(level), BLACK), WHITE)


def _fixed_point(corners: Points) -> NDArray[np.int32]:
    """Convert pixels to the whole numbers of 1/16 px that OpenCV draws with."""
    fixed: NDArray[np.int32] = (corners * 2**FRACTION_BITS).astype(np.int32)
    return fixed


def _draw_polygon(levels: Levels, corners: Points, level: float) -> None:
    """Fill a polygon, given in pixels, with a smooth rim."""
    cv2.fillPoly(levels, [_fixed_point(corners)], level, cv2.LINE_AA, FRACTION_BITS)


def _reduced(corners: Points) -> Points:
    """Convert pixels of the canvas to those of the image; whole numbers are the middles of pixels."""
    return (corners - (OVERSAMPLING - 1) / 2) / OVERSAMPLING


def _shadow(shape: Points, within: Points, edge: float, size: int) -> Patch | None:
    """Return the patch of a shadow on an object, of a plane of the given size; all in its pixels."""
    patch = _cover(shape, MARGIN + int(1.8 * edge), size)
    if patch is None:
        return None
    shadow: NDArray[np.integer | np.floating] = patch.coverage
    if edge:
        window = (int(edge * 1.7) | 1, int(edge * 1.7) | 1)
        for _ in range(2):
            shadow = cv2.blur(shadow, window, borderType=cv2.BORDER_CONSTANT)
    stencil = np.zeros_like(patch.coverage)
    _draw_polygon(stencil, within - [patch.columns.start, patch.rows.start], WHITE)
    return patch._replace(coverage=np.asarray(cv2.min(shadow, stencil), np.uint8))


def _blend_color(colors: Levels, patch: Patch | None, color: Color, opacity: float = 1.0) -> None:
    """Blend a color into the colors of an image."""
    if patch is None:
        return
    region = colors[patch.rows, patch.columns]
    weight = patch.coverage[..., None] * np.float32(opacity / 255)
    region[:] = region + weight * (np.array(color, np.float32) - region) + np.float32(0.5)


def _cover(corners: Points, margin: int, size: int) -> Patch | None:
    """Return the patch of a polygon with a margin, both in pixels; None if (almost) nothing is on the plane."""
    low_x, low_y = corners.min(axis=0).tolist()
    high_x, high_y = corners.max(axis=0).tolist()
    left, top = max(int(low_x) - margin, 0), max(int(low_y) - margin, 0)
    right, bottom = min(int(high_x) + margin + 1, size), min(int(high_y) + margin + 1, size)
    if right - left < 2 or bottom - top < 2:
        return None
    coverage = np.zeros((bottom - top, right - left), np.uint8)
    _draw_polygon(coverage, corners - [left, top], WHITE)
    return Patch(coverage, slice(top, bottom), slice(left, right))


def _gradient(corners: Points, patch: Patch, start: float, end: float, direction: NDArray[np.float64]) -> Field:
    """Return the patch's gray levels: from `start` to `end` over the extent of the corners in the direction."""
    along = corners @ direction
    first, last = float(along.min()), float(along.max())
    slope = (end - start) / (last - first + 1e-6)  # gray levels per pixel
    slope_x, slope_y = np.float32(direction[0] * slope), np.float32(direction[1] * slope)
    across = PIXELS[patch.columns] * slope_x + np.float32(start - first * slope)
    down = PIXELS[patch.rows] * slope_y
    return across + down[:, None]
