"""Shapes of dead leaves: sizes and outlines."""

import numpy as np
import pytest
from numpy.typing import NDArray

from deblur.synthesis import CANVAS_SIZE
from deblur.synthesis.leaves.outlines import Style, outlines
from deblur.synthesis.leaves.shapes import LAYERS, random_radii

RADII = np.full(200, 50.0)


def style(smooth: float, round_: float) -> Style:
    return Style(smooth=smooth, round=round_, regular=0.3, direction=0.0, spread=1.0, slenderness=2.0)


def areas(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Areas of polygons (N, M, 2), negative if they turn the other way."""
    x, y = points[..., 0].astype(np.float64), points[..., 1].astype(np.float64)
    area: NDArray[np.float64] = np.sum(x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1), axis=1) / 2
    return area


def turns(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """The sine of the turn at each corner, times the lengths of both sides, (N, M)."""
    sides = (np.roll(points, -1, axis=1) - points).astype(np.float64)
    following = np.roll(sides, -1, axis=1)
    turned: NDArray[np.float64] = sides[..., 0] * following[..., 1] - sides[..., 1] * following[..., 0]
    return turned


def test_shapes_of_a_scale_cover_as_much_as_those_of_any_other() -> None:
    radii = random_radii(np.random.RandomState(0), 4.0, 256.0)
    assert 4 <= radii.min() < radii.max() <= 256
    assert np.pi * np.square(radii).sum() / CANVAS_SIZE**2 == pytest.approx(LAYERS, rel=0.3)
    covered, _ = np.histogram(np.log2(radii), bins=[2, 4, 6, 8], weights=radii**2)
    np.testing.assert_allclose(covered / covered.sum(), 1 / 3, atol=0.15)


def test_the_number_of_shapes_falls_with_the_cube_of_their_size() -> None:
    """A density of r^-3 is a share of r^-2 beyond r: the slope of its logarithm, in 40 images."""
    radii = np.concatenate([random_radii(np.random.RandomState(seed), 3.0, 400.0) for seed in range(40)])
    bounds = np.array([6.0, 12, 24, 48])
    beyond = np.array([np.mean(radii > bound) for bound in bounds])
    slope, _ = np.polyfit(np.log(bounds), np.log(beyond), 1)
    assert slope == pytest.approx(-2, abs=0.15)


def test_ellipses_are_convex_and_have_the_area_of_a_disk() -> None:
    drawn = outlines(np.random.RandomState(0), RADII, 56, style(0, 1))
    assert drawn.shape == (200, 56, 2)
    np.testing.assert_allclose(areas(drawn), np.pi * 50**2, rtol=0.01)
    assert np.all(turns(drawn) > 0)


def test_most_smooth_shapes_are_not_convex() -> None:
    drawn = outlines(np.random.RandomState(0), RADII, 56, style(1, 0))
    assert np.mean(np.any(turns(drawn) < 0, axis=1)) > 0.8
    assert np.median(np.abs(areas(drawn))) == pytest.approx(np.pi * 50**2, rel=0.4)
    without = outlines(np.random.RandomState(0), RADII, 56, style(1, 0), smooth=False)
    assert np.all(turns(without) > 0)


def test_polygons_have_few_corners() -> None:
    drawn = outlines(np.random.RandomState(0), RADII, 56, style(0, 0))
    numbers = {len(np.unique(one, axis=0)) for one in drawn}
    assert numbers <= set(range(3, 9))
    assert len(numbers) > 4


def test_shapes_have_the_sizes_that_are_asked_for() -> None:
    radii = np.linspace(2, 200, 300)
    reach = np.abs(outlines(np.random.RandomState(1), radii, 20, style(0.5, 0.2))).max(axis=(1, 2)) / radii
    assert np.all((reach > 0.3) & (reach < 6))
