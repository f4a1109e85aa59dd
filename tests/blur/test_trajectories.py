import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from deblur.blur import kernels
from deblur.blur.kernels import Psf
from deblur.blur.trajectories import STEPS, Path, rasterize, trajectory

EXTENTS = st.floats(0.3, 40)
SHAKES = st.floats(0, 1)
SEEDS = st.integers(0, 2**32)
few = settings(max_examples=40, deadline=None)


def path_of(seed: int, extent: float = 20.0, shake: float = 0.7) -> Path:
    return trajectory(np.random.default_rng(seed), extent, shake)


def straight(length: float, angle: float, steps: int = 9) -> Path:
    """An even path whose angle is counter-clockwise on the image, as in `kernels.motion`."""
    along = np.linspace(-length / 2, length / 2, steps)[:, np.newaxis]
    return along * [math.cos(math.radians(angle)), -math.sin(math.radians(angle))]


def center_of_mass(psf: Psf) -> tuple[float, float]:
    """Row and column of the center of mass, from the middle of the kernel."""
    rows, columns = (np.arange(size) - size // 2 for size in psf.shape)
    return float(rows @ psf.sum(axis=1)), float(psf.sum(axis=0) @ columns)


def farthest(points: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(points[:, np.newaxis] - points, axis=2).max())


def length_of(path: Path) -> float:
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def by_counting(path: Path, shape: tuple[int, ...], points: int = 4000) -> Psf:
    """Share a path's time out by bilinear weights at many moments, one by one, into a grid around its own center."""
    moments = (np.arange(points) + 0.5) / points * (len(path) - 1)
    x, y = (np.interp(moments, np.arange(len(path)), coordinates) for coordinates in path.T)
    rows, columns = (np.arange(size) - size // 2 for size in shape)
    near_rows = np.clip(1 - np.abs(rows[:, np.newaxis] - (y - y.mean())), 0, None)
    near_columns = np.clip(1 - np.abs(columns[:, np.newaxis] - (x - x.mean())), 0, None)
    psf: Psf = near_rows @ near_columns.T / points
    return psf


def placed(psf: Psf, side: int) -> Psf:
    """A kernel in the middle of a square."""
    margins = [((side - size) // 2,) * 2 for size in psf.shape]
    return np.pad(psf, margins)


# Paths


@few
@given(SEEDS, EXTENTS, SHAKES)
def test_the_farthest_points_of_a_path_are_its_extent_apart(seed: int, extent: float, shake: float) -> None:
    path = path_of(seed, extent, shake)
    assert path.shape == (STEPS, 2)
    assert farthest(path) == pytest.approx(extent)


@few
@given(st.integers(2, 40), SEEDS, SHAKES)
def test_a_path_has_as_many_positions_as_asked_for(steps: int, seed: int, shake: float) -> None:
    path = trajectory(np.random.default_rng(seed), 5, shake, steps)
    assert path.shape == (steps, 2)
    assert farthest(path) == pytest.approx(5)


@few
@given(SEEDS, EXTENTS)
def test_without_shake_the_camera_moves_straight_on_at_a_constant_speed(seed: int, extent: float) -> None:
    path = path_of(seed, extent, 0)
    np.testing.assert_allclose(path, np.linspace(path[0], path[-1], STEPS), atol=1e-9 * extent)
    assert length_of(path) == pytest.approx(extent)


def test_shake_makes_ways_longer_than_what_they_lead_to() -> None:
    def straightness(shake: float) -> float:
        paths = [path_of(seed, shake=shake) for seed in range(300)]
        return float(np.median([np.linalg.norm(path[-1] - path[0]) / length_of(path) for path in paths]))

    steady, middling, unsteady = (straightness(shake) for shake in (0.0, 0.2, 1.0))
    assert steady == pytest.approx(1)
    assert 0.9 * steady > middling > 1.5 * unsteady
    assert unsteady < 0.25


def test_a_shaken_camera_turns_round_and_lingers() -> None:
    turned, slowest, fastest = [], [], []
    for seed in range(200):
        moves = np.diff(path_of(seed, shake=1.0), axis=0)
        cosines = (moves[1:] * moves[:-1]).sum(axis=1) / np.prod(
            [np.linalg.norm(each, axis=1) for each in (moves[1:], moves[:-1])], axis=0
        )
        speeds = np.linalg.norm(moves, axis=1)
        turned.append((cosines < -0.5).any())
        slowest.append(np.percentile(speeds, 10) / np.median(speeds))
        fastest.append(np.percentile(speeds, 90) / np.median(speeds))
    assert 0.4 < np.mean(turned) < 0.95  # 1 - the mean of exp(-shakes), for 0 to 3 of them on average: 0.68
    assert np.median(slowest) < 0.75
    assert np.median(fastest) > 1.15


def test_paths_start_in_any_direction() -> None:
    first = np.array([np.diff(path_of(seed, shake=0.3)[:2], axis=0)[0] for seed in range(400)])
    quadrants = np.histogram(np.arctan2(first[:, 1], first[:, 0]), bins=4, range=(-np.pi, np.pi))[0]
    np.testing.assert_allclose(quadrants, 100, atol=35)  # 4 standard deviations


@few
@given(SEEDS, SHAKES)
def test_the_same_generator_gives_the_same_path_in_another_size(seed: int, shake: float) -> None:
    np.testing.assert_array_equal(path_of(seed, 7, shake), path_of(seed, 7, shake))
    np.testing.assert_allclose(3 * path_of(seed, 7, shake), path_of(seed, 21, shake), atol=1e-9)


def test_another_generator_gives_another_path() -> None:
    assert farthest(np.array([path_of(seed)[-1] for seed in range(2)])) > 0.1


@pytest.mark.parametrize(
    ("extent", "shake", "steps", "sentence"),
    [
        (0, 0.5, 9, "extent is 0 px; it must be a finite number above 0"),
        (-3, 0.5, 9, "extent is -3 px"),
        (math.inf, 0.5, 9, "extent is inf px"),
        (math.nan, 0.5, 9, "extent is nan px"),
        (9, -0.1, 9, r"shake is -0.1; it must be in 0..1"),
        (9, 1.1, 9, r"shake is 1.1"),
        (9, math.nan, 9, r"shake is nan"),
        (9, 0.5, 1, r"steps is 1; a path needs at least 2"),
    ],
)
def test_paths_that_cannot_be_are_refused(extent: float, shake: float, steps: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        trajectory(np.random.default_rng(0), extent, shake, steps)


# From a path to a kernel


@few
@given(SEEDS, EXTENTS, SHAKES)
def test_what_a_path_leaves_is_a_kernel_around_its_center_of_mass(seed: int, extent: float, shake: float) -> None:
    psf = rasterize(path_of(seed, extent, shake))
    assert psf.dtype == np.float64
    assert psf.flags.c_contiguous
    assert all(size % 2 == 1 for size in psf.shape)
    assert psf.min() >= 0
    assert psf.sum() == pytest.approx(1, abs=1e-12)
    assert center_of_mass(psf) == pytest.approx((0, 0), abs=1e-6)  # half a pixel would be allowed
    for axis in (0, 1):
        assert np.take(psf, [0, -1], axis=axis).any()


@few
@given(SEEDS, st.floats(2, 40), SHAKES)
def test_a_kernel_reaches_as_far_as_its_path(seed: int, extent: float, shake: float) -> None:
    path = path_of(seed, extent, shake)
    psf = rasterize(path)
    filled = np.argwhere(psf > 0)
    sides = np.ptp(filled, axis=0)[::-1]  # (x, y), from the first pixel's middle to the last one's
    assert (sides > np.ptp(path, axis=0) - 0.01).all()  # light at the very edge of a pixel may be negligible
    assert (sides < np.ptp(path, axis=0) + 2).all()
    assert extent - 0.1 < farthest(filled.astype(float)) < extent + 2 * math.sqrt(2)


@few
@given(SEEDS, st.floats(0.3, 12), SHAKES)
@example(0, 1.0, 0.0)
def test_light_is_shared_out_as_by_counting_moments(seed: int, extent: float, shake: float) -> None:
    path = path_of(seed, extent, shake)
    psf = rasterize(path)
    side = max(psf.shape) + 2
    np.testing.assert_allclose(placed(psf, side), by_counting(path, (side, side)), atol=2e-3)
    assert np.abs(placed(psf, side) - by_counting(path, (side, side))).sum() < 0.01


@pytest.mark.parametrize("length", [3, 7.4, 15, 24])
@pytest.mark.parametrize("angle", [0, 90, 180])
def test_an_even_path_along_an_axis_is_a_motion_with_softer_ends(length: float, angle: float) -> None:
    psf, motion = rasterize(straight(length, angle)), kernels.motion(length, angle)
    side = max(*psf.shape, *motion.shape)
    difference = np.abs(placed(psf, side) - placed(motion, side))
    assert difference.max() < 0.13 / length  # an eighth of a pixel's light, at the last pixels alone
    assert difference.sum() < 0.51 / length


@pytest.mark.parametrize("angle", [10, 30, 45, 77, 120, 158])
def test_a_slanting_path_has_the_size_and_direction_of_the_motion(angle: float) -> None:
    def moments(psf: Psf) -> NDArray[np.float64]:
        rows, columns = np.indices(psf.shape)
        points = np.stack([columns - psf.shape[1] // 2, psf.shape[0] // 2 - rows]).reshape(2, -1)
        return (points * psf.ravel()) @ points.T

    ours, theirs = moments(rasterize(straight(21, angle))), moments(kernels.motion(21, angle))
    np.testing.assert_allclose(ours, theirs, atol=0.3)  # of 37 px^2 along the line; pixels blur both by up to 1/4


@pytest.mark.parametrize("position", [(0, 0), (3, -2), (0.3, 17.9)])
def test_a_camera_that_rests_leaves_the_image_as_it_is(position: tuple[float, float]) -> None:
    np.testing.assert_array_equal(rasterize(np.array([position], float)), kernels.identity())
    np.testing.assert_array_equal(rasterize(np.array([position] * 5, float)), kernels.identity())


def test_time_spent_counts() -> None:
    even = np.array([[0, 0], [4, 0], [8, 0]], float)
    lingering = np.array([[0, 0], [4, 0], [8, 0], [8, 0], [8, 0]], float)
    ends = [rasterize(path)[0, [0, -1]] for path in (even, lingering)]
    assert ends[0][0] == pytest.approx(ends[0][1])
    assert rasterize(lingering).max() == pytest.approx(1 / 2 + 1 / 32)  # at rest for half of the time
    assert center_of_mass(rasterize(lingering)) == pytest.approx((0, 0), abs=1e-12)
    assert rasterize(lingering).shape == (1, 13)  # the resting place at 2 px, the start at -6 px from the middle


def test_a_path_goes_to_the_right_and_down_as_its_kernel() -> None:
    corner = np.array([[0, 0], [6, 0], [6, 6]], float)  # half of the time to the right, then down
    psf = rasterize(corner)
    middle = len(psf) // 2
    upper, lower = psf[:middle], psf[middle + 1 :]
    assert upper[:, :middle].sum() > 0.3
    assert lower[:, middle + 1 :].sum() > 0.3
    assert lower[:, :middle].sum() == 0


def test_a_path_backwards_is_the_same_and_a_mirrored_one_the_mirror_image() -> None:
    path = path_of(1)
    psf = rasterize(path)
    np.testing.assert_allclose(rasterize(path[::-1]), psf, atol=1e-12)
    np.testing.assert_allclose(rasterize(path * [-1, 1]), psf[:, ::-1], atol=1e-12)
    np.testing.assert_allclose(rasterize(path * [1, -1]), psf[::-1], atol=1e-12)
    np.testing.assert_allclose(rasterize(path[:, ::-1]), psf.T, atol=1e-12)
    np.testing.assert_allclose(rasterize(path + np.array([3.3, -1.8])), psf, atol=1e-12)


@few
@given(SEEDS, st.floats(2, 20), SHAKES)
@example(0, 8.0, 0.0)
def test_a_slightly_different_path_has_a_slightly_different_kernel(seed: int, extent: float, shake: float) -> None:
    path = path_of(seed, extent, shake)
    moved = path + np.random.default_rng(1).uniform(-1e-3, 1e-3, path.shape)
    kernels_of_both = [rasterize(each) for each in (path, moved)]
    side = max(size for psf in kernels_of_both for size in psf.shape)
    first, second = (placed(psf, side) for psf in kernels_of_both)
    assert np.abs(first - second).sum() < 0.01  # bilinear weights change by at most 4 a pixel of movement
