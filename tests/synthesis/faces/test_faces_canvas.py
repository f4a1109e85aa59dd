"""The canvas of these tests shows face units -2.56 to 2.56; one unit has 100 pixels."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from deblur.synthesis import random_stream
from deblur.synthesis.faces.canvas import Canvas, limited
from deblur.synthesis.faces.geometry import Points, as_points, ellipse, shifted
from deblur.synthesis.faces.scenery import Area, scatter

PAPER, INK, STREAK = 200, 20, 7  # gray levels, as in conftest.py
SQUARE = as_points((-1, -1), (1, -1), (1, 1), (-1, 1))
INSIDE = (slice(157, 355), slice(157, 355))  # pixels of SQUARE without its soft rim


def outside(margin: int) -> NDArray[np.bool_]:
    """Mark the pixels further than `margin` from SQUARE, which covers 156 to 356."""
    mask = np.ones((512, 512), bool)
    mask[156 - margin : 357 + margin, 156 - margin : 357 + margin] = False
    return mask


def test_new_canvas_is_paper(canvas: Canvas) -> None:
    assert canvas.levels.shape == (512, 512)
    assert (canvas.levels == PAPER).all()


def test_plain_fill_covers_its_shape_and_nothing_else(canvas: Canvas) -> None:
    canvas.fill_plain(SQUARE, 80)
    assert (canvas.levels[INSIDE] == 80).all()
    assert (canvas.levels[outside(margin=1)] == PAPER).all()


def test_fill_without_gradient_is_plain(make_canvas: Callable[..., Canvas]) -> None:
    plain, filled = make_canvas(), make_canvas()
    plain.fill_plain(SQUARE, 80)
    filled.fill(SQUARE, 80, line=0)
    np.testing.assert_array_equal(filled.levels, plain.levels)


@pytest.mark.parametrize(("angle", "axis"), [(90, 0), (0, 1)])
def test_gradient_runs_along_its_angle(canvas: Canvas, angle: float, axis: int) -> None:
    canvas.fill(SQUARE, 50, 150, angle=angle, line=0)
    along = np.moveaxis(canvas.levels[INSIDE], axis, 0).astype(int)
    np.testing.assert_allclose(along[:, 0], np.linspace(50.5, 149.5, len(along)), atol=1)
    assert (along == along[:, :1]).all()
    assert (canvas.levels[outside(margin=2)] == PAPER).all()


def test_gradient_can_run_backwards(make_canvas: Callable[..., Canvas]) -> None:
    forwards, backwards = make_canvas(), make_canvas()
    forwards.fill(SQUARE, 50, 150, angle=90, line=0)
    backwards.fill(SQUARE, 150, 50, angle=270, line=0)
    np.testing.assert_allclose(backwards.levels.astype(int), forwards.levels, atol=1)


@pytest.mark.parametrize("opacity", [0.0, 0.25, 0.5, 1.0])
def test_opacity_mixes_paint_and_paper(canvas: Canvas, opacity: float) -> None:
    canvas.fill(SQUARE, 100, 102, opacity=opacity, line=0)
    assert abs(canvas.levels[INSIDE].astype(int) - (PAPER + opacity * (101 - PAPER))).max() <= 2
    assert (canvas.levels[outside(margin=2)] == PAPER).all()


def test_texture_is_added_inside_the_shape(canvas: Canvas) -> None:
    canvas.fill(SQUARE, 90, line=0, texture=canvas.textures.streaks)
    assert (canvas.levels[INSIDE] == 90 + STREAK).all()
    assert (canvas.levels[outside(margin=2)] == PAPER).all()


def test_texture_does_not_reach_white(canvas: Canvas) -> None:
    canvas.fill(SQUARE, 255, line=0, texture=canvas.textures.streaks)
    assert (canvas.levels[INSIDE] == 254).all()


def test_fill_draws_its_outline_in_ink(canvas: Canvas) -> None:
    canvas.fill(SQUARE, 90, line=2)
    assert (canvas.levels[200:300, 155:157] == INK).all()
    assert (canvas.levels[200:300, 355:357] == INK).all()
    assert (canvas.levels[outside(margin=4)] == PAPER).all()


@pytest.mark.parametrize(("level", "stored"), [(-40, 0), (300, 255)])
def test_levels_beyond_the_range_are_limited(make_canvas: Callable[..., Canvas], level: float, stored: int) -> None:
    assert limited(level) == stored
    plain, filled, mixed = make_canvas(), make_canvas(), make_canvas()
    plain.fill_plain(SQUARE, level)
    filled.fill(SQUARE, level, level, line=0)
    mixed.fill(SQUARE, level, level, line=0, opacity=0.999)
    for canvas in (plain, filled, mixed):
        assert abs(canvas.levels[INSIDE].astype(int) - stored).max() <= 1


def test_steep_gradients_beside_white_do_not_wrap_round_to_black(make_canvas: Callable[..., Canvas]) -> None:
    canvas = make_canvas(paper=255)
    generator = np.random.default_rng(0)
    for x, y, width, height in generator.uniform([-2, -2, 0.003, 0.003], [2, 2, 0.03, 0.03], (300, 4)):
        canvas.fill(ellipse(x, y, width, height, count=8), 255, 215, angle=generator.uniform(0, 360), line=0)
    assert canvas.levels.min() > 150


@pytest.mark.parametrize("painted", [False, True])
@pytest.mark.parametrize("softness", [None, 0.0, 0.2])
def test_shade_only_darkens_and_stays_within_the_object(
    make_canvas: Callable[..., Canvas], painted: bool, softness: float | None
) -> None:
    canvas = make_canvas(painted=painted)
    canvas.levels[:] = np.random.default_rng(0).integers(0, 256, (512, 512))
    before = canvas.levels.astype(int)
    canvas.shade(shifted(SQUARE, 0.7, 0.7), within=SQUARE, factor=0.6, softness=softness)
    change = canvas.levels - before
    assert (change <= 0).all()
    assert (change[outside(margin=1)] == 0).all()
    assert change[300:350, 300:350].mean() < -0.3 * before[300:350, 300:350].mean()
    assert (change[160:180, 160:180] == 0).all()


def test_cel_shadows_have_hard_edges_and_painted_ones_soft_edges(make_canvas: Callable[..., Canvas]) -> None:
    gray_levels = {}
    for painted in (False, True):
        canvas = make_canvas(painted=painted)
        canvas.shade(SQUARE, within=SQUARE * 2, factor=0.5)
        gray_levels[painted] = len(np.unique(canvas.levels[256]))
    assert gray_levels[False] <= 4
    assert gray_levels[True] > 10


def test_stroke_follows_its_path(canvas: Canvas) -> None:
    canvas.stroke(as_points((-1, 0), (0, 0), (1, 0)), 30, 4, tapered=False)
    dark = np.argwhere(canvas.levels < 100)
    assert (canvas.levels[255:257, 160:350] == 30).all()
    assert dark[:, 0].min() >= 251
    assert dark[:, 0].max() <= 260
    assert dark[:, 1].min() >= 155
    assert dark[:, 1].max() <= 357


def test_tapered_stroke_is_thin_at_its_ends(canvas: Canvas) -> None:
    canvas.stroke(np.stack([np.linspace(-1, 1, 21), np.zeros(21)], axis=1), 30, 10)
    darkness = (PAPER - canvas.levels.astype(int)).sum(axis=0)
    assert darkness[158] < 0.4 * darkness[256]
    assert darkness[354] < 0.4 * darkness[256]


def test_outline_leaves_the_inside_alone(canvas: Canvas) -> None:
    canvas.outline(SQUARE, 60, 2)
    assert (canvas.levels[165:345, 165:345] == PAPER).all()
    assert (canvas.levels[outside(margin=4)] == PAPER).all()
    assert (canvas.levels[200:300, 156] == 60).all()


FAR_AWAY = [
    pytest.param(shifted(SQUARE, x, y), id=f"{x},{y}") for x in (-9, 0, 9) for y in (-9, 0, 9) if (x, y) != (0, 0)
]


@pytest.mark.parametrize("shape", FAR_AWAY)
def test_nothing_happens_off_the_canvas(make_canvas: Callable[..., Canvas], shape: Points) -> None:
    for painted in (False, True):
        canvas = make_canvas(painted=painted)
        canvas.fill(shape, 10)
        canvas.fill(shape, 10, 250, opacity=0.5, texture=canvas.textures.streaks)
        canvas.fill_plain(shape, 10)
        canvas.outline(shape, 10, 3)
        canvas.shade(shape, SQUARE, 0.5)
        canvas.shade(SQUARE, shape, 0.5)
        canvas.stroke(shape, 10, 5)
        assert (canvas.levels == PAPER).all()


@pytest.mark.parametrize("scale", [0.0, 1e-4, 0.004, 100.0])
def test_tiny_and_huge_shapes_do_not_crash(canvas: Canvas, scale: float) -> None:
    shape = SQUARE * scale
    canvas.fill(shape, 10, 250, texture=canvas.textures.streaks)
    canvas.shade(shape, shape, 0.5)
    canvas.stroke(shape, 10, 5)
    canvas.outline(shape, 10, 1)


def test_shapes_half_on_the_canvas_are_cut_at_its_edge(canvas: Canvas) -> None:
    canvas.fill(shifted(SQUARE, 2.5, 0), 50, 150, line=0)
    assert (canvas.levels[157:355, 408:] < PAPER).all()
    assert (canvas.levels[:, :404] == PAPER).all()


def test_leaves_stay_near_their_area(canvas: Canvas) -> None:
    sizes = np.full(200, 0.1)
    scatter(canvas, random_stream(0, 0), sizes, Area(left=-1, right=1, top=-1, bottom=1))
    assert (canvas.levels[outside(margin=14)] == PAPER).all()
    assert (canvas.levels[INSIDE] != PAPER).mean() > 0.4


def test_later_leaves_hide_earlier_ones(canvas: Canvas) -> None:
    area = Area(left=-1, right=1, top=-1, bottom=1)
    scatter(canvas, random_stream(0, 0), np.full(300, 0.1), area)
    once = canvas.levels.copy()
    scatter(canvas, random_stream(0, 1), np.full(300, 0.1), area)
    changed = (canvas.levels != once)[INSIDE].mean()
    assert 0.4 < changed < 1


def test_no_leaves_at_all_are_fine(canvas: Canvas) -> None:
    scatter(canvas, random_stream(0, 0), np.empty(0), Area(left=-1, right=1, top=-1, bottom=1))
    assert (canvas.levels == PAPER).all()
