"""Wiener estimates of whole images of any size, equal after writing and reading the pre-filter."""

import functools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from wiener_networks import BOX, KERNELS, LOPSIDED, pairs

from deblur.blur import Kernel, convolve, kernels
from deblur.blur.kernels import Psf
from deblur.wiener.filters import WienerFilter
from deblur.wiener.prefilter import WienerPrefilter

Plain = dict[str, Any]
SIZES = [(47, 61), (46, 60), (53, 31), (97, 101), (200, 7), (3, 2), (1, 1), (1, 40)]


@functools.cache
def measured(taps: tuple[tuple[float, ...], ...]) -> WienerFilter:
    """Return what is found on drawn faces that a kernel has blurred."""
    return WienerFilter.measured(*pairs([np.array(taps)] * 2))


def prepared(kernel: Psf | None, *noise_scales: float, blurred_by: Psf = BOX) -> WienerPrefilter:
    """Return a pre-filter for a kernel; with None each image comes with its own."""
    found = measured(tuple(map(tuple, blurred_by.tolist())))
    power, noise = (spectrum.power.astype(np.float32) for spectrum in (found.power, found.noise))
    own = None if kernel is None else kernel.astype(np.float32)
    return WienerPrefilter(own, power, noise, found.fft_noise_scale, noise_scales or (1.0,))


def random(shape: tuple[int, int]) -> NDArray[np.float32]:
    return np.random.default_rng(1).random(shape, dtype=np.float32)


@pytest.fixture
def plain() -> Plain:
    """Contents of a file for a pre-filter."""
    plain: Plain = json.loads(json.dumps(prepared(BOX, 1.0, 4.0).as_plain()))
    return plain


@pytest.mark.parametrize("kernel", [BOX, LOPSIDED, kernels.motion(9, 30), None], ids=["even", "odd", "tilted", "none"])
def test_what_json_has_held_makes_the_same_wiener_estimate(kernel: Psf | None) -> None:
    before = prepared(kernel, 0.3, 1.0, 10.0, blurred_by=LOPSIDED)
    after = WienerPrefilter.of_plain(json.loads(json.dumps(before.as_plain())))
    assert (after.planes, after.needs_kernel) == (3, kernel is None)
    for given in (BOX, LOPSIDED):
        np.testing.assert_array_equal(after(random((23, 31)), given), before(random((23, 31)), given))


@pytest.mark.parametrize("estimated", [False, True])
def test_json_holds_whether_the_noise_is_estimated(estimated: bool) -> None:
    before = replace(prepared(LOPSIDED), estimate_noise=estimated)
    plain = json.loads(json.dumps(before.as_plain()))
    assert plain["estimate_noise"] is estimated
    np.testing.assert_array_equal(WienerPrefilter.of_plain(plain)(random((23, 31))), before(random((23, 31))))
    del plain["estimate_noise"]  # as files of before that
    assert not WienerPrefilter.of_plain(plain).estimate_noise


def test_a_kernel_of_its_own_wins_over_one_that_is_given() -> None:
    own, image = prepared(BOX), random((23, 31))
    np.testing.assert_array_equal(own(image, LOPSIDED), own(image))
    assert np.abs(prepared(None)(image, LOPSIDED) - own(image)).max() > 0.01


def test_without_a_kernel_of_its_own_it_takes_that_of_the_image_and_needs_it() -> None:
    plain, own, image = prepared(None), prepared(BOX), random((23, 31))
    np.testing.assert_allclose(plain(image, BOX), own(image), rtol=0, atol=1e-5)  # one kernel is in float32
    with pytest.raises(ValueError, match="needs the kernel of each image"):
        plain(image)


DAMAGE: dict[str, Callable[[Plain], object]] = {
    "no power": lambda plain: plain.pop("power"),
    "power null": lambda plain: plain.update(power=None),
    "noise null": lambda plain: plain.update(noise=None),
    "power of text": lambda plain: plain.update(power="much"),
    "power 0": lambda plain: plain["power"].update(float32=plain["power"]["float32"][:-8] + "AAAAAAA="),
    "noise not a number": lambda plain: plain["noise"].update(shape=[1, 1], float32="AADAfw=="),
    "infinite power": lambda plain: plain["power"].update(shape=[1, 1], float32="AACAfw=="),
    "empty power": lambda plain: plain["power"].update(shape=[0, 0], float32=""),
    "a shape of one side": lambda plain: plain["power"].update(shape=[47 * 61]),
    "a shape of other sides": lambda plain: plain["power"].update(shape=[47, 62]),
    "a shape of text": lambda plain: plain["power"].update(shape="ab"),
    "an infinite shape": lambda plain: plain["power"].update(shape=[float("inf"), 1]),
    "a huge shape": lambda plain: plain["power"].update(shape=[10**30, 1]),
    "no base64": lambda plain: plain["power"].update(float32="?"),
    "half a number": lambda plain: plain["power"].update(float32=plain["power"]["float32"][:-4]),
    "an even kernel": lambda plain: plain["kernel"].update(shape=[4, 4], float32="AACAPw" + "AAAA" * 20 + "=="),
    "a kernel of sum 0": lambda plain: plain["kernel"].update(shape=[1, 1], float32="AAAAAA=="),
    "a kernel that is no number": lambda plain: plain["kernel"].update(shape=[1, 1], float32="AADAfw=="),
    "no factors": lambda plain: plain.update(noise_scales=[]),
    "a factor of 0": lambda plain: plain.update(noise_scales=[1.0, 0.0]),
    "a factor that is no number": lambda plain: plain.update(noise_scales=[float("nan")]),
    "a factor too large": lambda plain: plain.update(noise_scales=[10**400]),
    "factors of text": lambda plain: plain.update(noise_scales="much"),
    "a factor of the transform below 0": lambda plain: plain.update(fft_noise_scale=-1.0),
    "an estimate that is no truth value": lambda plain: plain.update(estimate_noise="yes"),
    "no factor of the transform": lambda plain: plain.update(fft_noise_scale=None),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_values_are_refused(kind: str, plain: Plain) -> None:
    WienerPrefilter.of_plain(plain)
    DAMAGE[kind](plain)
    with pytest.raises((ValueError, KeyError, TypeError, OverflowError)):
        WienerPrefilter.of_plain(plain)


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS.keys())
def test_the_more_noise_is_assumed_the_smoother_is_the_result(kernel: Psf) -> None:
    sharp, (blurred, *_), _ = pairs([kernel])
    wiener_estimate = prepared(kernel, 0.1, 1.0, 10.0, 100.0, blurred_by=kernel)(blurred.astype(np.float32) / 255)
    assert wiener_estimate.shape == (4, *sharp[0].shape)
    roughness = [
        np.square(np.diff(plane, axis=0)).sum() + np.square(np.diff(plane, axis=1)).sum() for plane in wiener_estimate
    ]
    assert roughness == sorted(roughness, reverse=True)
    assert roughness[0] > 1.5 * roughness[-1]


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS.keys())
def test_each_plane_is_that_of_its_factor_alone(kernel: Psf) -> None:
    image = random((23, 31))
    wiener_estimate = prepared(kernel, 5.0, 0.5, blurred_by=kernel)(image)
    for plane, factor in zip(wiener_estimate, (5.0, 0.5), strict=True):
        np.testing.assert_array_equal(plane, prepared(kernel, factor, blurred_by=kernel)(image)[0])


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS.keys())
def test_an_image_of_one_gray_stays_as_it_is(kernel: Psf, shape: tuple[int, int]) -> None:
    image = np.full(shape, 0.4, np.float32)
    wiener_estimate = prepared(kernel, 1.0, 10.0, blurred_by=kernel)(image)
    np.testing.assert_allclose(wiener_estimate, np.stack([image] * 2), rtol=0, atol=1e-3)


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("kernel", [*KERNELS.values(), kernels.gaussian(4)], ids=[*KERNELS, "larger"])
def test_images_of_other_sizes_than_the_calibration_are_taken(kernel: Psf, shape: tuple[int, int]) -> None:
    image = random(shape)
    before = image.copy()
    wiener_estimate = prepared(kernel, 1.0, 4.0, blurred_by=kernel)(image)
    assert wiener_estimate.shape == (2, *shape)
    assert wiener_estimate.dtype == np.float32
    assert np.isfinite(wiener_estimate).all()
    assert wiener_estimate.mean() == pytest.approx(image.mean(), abs=0.2)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("shape", [(47, 61), (53, 31), (97, 101), (1, 40), (3, 2)])
def test_a_mild_blur_without_noise_is_undone_in_images_of_any_size(shape: tuple[int, int]) -> None:
    mild, sharp = np.outer([0.15, 0.7, 0.15], [0.1, 0.8, 0.1]), random(shape)
    found = prepared(mild)
    quiet = WienerPrefilter(mild, found.power, np.full_like(found.noise, 1e-12), 1.0, (1.0,))
    np.testing.assert_allclose(quiet(convolve(sharp, Kernel(mild)))[0], sharp, rtol=0, atol=1e-4)


@pytest.mark.parametrize("shape", [(47, 61), (30, 41), (3, 4)])
@pytest.mark.parametrize("turn", [np.s_[..., ::-1], np.s_[..., ::-1, :]], ids=["left-right", "top-bottom"])
@pytest.mark.parametrize("kernel", [BOX, kernels.gaussian(2), kernels.disk(2.5), kernels.motion(7, 0)])
def test_the_estimate_of_a_mirrored_image_is_mirrored(kernel: Psf, turn: Any, shape: tuple[int, int]) -> None:
    made, image = prepared(kernel, 1.0, 10.0, blurred_by=kernel), random(shape)
    np.testing.assert_allclose(made(image[turn]), made(image)[turn], rtol=0, atol=1e-5)


def test_a_lopsided_kernel_is_mirrored_with_the_image() -> None:
    made, image = prepared(None, blurred_by=LOPSIDED), random((40, 51))
    expected = made(image, LOPSIDED)[..., ::-1]
    np.testing.assert_allclose(made(image[:, ::-1], LOPSIDED[:, ::-1]), expected, rtol=0, atol=1e-3)
    assert np.abs(made(image[:, ::-1], LOPSIDED) - expected).max() > 0.01


def test_the_wiener_estimate_is_nearer_to_the_sharp_image_than_the_blurred_one() -> None:
    sharp, blurred, _ = pairs([BOX] * 6)
    wiener_estimate = prepared(BOX)(blurred[5].astype(np.float32) / 255)[0] * 255
    assert np.square(wiener_estimate - sharp[5]).mean() < 0.6 * np.square(blurred[5].astype(float) - sharp[5]).mean()
