from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from deblur.blur import kernels
from deblur.blur.kernels import Psf

LENGTHS = st.floats(1, 40)
ANGLES = st.floats(-720, 720)


def assert_is_blur_kernel(psf: Psf) -> None:
    assert psf.dtype == np.float64
    assert psf.flags.c_contiguous
    assert all(size % 2 == 1 for size in psf.shape)
    assert psf.min() >= 0
    assert psf.sum() == pytest.approx(1, abs=1e-12)
    for axis in (0, 1):  # no boundary of zeros on both sides
        outer = np.take(psf, [0, -1], axis=axis)
        assert outer.any() or psf.shape[axis] == 1


def supersampled(inside: NDArray[np.bool_], shape: tuple[int, int]) -> Psf:
    """Area shares by counting the points of a fine grid."""
    points = inside.shape[0] // shape[0]
    counts = inside.reshape(shape[0], points, shape[1], points).mean(axis=(1, 3))
    return counts / counts.sum()


def fine_grid(shape: tuple[int, int], points: int = 200) -> tuple[Psf, Psf]:
    """Coordinates (y up, x) of points x points points in each pixel of a centered grid."""
    y, x = ((np.arange(size * points) + 0.5) / points - size / 2 for size in shape)
    return -y[:, np.newaxis], x[np.newaxis, :]


def moments(psf: Psf) -> Psf:
    """Covariance matrix of a kernel in px^2, (x, y) with y up."""
    rows, columns = np.indices(psf.shape)
    points = np.stack([columns - psf.shape[1] // 2, psf.shape[0] // 2 - rows]).reshape(2, -1)
    return (points * psf.ravel()) @ points.T


@given(st.floats(0.05, 12))
def test_gaussian_is_a_kernel(sigma: float) -> None:
    assert_is_blur_kernel(kernels.gaussian(sigma))


@given(st.integers(0, 20))
def test_box_is_a_kernel(half: int) -> None:
    psf = kernels.box(2 * half + 1)
    assert_is_blur_kernel(psf)
    assert psf.shape == (2 * half + 1, 2 * half + 1)
    assert np.ptp(psf) == 0


@given(LENGTHS, ANGLES)
def test_motion_is_a_kernel(length: float, angle: float) -> None:
    assert_is_blur_kernel(kernels.motion(length, angle))


@given(st.floats(0.05, 20))
@example(10.849025619040024)  # radius**2 - radius * radius is below 0
def test_disk_is_a_kernel(radius: float) -> None:
    assert_is_blur_kernel(kernels.disk(radius))


def test_identity_is_one_pixel() -> None:
    np.testing.assert_array_equal(kernels.identity(), [[1.0]])


@pytest.mark.parametrize("sigma", [0.8, 1.5, 3.0, 4.2])
def test_gaussian_has_the_ratios_and_the_width_asked_for(sigma: float) -> None:
    psf = kernels.gaussian(sigma)
    center = len(psf) // 2
    assert center >= 4 * sigma
    assert psf[center, center + 2] / psf[center, center] == pytest.approx(np.exp(-2 / sigma**2))
    np.testing.assert_allclose(moments(psf), sigma**2 * np.eye(2), rtol=2e-3, atol=1e-9)


@pytest.mark.parametrize("sigma", [1.0, 3.0])
def test_gaussian_leaves_out_a_negligible_weight(sigma: float) -> None:
    far_out = np.arange(-200, 201)
    untruncated = np.exp(-0.5 * (far_out / sigma) ** 2)
    radius = len(kernels.gaussian(sigma)) // 2
    left_out = untruncated[np.abs(far_out) > radius].sum() / untruncated.sum()
    assert 2 * left_out < 1.3e-4  # two axes


@pytest.mark.parametrize("length", [1, 3, 15, 31])
def test_horizontal_motion_is_one_row_of_equal_weights(length: int) -> None:
    np.testing.assert_array_equal(kernels.motion(length, 0), np.full((1, length), 1 / length))


def test_motion_between_odd_lengths_has_partly_covered_ends() -> None:
    np.testing.assert_allclose(kernels.motion(4, 0), np.array([[0.5, 1, 1, 1, 0.5]]) / 4, atol=1e-15)


def test_motion_turns_counter_clockwise_on_the_image() -> None:
    psf = kernels.motion(9, 45)
    lower_left_to_upper_right = np.fliplr(psf)
    assert np.trace(lower_left_to_upper_right) > 0.5
    assert psf[0, 0] == psf[-1, -1] == 0


@given(LENGTHS, st.integers(-180, 360))
def test_motion_is_symmetric(length: float, angle: int) -> None:
    psf = kernels.motion(length, angle)
    np.testing.assert_array_equal(kernels.motion(length, angle + 180), psf)
    np.testing.assert_allclose(kernels.motion(length, -angle), psf[:, ::-1], atol=1e-12)
    np.testing.assert_allclose(kernels.motion(length, 90 - angle), psf.T, atol=1e-12)
    np.testing.assert_allclose(psf[::-1, ::-1], psf, atol=1e-12)


@given(LENGTHS)
def test_motion_at_0_and_90_degrees_are_exact_transposes(length: float) -> None:
    np.testing.assert_array_equal(kernels.motion(length, 90), kernels.motion(length, 0).T)
    assert len(kernels.motion(length, 0)) == 1


@pytest.mark.parametrize("angle", [1, 10, 30, 45, 60, 77, 120, 135, 170])
@pytest.mark.parametrize("length", [5, 10.5, 15, 31])
def test_motion_has_its_length_and_direction_at_every_angle(length: float, angle: float) -> None:
    variances, directions = np.linalg.eigh(moments(kernels.motion(length, angle)))
    assert np.sqrt(12 * variances[1]) == pytest.approx(length, rel=0.03)
    assert variances[0] < 0.2  # a line of width 1, seen through pixels: 1/12 each
    x, y = directions[:, 1]
    difference = (np.degrees(np.arctan2(y, x)) - angle + 90) % 180 - 90
    assert abs(difference) < 1


@pytest.mark.parametrize(("length", "angle"), [(5, 30), (7.3, 11), (4.5, 77), (12, 158), (3, 0.4), (1, 20)])
def test_motion_weights_are_covered_areas(length: float, angle: float) -> None:
    psf = kernels.motion(length, angle)
    y, x = fine_grid(psf.shape)
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    inside = (np.abs(x * cosine + y * sine) <= length / 2) & (np.abs(y * cosine - x * sine) <= 0.5)
    np.testing.assert_allclose(psf, supersampled(inside, psf.shape), atol=2e-4)


@pytest.mark.parametrize("angle", [1e-12, 1e-9, 1e-7, 1e-5, 45 - 1e-10, 90 + 1e-10])
def test_motion_is_continuous_next_to_the_special_angles(angle: float) -> None:
    psf, neighbor = kernels.motion(15, angle), kernels.motion(15, round(angle))
    common = np.minimum(psf.shape, neighbor.shape)
    centered = [
        array[
            tuple(slice((size - part) // 2, (size + part) // 2) for size, part in zip(array.shape, common, strict=True))
        ]
        for array in (psf, neighbor)
    ]
    np.testing.assert_allclose(*centered, atol=1e-6)


@pytest.mark.parametrize("radius", [0.6, 1, 1.5, 2.7, 5, 7.2])
def test_disk_weights_are_covered_areas(radius: float) -> None:
    psf = kernels.disk(radius)
    assert len(psf) == 2 * np.ceil(radius - 0.5) + 1
    y, x = fine_grid(psf.shape)
    np.testing.assert_allclose(psf, supersampled(x**2 + y**2 <= radius**2, psf.shape), atol=2e-4)
    np.testing.assert_allclose(psf, psf.T, atol=1e-15)


@pytest.mark.parametrize(
    ("make", "arguments", "sentence"),
    [
        (kernels.gaussian, (0,), "sigma is 0 px"),
        (kernels.gaussian, (-1.0,), "sigma"),
        (kernels.gaussian, (float("nan"),), "sigma"),
        (kernels.box, (4,), "odd whole number"),
        (kernels.box, (-3,), "at least 1"),
        (kernels.box, (3.5,), "odd whole number"),
        (kernels.motion, (0.5, 0), "length"),
        (kernels.motion, (float("inf"), 0), "length"),
        (kernels.motion, (5, float("nan")), "angle"),
        (kernels.disk, (0,), "radius"),
        (kernels.disk, (float("inf"),), "radius"),
    ],
)
def test_values_without_a_kernel_are_refused(
    make: Callable[..., Psf], arguments: tuple[float, ...], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        make(*arguments)
