"""Blur of a rolling camera and of growing defocus."""

import pickle

import numpy as np
import pytest
from numpy.typing import NDArray
from sampling import exhaustive
from scipy import ndimage

from deblur.blur import KernelField, Sampled, Trajectory, Varying, degrade, kernels
from deblur.blur.images import Crop
from deblur.blur.kernel_fields import blurred
from deblur.blur.kernels import Psf
from deblur.blur.trajectories import rasterize, rasterize_all, trajectory
from deblur.blur.varying import GrowingDefocus, Rotation

SHAPES = [(64, 64), (37, 90), (90, 37), (1, 50), (40, 1)]
STEPS = 64


def steady(center: tuple[float, float], extent: float, variation: float) -> Rotation:
    """An even shift to the right while the camera rolls evenly."""
    shift = np.stack([np.linspace(-0.5, 0.5, STEPS), np.zeros(STEPS)], axis=1)
    return Rotation(shift, np.linspace(-0.5, 0.5, STEPS), center, extent, variation)


def unsteady(extent: float = 12, variation: float = 0.6) -> Rotation:
    rng = np.random.default_rng(3)
    roll = trajectory(rng, 1, 1, STEPS)[:, 0]
    return Rotation(trajectory(rng, 1, 0.7, STEPS), roll / np.ptp(roll), (0.3, -0.4), extent, variation)


def field_of(degradation: Varying, seed: int) -> KernelField:
    field = degradation.sample(np.random.default_rng(seed)).kernel
    assert isinstance(field, KernelField)
    return field


def corner_kernels(field: KernelField, shape: tuple[int, int]) -> list[Psf]:
    rows, columns = (np.array([0.0, size - 1]) for size in shape)
    return [*field.kernels(shape, rows, columns).reshape(-1, *field.kernels(shape, rows, columns).shape[2:])]


def extent_of(psf: Psf) -> float:
    """The largest distance between two pixels that hold any weight."""
    places = np.argwhere(psf > 0)
    return float(np.linalg.norm(places[:, np.newaxis] - places, axis=2).max())


def center_of_mass(psf: Psf) -> tuple[float, float]:
    rows, columns = (np.arange(size) - size // 2 for size in psf.shape)
    return float(psf.sum(axis=1) @ rows), float(psf.sum(axis=0) @ columns)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_kernels_made_at_once_are_those_made_one_by_one(count: int) -> None:
    rng = np.random.default_rng(0)
    paths = np.stack([trajectory(rng, extent, 0.8, 40) for extent in rng.uniform(0.3, 20, count)])
    together = rasterize_all(paths)
    for path, psf in zip(paths, together, strict=True):
        alone = rasterize(path)
        margin = (len(psf) - len(alone)) // 2, (psf.shape[1] - alone.shape[1]) // 2
        padded = np.pad(alone, [(each, each) for each in margin])
        np.testing.assert_allclose(psf, padded, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["rotation", "defocus"])
@pytest.mark.parametrize("variation", [exhaustive(0.0), 0.6, exhaustive(1.0)])
def test_the_widest_kernel_of_an_image_of_any_size_has_the_extent(
    shape: tuple[int, int], kind: str, variation: float
) -> None:
    for seed in range(4):
        degradation = Varying(11, variation, [0, 1], kind)
        field = field_of(degradation, seed)
        widest = max(map(extent_of, corner_kernels(field, shape)))
        assert 11 - 1.5 < widest < 11 + 3.5  # a point lies in up to four pixels
        rows, columns = (np.linspace(0, size - 1, min(size, 9)) for size in shape)
        inside = field.kernels(shape, rows, columns).reshape(-1, *field.kernels(shape, rows, columns).shape[2:])
        assert max(map(extent_of, inside)) <= widest + 1e-9
        assert inside.min() >= 0
        np.testing.assert_allclose(inside.sum(axis=(1, 2)), 1, atol=1e-9)
        for psf in inside:
            np.testing.assert_allclose(center_of_mass(psf), 0, atol=1e-6)
            size = 1 + 2 * np.abs(np.argwhere(psf > 0) - len(psf) // 2).max()
            assert size <= max(degradation.max_kernel_size)


def test_without_variation_all_kernels_are_the_same() -> None:
    for field in (unsteady(variation=0.0), GrowingDefocus(20, 9, 0)):
        assert field.changes((50, 60)) == (0, 0)
        found = field.kernels((50, 60), np.linspace(0, 49, 4), np.linspace(0, 59, 5))
        np.testing.assert_allclose(found, np.broadcast_to(found[0, 0], found.shape), atol=1e-12)
    path = trajectory(np.random.default_rng(9), 10, 0.5, STEPS)
    alone = Rotation(path / 10, np.linspace(0, 1, STEPS), (0, 0), 10, 0).kernels((50, 60), np.zeros(1), np.zeros(1))
    np.testing.assert_allclose(alone[0, 0], np.pad(rasterize(path), _margins(alone[0, 0], rasterize(path))), atol=1e-9)


def _margins(large: Psf, small: Psf) -> list[tuple[int, int]]:
    return [((a - b) // 2, (a - b) // 2) for a, b in zip(large.shape, small.shape, strict=True)]


@pytest.mark.parametrize("center", [(0.0, 0.0), (0.5, -0.25), (-1.0, 1.0)])
def test_a_roll_leaves_its_center_sharp_and_turns_everything_else_around_it(center: tuple[float, float]) -> None:
    shape, field = (61, 81), steady(center, 20, 1)
    middle = np.array([40 * (1 + center[0]), 30 * (1 + center[1])])  # x, y
    (((at_center,),),) = (field.kernels(shape, middle[1:], middle[:1]),)
    assert at_center[len(at_center) // 2, len(at_center) // 2] > 0.999
    rows, columns = np.array([4.0, 26, 55]), np.array([3.0, 37, 77])
    found = field.kernels(shape, rows, columns)
    levers = {}
    for (i, j), row, column in ((place, rows[place[0]], columns[place[1]]) for place in np.ndindex(3, 3)):
        away = np.array([column, row]) - middle
        length = float(np.linalg.norm(away))
        half = found.shape[-1] // 2
        y, x = np.mgrid[-half : half + 1, -half : half + 1]
        along = away / length
        spread = [float((found[i, j] * (x * u + y * v) ** 2).sum()) for u, v in (along, (-along[1], along[0]))]
        assert spread[0] < 0.4  # less than a pixel towards the center
        levers[length] = spread[1]
    lengths = np.array(list(levers))
    farthest = max(np.linalg.norm(middle - corner) for corner in ([0, 0], [80, 0], [0, 60], [80, 60]))
    expected = (20 * lengths / farthest) ** 2 / 12  # variance of an even movement
    np.testing.assert_allclose(list(levers.values()), expected, atol=0.5)


@pytest.mark.parametrize("field", [steady((0.2, 0.1), 9, 1), unsteady()], ids=["steady", "unsteady"])
def test_a_rotation_is_the_mean_of_moved_images(field: Rotation) -> None:
    # The camera itself: the image moves, and each pixel sums what it sees, by the same bilinear weights.
    image = (255 * np.random.default_rng(0).random((70, 60))).astype(np.float32)
    rows, columns = np.mgrid[:70, :60]
    places = np.stack([columns.ravel(), rows.ravel()], axis=1).astype(float)
    paths = field._scale((70, 60)) * field._paths((70, 60), places)
    steps = (paths[:, :-1] + paths[:, 1:]) / 2  # each lasts equally long
    steps -= steps.mean(axis=1, keepdims=True)
    total = np.zeros(70 * 60)
    for moved in steps.transpose(1, 2, 0):
        total += ndimage.map_coordinates(image, (places.T - moved)[::-1], order=1, mode="reflect")
    expected = (total / steps.shape[1]).reshape(70, 60)
    found = blurred(image, field)
    inner = np.s_[15:-15, 15:-15]
    error, change = (np.sqrt(np.square(each[inner]).mean()) for each in (found - expected, image - expected))
    assert error < 0.2 * change  # noise is the hardest to interpolate
    turned = np.sqrt(np.square((blurred(image[::-1, ::-1].copy(), field)[::-1, ::-1] - expected)[inner]).mean())
    assert error < 0.5 * turned


@pytest.mark.parametrize(
    ("direction", "largest"), [(0, (0, 1)), (90, (0, 0)), (180, (1, 0)), (270, (1, 1)), (45, (0, 1)), (225, (1, 0))]
)
def test_disks_grow_in_the_direction(direction: float, largest: tuple[int, int]) -> None:
    shape, field = (40, 50), GrowingDefocus(direction, 14, 1)
    rows, columns = np.array([0.0, 39]), np.array([0.0, 49])
    found = field.kernels(shape, rows, columns)
    half = found.shape[-1] // 2
    peaks = found[:, :, half, half]  # the larger the disk, the darker
    assert peaks[largest] == pytest.approx(kernels.disk(7.0)[half, half], rel=1e-6)
    assert peaks[1 - largest[0], 1 - largest[1]] == pytest.approx(1)
    middle = field.kernels(shape, np.array([19.5]), np.array([24.5]))[0, 0]
    np.testing.assert_allclose(middle, kernels.disk(3.5), atol=1e-9)


def test_the_smallest_disk_is_smaller_by_the_variation() -> None:
    field = GrowingDefocus(0, 20, 0.7)
    found = field.kernels((30, 30), np.array([3.0]), np.array([0.0, 29.0]))
    half = found.shape[-1] // 2
    for psf, radius in zip(found[0], (3.0, 10.0), strict=True):
        np.testing.assert_allclose(psf[half, half], 1 / (np.pi * radius**2), rtol=1e-6)
    assert field.changes((30, 30)) == pytest.approx((0, 7))


def test_kinds_and_parameters_are_drawn_for_each_image() -> None:
    degradation = Varying([5, 20], [0.5, 1], [0, 1], "any")
    rng = np.random.default_rng(0)
    draws = [degradation.sample(rng) for _ in range(200)]
    kinds = [each.parameters["kind"] for each in draws]
    assert kinds.count("rotation") == pytest.approx(100, abs=30)
    assert set(kinds) == {"rotation", "defocus"}
    extents, variations = (np.array([each.parameters[key] for each in draws]) for key in ("extent", "variation"))
    for values, low, high in ((extents, 5, 20), (variations, 0.5, 1)):
        assert low <= values.min() < low + 0.1 * (high - low) < high - 0.1 * (high - low) < values.max() <= high
    assert all(("shake" in each.parameters) == (each.parameters["kind"] == "rotation") for each in draws)
    assert {each.family for each in draws} == {"varying"}


@pytest.mark.parametrize("kind", ["rotation", "defocus", "any"])
def test_the_same_seed_gives_the_same_pixels_also_in_another_process(kind: str) -> None:
    degradation = Varying([5, 20], [0.5, 1], [0, 1], kind, noise_sigma=[1, 3])
    image = np.random.default_rng(0).integers(0, 256, (50, 41), dtype=np.uint8)
    first, second = (degradation.sample(np.random.default_rng(7)) for _ in range(2))
    expected = degradation.apply(image, first)
    np.testing.assert_array_equal(degradation.apply(image, second), expected)
    copied: tuple[Varying, Sampled] = pickle.loads(pickle.dumps((degradation, first)))
    np.testing.assert_array_equal(copied[0].apply(image, copied[1]), expected)
    other = degradation.sample(np.random.default_rng(8))
    assert np.any(degradation.apply(image, other) != expected)


def test_nothing_is_fixed_and_no_kernel_is_known() -> None:
    degradation = Varying(9, 1, 0, "rotation")
    assert degradation.varies_over_image
    assert not Trajectory(9, 0).varies_over_image
    assert not degradation.is_fixed
    assert degradation.fixed_kernel is None
    assert degradation.commutes_with_mirroring == (False, False)
    assert degradation.sample(np.random.default_rng(0)).psf is None


@pytest.mark.parametrize("kind", ["rotation", "defocus"])
@pytest.mark.parametrize("boundary", ["symmetric", "valid", "circular"])
def test_the_channels_share_the_field(kind: str, boundary: str) -> None:
    degradation = Varying(9, 1, 0.5, kind)
    sampled = degradation.sample(np.random.default_rng(1))
    gray: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 256, (60, 51), dtype=np.uint8)
    crop = Crop(boundary, (9, 9) if boundary == "valid" else (0, 0))  # type: ignore[arg-type] # a Literal of pytest's parameters
    color = degrade(np.stack([gray, 255 - gray, gray], axis=2), degradation, sampled, crop)
    alone = degrade(gray, degradation, sampled, crop)
    np.testing.assert_array_equal(color[..., 0], alone)
    np.testing.assert_array_equal(color[..., 2], alone)
    assert np.abs(color[..., 1].astype(int) - (255 - alone.astype(int))).max() <= 1
    assert alone.shape == ((42, 33) if boundary == "valid" else (60, 51))


@pytest.mark.parametrize("kind", ["rotation", "defocus"])
@pytest.mark.parametrize("margin", [(12, 12), (9, 16)])
def test_a_crop_has_the_same_kernels_whatever_its_boundary(kind: str, margin: tuple[int, int]) -> None:
    degradation = Varying(9, 1, 0.5, kind)
    sampled = degradation.sample(np.random.default_rng(1))
    image: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 256, (90, 75), dtype=np.uint8)
    crops = [Crop(boundary, margin, 40) for boundary in ("symmetric", "valid", "circular")]
    interiors = [degrade(image, degradation, sampled, crop)[9:-9, 9:-9].astype(int) for crop in crops]
    assert interiors[0].shape == (22, 22)
    for other in interiors[1:]:  # sums of other order are rounded
        assert np.abs(other - interiors[0]).max() <= 1
        assert np.mean(other != interiors[0]) < 0.01
    whole = degrade(image, degradation, sampled)[25:-25, 18:-17][9:-9, 9:-9].astype(int)
    assert np.abs(whole - interiors[0]).max() > 1  # the kernels of the whole image are others


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((0.5, 1, 0, "rotation"), "extent is 0.5 px; it must be a number from 1 to 100"),
        ((9, 2, 0, "rotation"), "variation is 2; it must be a number from 0 to 1"),
        ((9, 1, [0, 2], "rotation"), r"shake is \[0, 2\]; it must be a number from 0 to 1"),
        ((9, 1, 0, "roll"), "kind is roll; it must be rotation, defocus, or any for one of the two per image"),
    ],
)
def test_values_that_are_not_allowed_are_refused(arguments: tuple[float, float, float, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Varying(*arguments)


@pytest.mark.parametrize("kind", ["rotation", "defocus"])
def test_a_camera_blurs_its_light_by_the_field(kind: str) -> None:
    degradation = Varying(9, 1, 0.5, kind, camera={"linear": True})
    plain = Varying(9, 1, 0.5, kind)
    image = np.random.default_rng(0).integers(0, 256, (40, 51), dtype=np.uint8)
    sampled, of_plain = (each.sample(np.random.default_rng(1)) for each in (degradation, plain))
    found = degradation.apply(image, sampled, "circular").astype(float)
    light = (255 * (image / 255.0) ** 2.2).astype(np.float32)
    expected = 255 * (blurred(light, of_plain.kernel, "circular") / 255) ** (1 / 2.2)
    assert np.abs(found - expected).mean() < 2  # the standard's curve differs a little from a power
    assert (
        found - plain.apply(image, of_plain, "circular").astype(float)
    ).mean() > 5  # light is brighter than its code
