import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from deblur.blur import (
    Box,
    Degradation,
    Disk,
    DrawnKernel,
    Gaussian,
    Kernel,
    KernelFile,
    Mixed,
    Motion,
    NoBlur,
    Sampled,
    Trajectory,
)

FIXED = {
    "none": NoBlur(),
    "gaussian": Gaussian(3),
    "box": Box(7),
    "horizontal motion": Motion(15, 0),
    "slanting motion": Motion(15, 30),
    "disk": Disk(4),
}
DRAWN = {
    "drawn gaussian": Gaussian([0.5, 4]),
    "drawn box": Box([3, 9]),
    "drawn motion": Motion([1, 20], [0, 180]),
    "drawn disk": Disk([0.5, 8]),
    "drawn trajectory": Trajectory([1, 12], [0, 1]),
    "trajectory": Trajectory(9, 0.6),
    "mixed": Mixed({"none": {}, "gaussian": {"sigma": 2}, "motion": {"length": [1, 9], "angle": 30}}),
}
every_family = pytest.mark.parametrize("degradation", [*FIXED, *DRAWN, "kernel file"], indirect=True)


@pytest.fixture
def degradation(request: pytest.FixtureRequest, kernel_path: Path) -> Degradation:
    """A degradation by its name above."""
    by_name = FIXED | DRAWN | {"kernel file": KernelFile(str(kernel_path))}
    return by_name[request.param]


def sampled_with(degradation: Degradation, seed: int = 0) -> Sampled:
    return degradation.sample(np.random.default_rng(seed))


def degraded(degradation: Degradation, image: NDArray[np.uint8], seed: int = 0) -> NDArray[np.uint8]:
    return degradation.apply(image, sampled_with(degradation, seed))


def standard_deviation_of_noise(noise_sigma: float) -> float:
    flat = np.full((151, 149), 128, np.uint8)
    return float(degraded(NoBlur(noise_sigma=noise_sigma), flat).std())


# What is applied


@every_family
@pytest.mark.parametrize("shape", [(37, 31), (1, 29), (1, 1), (2, 3)])
@pytest.mark.parametrize("level", [0, 131, 255])
def test_a_constant_image_stays_constant(degradation: Degradation, shape: tuple[int, int], level: int) -> None:
    flat = np.full(shape, level, np.uint8)
    np.testing.assert_array_equal(degraded(degradation, flat), flat)


@every_family
def test_equals_scipy_within_a_gray_level(degradation: Degradation) -> None:
    image = np.random.default_rng(1).integers(0, 256, (37, 31), dtype=np.uint8)
    sampled = sampled_with(degradation)
    expected = ndimage.convolve(image.astype(np.float64), sampled.kernel.psf, mode="reflect")
    np.testing.assert_allclose(degradation.apply(image, sampled), expected, atol=0.501)


def test_the_kernel_is_convolved_not_correlated() -> None:
    psf = np.zeros((3, 5))
    psf[0, 4], psf[1, 2] = 0.75, 0.25
    impulse = np.zeros((9, 9), np.uint8)
    impulse[4, 4] = 200
    blurred = NoBlur().apply(impulse, replace(sampled_with(NoBlur()), kernel=Kernel(psf)))
    assert blurred[3, 6] == 150  # one row up, two columns to the right, as in the kernel
    assert blurred[4, 4] == 50
    assert blurred.sum() == 200


def test_no_blur_alone_changes_nothing(noise_image: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(degraded(NoBlur(), noise_image), noise_image)


@every_family
def test_the_image_given_is_left_alone(noise_image: NDArray[np.uint8], degradation: Degradation) -> None:
    before = noise_image.copy()
    blurred = degraded(degradation, noise_image)
    np.testing.assert_array_equal(noise_image, before)
    assert blurred.dtype == np.uint8
    assert blurred.shape == noise_image.shape


def test_rounds_to_the_nearest_level() -> None:
    halves = np.array([[0, 0, 0, 1, 1, 1]], np.uint8)
    blurred = degraded(Motion(3, 0), halves)
    np.testing.assert_array_equal(blurred, [[0, 0, 0, 1, 1, 1]])  # 0 0 1/3 2/3 1 1


@pytest.mark.parametrize("noise_sigma", [2.0, 10.0])
def test_noise_has_the_standard_deviation_asked_for(noise_sigma: float) -> None:
    rounding_variance = 1 / 12
    expected = np.sqrt(noise_sigma**2 + rounding_variance)
    assert standard_deviation_of_noise(noise_sigma) == pytest.approx(expected, rel=0.02)  # 4 standard deviations


def test_noise_comes_after_the_blur_and_is_clipped() -> None:
    blurred = degraded(Gaussian(3, noise_sigma=20), np.full((64, 48), 250, np.uint8))
    assert np.corrcoef(blurred[:, :-1].ravel(), blurred[:, 1:].ravel())[0, 1] == pytest.approx(0, abs=0.08)
    assert blurred.max() == 255
    assert blurred.min() > 150


def test_noise_depends_on_its_seed_alone() -> None:
    flat = np.full((37, 31), 128, np.uint8)
    degradation = Motion([3, 20], [0, 180], noise_sigma=5)
    first, second = sampled_with(degradation, 0), sampled_with(degradation, 1)
    assert not np.array_equal(degradation.apply(flat, first), degradation.apply(flat, second))
    same_noise = replace(second, noise_seed=first.noise_seed)
    np.testing.assert_array_equal(degradation.apply(flat, first), degradation.apply(flat, same_noise))


@pytest.mark.parametrize("shape", [(37, 31), (1, 29), (1, 1)])
def test_jpeg_keeps_the_size_and_follows_the_rounding(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    blurred = degraded(Gaussian(2), image)
    _, encoded = cv2.imencode(".jpg", blurred, [cv2.IMWRITE_JPEG_QUALITY, 35])
    expected = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(degraded(Gaussian(2, jpeg_quality=35), image), expected)


def test_a_lower_jpeg_quality_does_more_degradation(textured_image: NDArray[np.uint8]) -> None:
    def error(quality: int) -> float:
        compressed = degraded(NoBlur(jpeg_quality=quality), textured_image)
        return float(np.abs(compressed.astype(int) - textured_image).mean())

    assert 0 < error(98) < error(60) < error(10)
    assert error(98) < 1  # measured: 0.54; 8.8 at quality 60 and 14.1 at 10


@every_family
def test_only_8_bit_images_are_taken(degradation: Degradation) -> None:
    with pytest.raises(ValueError, match="must be uint8"):
        degradation.apply(np.zeros((4, 4), np.float32), sampled_with(degradation))


# What is drawn


@every_family
def test_the_same_seed_draws_the_same(noise_image: NDArray[np.uint8], degradation: Degradation) -> None:
    first, second = sampled_with(degradation, 7), sampled_with(degradation, 7)
    assert (first.family, first.parameters) == (second.family, second.parameters)
    assert first.noise_seed == second.noise_seed
    np.testing.assert_array_equal(first.kernel.psf, second.kernel.psf)
    np.testing.assert_array_equal(degradation.apply(noise_image, first), degradation.apply(noise_image, second))


@given(st.integers(0, 2**32))
def test_noise_and_jpeg_do_not_change_what_else_is_drawn(seed: int) -> None:
    plain = sampled_with(Motion([1, 20], [0, 180]), seed)
    noisy = sampled_with(Motion([1, 20], [0, 180], noise_sigma=[1, 5]), seed)
    compressed = sampled_with(Motion([1, 20], [0, 180], noise_sigma=[1, 5], jpeg_quality=[50, 90]), seed)
    assert plain.parameters == noisy.parameters == compressed.parameters
    assert plain.noise_seed == noisy.noise_seed == compressed.noise_seed
    assert noisy.noise_sigma == compressed.noise_sigma


def test_pairs_are_drawn_for_each_image() -> None:
    degradation = Motion([5, 15], [0, 90], noise_sigma=[2, 4], jpeg_quality=[60, 62])
    rng = np.random.default_rng(0)
    draws = [degradation.sample(rng) for _ in range(300)]
    lengths = np.array([each.parameters["length"] for each in draws])
    angles = np.array([each.parameters["angle"] for each in draws])
    sigmas = np.array([each.noise_sigma for each in draws])
    for values, low, high in [(lengths, 5, 15), (angles, 0, 90), (sigmas, 2, 4)]:
        assert len(set(values)) == 300
        assert low <= values.min() < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.07 * (high - low))  # 4 standard deviations
    assert abs(np.corrcoef(lengths, angles)[0, 1]) < 0.25
    assert {each.jpeg_quality for each in draws} == {60, 61, 62}
    assert len({each.noise_seed for each in draws}) == 300


def test_box_draws_odd_sizes_alone() -> None:
    degradation = Box([4, 9])
    rng = np.random.default_rng(0)
    draws = [degradation.sample(rng) for _ in range(100)]
    assert {each.parameters["size"] for each in draws} == {5.0, 7.0, 9.0}
    assert all(each.kernel.psf.shape == (each.parameters["size"],) * 2 for each in draws)


def test_the_parameters_are_those_of_the_kernel() -> None:
    sampled = sampled_with(Gaussian([1, 3]), 5)
    np.testing.assert_array_equal(sampled.kernel.psf, sampled_with(Gaussian(sampled.parameters["sigma"])).kernel.psf)


@every_family
def test_a_fixed_kernel_is_made_once(degradation: Degradation) -> None:
    is_drawn = degradation in DRAWN.values()
    assert (sampled_with(degradation, 0).kernel is not sampled_with(degradation, 2).kernel) == is_drawn


@every_family
def test_degradations_and_draws_go_to_worker_processes(
    noise_image: NDArray[np.uint8], degradation: Degradation
) -> None:
    sampled = sampled_with(degradation)
    copied, copied_sampled = pickle.loads(pickle.dumps((degradation, sampled)))
    np.testing.assert_array_equal(copied.apply(noise_image, copied_sampled), degradation.apply(noise_image, sampled))


@pytest.mark.parametrize(
    ("degradation", "size"),
    [
        (NoBlur(), (1, 1)),
        (Gaussian([1, 3]), (25, 25)),
        (Box([3, 8]), (7, 7)),
        (Disk([1, 4]), (9, 9)),
        (Motion([3, 15], 0), (1, 15)),
        (Motion([3, 15], 90), (15, 1)),
        (Motion(15, [-90, 90]), (17, 17)),  # longer than the line: its corner reaches beyond it at 4 degrees
        (Motion(15, [0, 20]), (7, 17)),
        (Motion(15, [-350, 360]), (17, 17)),
    ],
)
def test_the_largest_kernel_is_known(degradation: Degradation, size: tuple[int, int]) -> None:
    assert degradation.max_kernel_size == size


@given(st.floats(1, 20), st.floats(-360, 160), st.floats(0, 200), st.integers(0, 1000))
def test_no_drawn_motion_is_larger(length: float, angle: float, spread: float, seed: int) -> None:
    degradation = Motion([1, length], [angle, angle + spread])
    drawn = sampled_with(degradation, seed).kernel.psf.shape
    assert all(size <= largest for size, largest in zip(drawn, degradation.max_kernel_size, strict=True))


@pytest.mark.parametrize(
    ("family", "arguments", "sentence"),
    [
        (Gaussian, {"sigma": 0}, "sigma"),
        (Gaussian, {"sigma": [-1, 3]}, "sigma"),
        (Box, {"size": 4}, "no odd number"),
        (Box, {"size": [-3, 3]}, "size"),
        (Motion, {"length": [0.5, 3], "angle": 0}, "length"),
        (Disk, {"radius": [0, 3]}, "radius"),
        (NoBlur, {"noise_sigma": -1}, "noise_sigma"),
        (NoBlur, {"noise_sigma": [-1, 2]}, "noise_sigma"),
        (NoBlur, {"jpeg_quality": 0}, "jpeg_quality"),
        (NoBlur, {"jpeg_quality": [50, 101]}, "jpeg_quality"),
        (NoBlur, {"jpeg_quality": 50.5}, "whole numbers"),
    ],
)
def test_settings_that_are_not_allowed_are_refused_at_once(
    family: type[Degradation], arguments: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        family(**arguments)


def test_a_new_family_says_how_a_kernel_is_drawn_and_how_large_it_gets(noise_image: NDArray[np.uint8]) -> None:
    class Column(Degradation):
        """The mean over some rows."""

        family = "column"

        def draw_kernel(self, rng: np.random.Generator) -> DrawnKernel:
            rows = 2 * int(rng.integers(4)) + 1
            return DrawnKernel(Kernel(np.full((rows, 1), 1 / rows)), self.family, {"rows": rows})

        @property
        def max_kernel_size(self) -> tuple[int, int]:
            return (7, 1)

    degradation = Column(noise_sigma=2, jpeg_quality=[70, 90])
    draws = [sampled_with(degradation, seed) for seed in range(40)]
    assert {each.family for each in draws} == {"column"}
    assert {each.parameters["rows"] for each in draws} == {1, 3, 5, 7}
    assert degradation.apply(noise_image, draws[0]).shape == noise_image.shape
