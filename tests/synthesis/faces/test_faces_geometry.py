import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deblur.synthesis import CANVAS_SIZE, random_stream
from deblur.synthesis.faces.geometry import (
    Points,
    View,
    as_points,
    bezier,
    circle,
    closed,
    ellipse,
    mirror,
    random_view,
    ribbon,
    shifted,
    symmetric,
)

coordinates = st.floats(-5, 5)
control_points = st.lists(st.tuples(coordinates, coordinates), min_size=2, max_size=5)
seeds = st.integers(0, 2**32 - 1)


@given(control_points, st.integers(2, 40))
def test_bezier_ends_at_its_outer_control_points(control: list[tuple[float, float]], count: int) -> None:
    curve = bezier(*control, count=count)
    assert curve.shape == (count, 2)
    np.testing.assert_allclose(curve[[0, -1]], as_points(control[0], control[-1]), atol=1e-12)


@given(control_points)
def test_bezier_stays_in_the_box_of_its_control_points(control: list[tuple[float, float]]) -> None:
    curve, corners = bezier(*control), as_points(*control)
    assert (curve >= corners.min(axis=0) - 1e-9).all()
    assert (curve <= corners.max(axis=0) + 1e-9).all()


@given(control_points)
def test_bezier_runs_backwards_with_reversed_control_points(control: list[tuple[float, float]]) -> None:
    np.testing.assert_allclose(bezier(*reversed(control)), bezier(*control)[::-1], atol=1e-9)


def test_bezier_with_two_control_points_is_a_straight_line() -> None:
    np.testing.assert_allclose(bezier((0, 0), (4, 2), count=5), as_points((0, 0), (1, 0.5), (2, 1), (3, 1.5), (4, 2)))


@given(control_points)
def test_mirroring_twice_changes_nothing(points: list[tuple[float, float]]) -> None:
    np.testing.assert_array_equal(mirror(mirror(as_points(*points))), as_points(*points))


def test_mirror_reflects_and_reverses() -> None:
    np.testing.assert_array_equal(mirror(as_points((1, 2), (3, 4))), as_points((-3, 4), (-1, 2)))


def test_symmetric_outlines_are_their_own_mirror_image() -> None:
    whole = symmetric(as_points((-1, 0), (-3, 2), (-2, 5)))
    assert len(whole) == 6
    np.testing.assert_array_equal(mirror(whole), whole)


def test_closed_outlines_end_where_they_begin() -> None:
    outline = closed(as_points((1, 2), (3, 4), (5, 6)))
    assert len(outline) == 4
    np.testing.assert_array_equal(outline[0], outline[-1])


@given(coordinates, coordinates, st.floats(0.01, 5), st.floats(0.01, 5))
def test_ellipse_points_satisfy_its_equation(x: float, y: float, radius_x: float, radius_y: float) -> None:
    scaled = (ellipse(x, y, radius_x, radius_y) - [x, y]) / [radius_x, radius_y]
    np.testing.assert_allclose((scaled**2).sum(axis=1), 1, atol=1e-9)


def test_arcs_run_between_two_angles() -> None:
    quarter = ellipse(0, 0, 2, 3, count=5, arc=(0, np.pi / 2))
    np.testing.assert_allclose(quarter[[0, -1]], as_points((2, 0), (0, 3)), atol=1e-12)


def test_the_cached_circle_is_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        circle(8)[0] = 7


LINE = bezier((0, 0), (10, 0), count=11)


def test_even_ribbon_of_a_straight_line_is_a_rectangle() -> None:
    outline = ribbon(LINE, 2, tapered=False)
    assert outline.shape == (22, 2)
    np.testing.assert_allclose(outline[:11], shifted(LINE, 0, 2), atol=1e-5)
    np.testing.assert_allclose(outline[11:], shifted(LINE[::-1], 0, -2), atol=1e-5)


def test_tapered_ribbon_is_thickest_in_its_middle() -> None:
    outline = ribbon(LINE, 2, tapered=True)
    widths = outline[:11, 1] - outline[:10:-1, 1]
    assert widths.argmax() == 5
    assert widths[5] == pytest.approx(4, abs=1e-4)
    assert widths[0] == pytest.approx(widths[-1])
    assert 0 < widths[0] < 0.6


def test_ribbon_turns_with_its_path() -> None:
    turned: Points = bezier((0, 0), (1, 2), (3, 1))
    quarter = np.array([[0, 1], [-1, 0]])
    np.testing.assert_allclose(ribbon(turned @ quarter, 1, tapered=True), ribbon(turned, 1, tapered=True) @ quarter)


def test_ribbon_of_a_path_that_stands_still_is_finite() -> None:
    assert np.isfinite(ribbon(np.ones((4, 2)), 3, tapered=True)).all()


@given(seeds)
def test_views_keep_most_of_the_face_on_the_canvas(seed: int) -> None:
    view = random_view(random_stream(seed, 0))
    assert 0.2 * CANVAS_SIZE <= view.unit <= 0.32 * CANVAS_SIZE
    head = view.to_pixels(ellipse(0, 0, 1, 1))
    inside = ((head >= 0) & (head < CANVAS_SIZE)).all(axis=1)
    assert inside.mean() > 0.5


@given(seeds, st.floats(0, 360))
def test_directions_have_unit_length_and_follow_the_view(seed: int, angle: float) -> None:
    view = random_view(random_stream(seed, 0))
    direction = view.direction(angle)
    assert np.hypot(*direction) == pytest.approx(1)
    step = as_points((0, 0), (np.cos(np.radians(angle)), np.sin(np.radians(angle))))
    in_pixels = np.diff(view.to_pixels(step), axis=0)[0]
    np.testing.assert_allclose(direction, in_pixels / np.hypot(*in_pixels), atol=1e-9)


@given(seeds)
def test_textures_turn_about_the_center_of_the_canvas(seed: int) -> None:
    affine = random_view(random_stream(seed, 0)).turn_about_center()
    center = np.full(2, CANVAS_SIZE / 2)
    np.testing.assert_allclose(affine @ [*center, 1], center, atol=1e-3)


def test_an_upright_view_keeps_directions() -> None:
    view = View(50, np.eye(2) * 50, np.array([10.0, 20.0]))
    np.testing.assert_allclose(view.direction(0), [1, 0], atol=1e-12)
    np.testing.assert_allclose(view.direction(90), [0, 1], atol=1e-12)
    np.testing.assert_allclose(view.to_pixels(as_points((1, 2))), [[60, 120]])
