"""Colors on the canvas, which shows face units -2.56 to 2.56; one unit has 100 pixels of it and 50 of the image."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from deblur.synthesis import color_stream
from deblur.synthesis.colors import COLORLESS, Color
from deblur.synthesis.faces.canvas import Canvas
from deblur.synthesis.faces.geometry import as_points, shifted
from deblur.synthesis.faces.palette import Palette, random_palette

PAPER_LEVEL = 200  # as in conftest.py
PAPER: Color = (255.0, 250.0, 200.0)
BLUE: Color = (50.0, 100.0, 255.0)
RED: Color = (255.0, 0.0, 0.0)
SQUARE = as_points((-1, -1), (1, -1), (1, 1), (-1, 1))
INSIDE = (slice(79, 177), slice(79, 177))  # pixels of the image in SQUARE without its soft rim
MakeCanvas = Callable[..., Canvas]


@pytest.fixture
def canvas(make_canvas: MakeCanvas) -> Canvas:
    return make_canvas(palette=Palette(paper=PAPER))


def colors_of(canvas: Canvas) -> NDArray[np.uint8]:
    assert canvas.colors is not None
    assert (canvas.colors.dtype, canvas.colors.shape) == (np.uint8, (256, 256, 3))
    return canvas.colors


def outside(canvas: Canvas, margin: int = 2) -> NDArray[np.uint8]:
    """Colors further than `margin` from SQUARE, which covers 78 to 178."""
    mask = np.ones((256, 256), bool)
    mask[78 - margin : 179 + margin, 78 - margin : 179 + margin] = False
    return colors_of(canvas)[mask]


def test_a_gray_canvas_has_no_colors(make_canvas: MakeCanvas) -> None:
    canvas = make_canvas()
    canvas.fill(SQUARE, 100, color=BLUE)
    canvas.shade(SQUARE, SQUARE, 0.5, color=RED)
    assert canvas.colors is None
    assert canvas.palette == Palette()


def test_a_new_canvas_has_the_color_of_its_paper(canvas: Canvas) -> None:
    assert (colors_of(canvas) == PAPER).all()


@pytest.mark.parametrize("settings", [{}, {"end_level": 200.0}, {"texture": np.zeros((512, 512), np.float32)}])
def test_a_fill_colors_its_shape_and_nothing_else(canvas: Canvas, settings: dict[str, object]) -> None:
    canvas.fill(SQUARE, 100, color=BLUE, line=0, **settings)
    assert (colors_of(canvas)[INSIDE] == BLUE).all()
    assert (outside(canvas) == PAPER).all()
    canvas.fill_plain(SQUARE, 100, RED)
    assert (colors_of(canvas)[INSIDE] == RED).all()


def test_colors_lie_where_gray_levels_do(canvas: Canvas) -> None:
    """Within the half pixel to which OpenCV rounds horizontal edges, in the image as on the larger canvas."""
    canvas.fill_plain(SQUARE, 0, RED)
    covered = 1 - canvas.levels.reshape(256, 2, 256, 2).mean(axis=(1, 3)) / PAPER_LEVEL
    colored = 1 - colors_of(canvas)[..., 1] / PAPER[1]
    assert np.abs(covered - colored).max() < 0.6
    for axis in (0, 1):
        centers = [np.average(np.arange(256), weights=each.sum(axis=axis)) for each in (covered, colored)]
        assert centers[0] == pytest.approx(centers[1], abs=0.3)


def test_a_transparent_fill_mixes_colors(canvas: Canvas) -> None:
    canvas.fill(SQUARE, 100, color=BLUE, opacity=0.25, line=0)
    np.testing.assert_allclose(colors_of(canvas)[INSIDE][0, 0], 0.75 * np.array(PAPER) + 0.25 * np.array(BLUE), atol=1)
    assert (outside(canvas) == PAPER).all()


def test_a_shape_without_a_color_is_colorless(canvas: Canvas) -> None:
    canvas.fill(SQUARE, 100)
    assert (colors_of(canvas)[INSIDE] == COLORLESS).all()


def test_lines_take_the_colors_below_them(canvas: Canvas) -> None:
    canvas.fill(SQUARE, 100, color=BLUE, line=0)
    before = colors_of(canvas).copy()
    canvas.stroke(as_points((-2, 0), (2, 0)), 10, 20)
    canvas.outline(SQUARE, 10, 5)
    np.testing.assert_array_equal(colors_of(canvas), before)
    canvas.stroke(as_points((-2, 0), (2, 0)), 10, 20, color=RED)
    assert (colors_of(canvas)[127:129, 100:156] == RED).all()


@pytest.mark.parametrize("softness", [0.0, 0.2])
def test_a_shadow_colors_its_object_alone(canvas: Canvas, softness: float) -> None:
    canvas.fill(SQUARE, 100, color=BLUE, line=0)
    before = colors_of(canvas).copy()
    canvas.shade(shifted(SQUARE, 1, 0), SQUARE, 0.8, softness)
    np.testing.assert_array_equal(colors_of(canvas), before)
    canvas.shade(shifted(SQUARE, 1, 0), SQUARE, 0.8, softness, color=RED)
    colors = colors_of(canvas)
    assert np.abs(colors[100:150, 160:170].astype(int) - RED).max() <= 1  # rounding
    assert (colors[100:150, 80:100] == BLUE).all()
    assert (outside(canvas) == PAPER).all()


def test_nothing_is_colored_off_the_canvas(canvas: Canvas) -> None:
    away = shifted(SQUARE, 9, 0)
    canvas.fill(away, 10, color=RED)
    canvas.fill(away, 10, color=RED, opacity=0.5)
    canvas.shade(away, SQUARE, 0.5, color=RED)
    assert (colors_of(canvas) == PAPER).all()


def test_the_palette_of_a_gray_drawing_draws_nothing() -> None:
    palette = Palette()
    assert palette.cloth(100) == COLORLESS
    assert palette.background() == (COLORLESS, COLORLESS)
    assert palette.leaves(np.full(3, 100.0)) == [COLORLESS] * 3


@pytest.mark.parametrize("index", range(20))
def test_colors_of_a_palette_are_at_full_brightness(index: int) -> None:
    stream = color_stream(0, index, "rgb")
    assert stream is not None
    skin, hair = 215.0, 100.0
    palette = random_palette(stream, skin, hair)
    drawn = [palette.paper, palette.skin, palette.skin_shadow, palette.blush, palette.mouth, palette.hair]
    drawn += [palette.hair_light, palette.iris, palette.cloth(30), *palette.background()]
    drawn += palette.leaves(np.array([0.0, 100, 255]))
    for color in drawn:
        assert max(color) == pytest.approx(255)
        assert min(color) >= -1e-9
    red, green, blue = palette.skin
    assert red > green > blue
    assert palette.leaves(np.array([255.0])) == [pytest.approx(COLORLESS)]
