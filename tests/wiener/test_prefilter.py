"""The guide that a network is given: of whole pictures of any size, and the same after it was written and read."""

import functools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from guided_networks import BOX, KERNELS, LOPSIDED, pairs
from numpy.typing import NDArray

from deblur.blur import Kernel, convolve, kernels
from deblur.blur.kernels import Weights
from deblur.wiener.filters import WienerFilter
from deblur.wiener.prefilter import Preparation

Plain = dict[str, Any]
SIZES = [(47, 61), (46, 60), (53, 31), (97, 101), (200, 7), (3, 2), (1, 1), (1, 40)]


@functools.cache
def measured(taps: tuple[tuple[float, ...], ...]) -> WienerFilter:
    """Return what is found on drawn faces that a kernel has blurred."""
    return WienerFilter.measured(*pairs([np.array(taps)] * 2))


def prepared(kernel: Weights | None, *noise_factors: float, blurred_by: Weights = BOX) -> Preparation:
    """Return a preparation for a kernel; with None each picture is to come with its own."""
    found = measured(tuple(map(tuple, blurred_by.tolist())))
    power, noise = (spectrum.power.astype(np.float32) for spectrum in (found.power, found.noise))
    own = None if kernel is None else kernel.astype(np.float32)
    return Preparation(own, power, noise, found.fft_noise_factor, noise_factors or (1.0,))


def random(shape: tuple[int, int]) -> NDArray[np.float32]:
    return np.random.default_rng(1).random(shape, dtype=np.float32)


@pytest.fixture
def plain() -> Plain:
    """What a file holds of a preparation."""
    told: Plain = json.loads(json.dumps(prepared(BOX, 1.0, 4.0).as_plain()))
    return told


@pytest.mark.parametrize("kernel", [BOX, LOPSIDED, kernels.motion(9, 30), None], ids=["even", "odd", "tilted", "none"])
def test_what_json_has_held_makes_the_same_guide(kernel: Weights | None) -> None:
    before = prepared(kernel, 0.3, 1.0, 10.0, blurred_by=LOPSIDED)
    after = Preparation.of_plain(json.loads(json.dumps(before.as_plain())))
    assert (after.planes, after.needs_kernel) == (3, kernel is None)
    for given in (BOX, LOPSIDED):
        np.testing.assert_array_equal(after(random((23, 31)), given), before(random((23, 31)), given))


@pytest.mark.parametrize("estimated", [False, True])
def test_json_holds_whether_the_noise_is_estimated(estimated: bool) -> None:
    before = replace(prepared(LOPSIDED), noise_estimated=estimated)
    told = json.loads(json.dumps(before.as_plain()))
    assert told["noise_estimated"] is estimated
    np.testing.assert_array_equal(Preparation.of_plain(told)(random((23, 31))), before(random((23, 31))))
    del told["noise_estimated"]  # as files of before that
    assert not Preparation.of_plain(told).noise_estimated


def test_a_kernel_of_its_own_wins_over_one_that_is_given() -> None:
    own, picture = prepared(BOX), random((23, 31))
    np.testing.assert_array_equal(own(picture, LOPSIDED), own(picture))
    assert np.abs(prepared(None)(picture, LOPSIDED) - own(picture)).max() > 0.01


def test_without_a_kernel_of_its_own_it_takes_that_of_the_picture_and_needs_it() -> None:
    told, own, picture = prepared(None), prepared(BOX), random((23, 31))
    np.testing.assert_allclose(told(picture, BOX), own(picture), rtol=0, atol=1e-5)  # one kernel is in float32
    with pytest.raises(ValueError, match="needs the kernel of each picture"):
        told(picture)


DAMAGE: dict[str, Callable[[Plain], object]] = {
    "no power": lambda told: told.pop("power"),
    "power null": lambda told: told.update(power=None),
    "noise null": lambda told: told.update(noise=None),
    "power of text": lambda told: told.update(power="much"),
    "power 0": lambda told: told["power"].update(float32=told["power"]["float32"][:-8] + "AAAAAAA="),
    "noise not a number": lambda told: told["noise"].update(shape=[1, 1], float32="AADAfw=="),
    "infinite power": lambda told: told["power"].update(shape=[1, 1], float32="AACAfw=="),
    "empty power": lambda told: told["power"].update(shape=[0, 0], float32=""),
    "a shape of one side": lambda told: told["power"].update(shape=[47 * 61]),
    "a shape of other sides": lambda told: told["power"].update(shape=[47, 62]),
    "a shape of text": lambda told: told["power"].update(shape="ab"),
    "an infinite shape": lambda told: told["power"].update(shape=[float("inf"), 1]),
    "a huge shape": lambda told: told["power"].update(shape=[10**30, 1]),
    "no base64": lambda told: told["power"].update(float32="?"),
    "half a number": lambda told: told["power"].update(float32=told["power"]["float32"][:-4]),
    "an even kernel": lambda told: told["kernel"].update(shape=[4, 4], float32="AACAPw" + "AAAA" * 20 + "=="),
    "a kernel of no sum": lambda told: told["kernel"].update(shape=[1, 1], float32="AAAAAA=="),
    "a kernel that is no number": lambda told: told["kernel"].update(shape=[1, 1], float32="AADAfw=="),
    "no factors": lambda told: told.update(noise_factors=[]),
    "a factor of 0": lambda told: told.update(noise_factors=[1.0, 0.0]),
    "a factor that is no number": lambda told: told.update(noise_factors=[float("nan")]),
    "a factor too large": lambda told: told.update(noise_factors=[10**400]),
    "factors of text": lambda told: told.update(noise_factors="much"),
    "a factor of the transform below 0": lambda told: told.update(fft_noise_factor=-1.0),
    "an estimate that is no truth value": lambda told: told.update(noise_estimated="yes"),
    "no factor of the transform": lambda told: told.update(fft_noise_factor=None),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_values_are_refused(kind: str, plain: Plain) -> None:
    Preparation.of_plain(plain)
    DAMAGE[kind](plain)
    with pytest.raises((ValueError, KeyError, TypeError, OverflowError)):
        Preparation.of_plain(plain)


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS.keys())
def test_the_more_noise_is_assumed_the_smoother_is_the_result(kernel: Weights) -> None:
    sharp, (blurred, *_), _ = pairs([kernel])
    guide = prepared(kernel, 0.1, 1.0, 10.0, 100.0, blurred_by=kernel)(blurred.astype(np.float32) / 255)
    assert guide.shape == (4, *sharp[0].shape)
    roughness = [np.square(np.diff(plane, axis=0)).sum() + np.square(np.diff(plane, axis=1)).sum() for plane in guide]
    assert roughness == sorted(roughness, reverse=True)
    assert roughness[0] > 1.5 * roughness[-1]


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS.keys())
def test_each_plane_is_that_of_its_factor_alone(kernel: Weights) -> None:
    picture = random((23, 31))
    guide = prepared(kernel, 5.0, 0.5, blurred_by=kernel)(picture)
    for plane, factor in zip(guide, (5.0, 0.5), strict=True):
        np.testing.assert_array_equal(plane, prepared(kernel, factor, blurred_by=kernel)(picture)[0])


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS.keys())
def test_a_picture_of_one_gray_stays_as_it_is(kernel: Weights, shape: tuple[int, int]) -> None:
    picture = np.full(shape, 0.4, np.float32)
    guide = prepared(kernel, 1.0, 10.0, blurred_by=kernel)(picture)
    np.testing.assert_allclose(guide, np.stack([picture] * 2), rtol=0, atol=1e-3)


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("kernel", [*KERNELS.values(), kernels.gaussian(4)], ids=[*KERNELS, "larger"])
def test_pictures_of_other_sizes_than_the_calibration_are_taken(kernel: Weights, shape: tuple[int, int]) -> None:
    picture = random(shape)
    before = picture.copy()
    guide = prepared(kernel, 1.0, 4.0, blurred_by=kernel)(picture)
    assert guide.shape == (2, *shape)
    assert guide.dtype == np.float32
    assert np.isfinite(guide).all()
    assert guide.mean() == pytest.approx(picture.mean(), abs=0.2)
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("shape", [(47, 61), (53, 31), (97, 101), (1, 40), (3, 2)])
def test_a_mild_blur_without_noise_is_undone_in_pictures_of_any_size(shape: tuple[int, int]) -> None:
    mild, sharp = np.outer([0.15, 0.7, 0.15], [0.1, 0.8, 0.1]), random(shape)
    found = prepared(mild)
    quiet = Preparation(mild, found.power, np.full_like(found.noise, 1e-12), 1.0, (1.0,))
    np.testing.assert_allclose(quiet(convolve(sharp, Kernel(mild)))[0], sharp, rtol=0, atol=1e-4)


@pytest.mark.parametrize("shape", [(47, 61), (30, 41), (3, 4)])
@pytest.mark.parametrize("turn", [np.s_[..., ::-1], np.s_[..., ::-1, :]], ids=["left-right", "top-bottom"])
@pytest.mark.parametrize("kernel", [BOX, kernels.gaussian(2), kernels.disk(2.5), kernels.motion(7, 0)])
def test_the_guide_of_a_mirrored_picture_is_the_mirrored_one(
    kernel: Weights, turn: Any, shape: tuple[int, int]
) -> None:
    made, picture = prepared(kernel, 1.0, 10.0, blurred_by=kernel), random(shape)
    np.testing.assert_allclose(made(picture[turn]), made(picture)[turn], rtol=0, atol=1e-5)


def test_a_lopsided_kernel_is_mirrored_with_the_picture() -> None:
    made, picture = prepared(None, blurred_by=LOPSIDED), random((40, 51))
    expected = made(picture, LOPSIDED)[..., ::-1]
    np.testing.assert_allclose(made(picture[:, ::-1], LOPSIDED[:, ::-1]), expected, rtol=0, atol=1e-3)
    assert np.abs(made(picture[:, ::-1], LOPSIDED) - expected).max() > 0.01


def test_the_guide_is_nearer_to_the_sharp_picture_than_the_blurred_one() -> None:
    sharp, blurred, _ = pairs([BOX] * 6)
    guide = prepared(BOX)(blurred[5].astype(np.float32) / 255)[0] * 255
    assert np.square(guide - sharp[5]).mean() < 0.6 * np.square(blurred[5].astype(float) - sharp[5]).mean()
