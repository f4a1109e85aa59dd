from typing import Any

import numpy as np
import pytest

from deblur.blur import Mixed, Sampled, Trajectory
from deblur.blur.trajectories import rasterize


def draws(degradation: Trajectory, count: int) -> list[Sampled]:
    rng = np.random.default_rng(0)
    return [degradation.sample(rng) for _ in range(count)]


def test_extent_and_shake_are_drawn_and_told() -> None:
    sampled = draws(Trajectory([5, 25], [0.2, 0.8]), 200)
    assert {each.family for each in sampled} == {"trajectory"}
    assert all(each.parameters.keys() == {"extent", "shake"} for each in sampled)
    values = np.array([[each.parameters["extent"], each.parameters["shake"]] for each in sampled], float)
    assert ((values >= [5, 0.2]) & (values <= [25, 0.8])).all()
    np.testing.assert_allclose(values.mean(axis=0), [15, 0.5], atol=0.09 * 20)
    assert len(np.unique(values)) == 400


def test_fixed_parameters_still_draw_a_path_for_each_image() -> None:
    degradation = Trajectory(12, 0.5)
    assert degradation.fixed_kernel is None
    assert not degradation.is_fixed
    assert degradation.commutes_with_mirroring == (False, False)
    sampled = draws(degradation, 20)
    assert {(each.parameters["extent"], each.parameters["shake"]) for each in sampled} == {(12, 0.5)}
    assert len({each.kernel.psf.tobytes() for each in sampled}) == 20


@pytest.mark.parametrize(("extent", "largest"), [(1, 3), (5, 11), ([2, 9.2], 21), ([5, 25], 51)])
def test_no_kernel_is_larger_than_is_said(extent: float | list[float], largest: int) -> None:
    degradation = Trajectory(extent, [0, 1])
    assert degradation.max_kernel_size == (largest, largest)
    sides = [max(each.kernel.psf.shape) for each in draws(degradation, 1000)]
    assert max(sides) <= largest
    assert max(sides) > 0.6 * largest  # what is said is no idle bound


def test_a_camera_that_moves_once_and_rests_comes_near_the_bound() -> None:
    path = np.array([[0, 0], *[[20, 0]] * 400], float)
    height, width = rasterize(path).shape
    assert (height, width) == (1, 41)
    assert width == Trajectory(20, 1).max_kernel_size[1]


@pytest.mark.parametrize("shape", [(64, 48), (7, 5), (1, 9), (1, 1)])
def test_images_smaller_than_the_kernel_are_blurred_too(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    degradation = Trajectory(25, [0, 1], noise_sigma=2, jpeg_quality=[70, 90])
    for seed in range(5):
        sampled = degradation.sample(np.random.default_rng(seed))
        blurred = degradation.apply(image, sampled)
        assert blurred.shape == shape
        again = degradation.apply(image, degradation.sample(np.random.default_rng(seed)))
        np.testing.assert_array_equal(blurred, again)
    assert shape == (1, 1) or not np.array_equal(blurred, image)


def test_the_noise_does_not_depend_on_extent_and_shake() -> None:
    sampled = [
        Trajectory(extent, shake, noise_sigma=[1, 5]).sample(np.random.default_rng(3))
        for extent, shake in [(5, 0.0), (25, 1.0), ([5, 25], [0, 1])]
    ]
    assert len({(each.noise_sigma, each.noise_seed) for each in sampled}) == 1


def test_a_mixture_draws_paths() -> None:
    mixture = Mixed({"trajectory": {"extent": [5, 9], "shake": 1, "weight": 3}, "none": {}})
    rng = np.random.default_rng(0)
    families = [mixture.sample(rng).family for _ in range(400)]
    assert families.count("trajectory") == pytest.approx(300, abs=35)  # 4 standard deviations


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"extent": 0, "shake": 0.5}, "extent is 0 px; it must be a number from 1 to 250"),
        ({"extent": [-3, 3], "shake": 0.5}, "extent"),
        ({"extent": 9, "shake": -0.1}, r"shake is -0.1; it must be a number from 0 to 1, or"),
        ({"extent": 9, "shake": [0.5, 1.1]}, "shake"),
        ({"extent": [9, 3], "shake": 0.5}, "rising order"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Trajectory(**settings)
