import importlib.util
import inspect
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deblur.baselines import BASELINES, Baseline, Identity, RichardsonLucy, Wiener, make
from deblur.baselines.classical import MOST_ITERATIONS
from deblur.baselines.classical import fitted as tuned_value
from deblur.blur import kernels
from deblur.blur.images import as_float
from deblur.blur.kernels import Psf
from deblur.errors import UserError
from deblur.wiener.images import mean_psnr

Images = list[NDArray[np.uint8]]
Degrade = Callable[..., NDArray[np.uint8]]

BLURS = {"gaussian": kernels.gaussian(3), "box": kernels.box(7), "motion": kernels.motion(15, 0)}

any_name = pytest.mark.parametrize("name", BASELINES)
any_blur = pytest.mark.parametrize("kernel", BLURS.values(), ids=BLURS.keys())


def fitted(name: str, sharp: Images, blurred: Images, kernel: Psf) -> Baseline:
    baseline = make(name)
    baseline.fit(sharp, blurred, [kernel] * len(sharp))
    return baseline


def input_psnr(sharp: Images, blurred: Images, kernel: Psf) -> float:
    return mean_psnr(lambda image, _: image, sharp, blurred, [kernel] * len(sharp))


def test_the_names_that_commands_take() -> None:
    assert list(BASELINES) == ["none", "wiener", "richardson_lucy", "dct_wiener"]
    assert all(type(make(name)) is kind and kind.name == name for name, kind in BASELINES.items())


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UserError, match=r"'weiner'; there are none, wiener, richardson_lucy, dct_wiener\."):
        make("weiner")


@pytest.mark.parametrize("name", ["wiener", "richardson_lucy"])
def test_a_missing_scikit_image_is_refused_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "skimage" else find(name))
    sentence = f"The baseline {name} needs a package that is not installed: pip install scikit-image"
    with pytest.raises(UserError, match=sentence):
        make(name)
    make("dct_wiener")


def test_the_room_loads_neither_torch_nor_scikit_image() -> None:
    rooms = "deblur.baselines, deblur.baselines.optimal_linear"
    code = f"import sys, {rooms}; print({{'torch', 'skimage', 'lightning'}} & {{*sys.modules}})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_doing_nothing_needs_no_images(faces: Images) -> None:
    baseline = Identity()
    image = as_float(faces[0])
    np.testing.assert_array_equal(baseline.restore(image, BLURS["box"]), image)
    assert baseline.settings == {}


@any_blur
def test_wiener_and_the_dct_improve_other_faces(kernel: Psf, faces: Images, degrade: Degrade) -> None:
    blurred = [degrade(face, kernel) for face in faces]
    before = input_psnr(faces[3:], blurred[3:], kernel)
    after = {}
    for name in ("wiener", "dct_wiener"):
        baseline = fitted(name, faces[:3], blurred[:3], kernel)
        after[name] = mean_psnr(baseline.restore, faces[3:], blurred[3:], [kernel] * 3)
    assert min(after.values()) > before + 1.5
    assert after["dct_wiener"] > after["wiener"] - 1  # the spectrum of three faces is a rough one


@pytest.mark.slow
@any_blur
def test_richardson_lucy_improves_other_images(kernel: Psf, small_faces: Images, degrade: Degrade) -> None:
    blurred = [degrade(face, kernel) for face in small_faces]
    baseline = fitted("richardson_lucy", small_faces[:1], blurred[:1], kernel)
    before = input_psnr(small_faces[3:], blurred[3:], kernel)
    assert mean_psnr(baseline.restore, small_faces[3:], blurred[3:], [kernel] * 3) > before + 1


@any_name
def test_noise_does_not_make_a_result_worse_than_its_input(name: str, small_faces: Images, degrade: Degrade) -> None:
    kernel = BLURS["box"]
    blurred = [degrade(face, kernel, 8.0) for face in small_faces]
    baseline = fitted(name, small_faces[:2], blurred[:2], kernel)
    after = mean_psnr(baseline.restore, small_faces[2:], blurred[2:], [kernel] * 4)
    assert after >= input_psnr(small_faces[2:], blurred[2:], kernel)


@pytest.mark.parametrize("noise_sigma", [0.0, 4.0])
def test_the_tuned_balance_beats_its_neighbors(noise_sigma: float, small_faces: Images, degrade: Degrade) -> None:
    kernel = BLURS["gaussian"]
    blurred = [degrade(face, kernel, noise_sigma) for face in small_faces]
    baseline = Wiener()
    baseline.fit(small_faces, blurred, [kernel] * 6)
    balance = float(baseline.settings["balance"])
    scores = [
        mean_psnr(
            lambda image, own, tried=tried: baseline._restored(image, own, tried),
            small_faces,
            blurred,
            [kernel] * 6,
        )
        for tried in (balance / 1.5, balance, balance * 1.5)
    ]
    assert scores[1] > max(scores[0], scores[2])


def test_more_noise_is_tuned_to_fewer_iterations_and_more_balance(small_faces: Images, degrade: Degrade) -> None:
    kernel = BLURS["box"]
    found = []
    for noise_sigma in (0.0, 8.0):
        blurred = [degrade(face, kernel, noise_sigma) for face in small_faces[:2]]
        found.append(
            [fitted(name, small_faces[:2], blurred, kernel).settings for name in ("wiener", "richardson_lucy")]
        )
    assert found[0][0]["balance"] < found[1][0]["balance"] / 3
    assert MOST_ITERATIONS >= found[0][1]["iterations"] > 2 * found[1][1]["iterations"]


@pytest.mark.parametrize("shape", [(37, 52), (9, 6), (1, 11)])
@any_name
def test_images_of_any_size_keep_size_type_and_brightness(
    name: str, shape: tuple[int, int], small_faces: Images, degrade: Degrade
) -> None:
    kernel = kernels.motion(13, 30)
    small = [face[:30, :40] for face in small_faces[:1]]
    baseline = fitted(name, small, [degrade(each, kernel) for each in small], kernel)
    image = as_float(degrade(np.random.default_rng(0).integers(90, 160, shape, dtype=np.uint8), kernel))
    before = image.copy()
    restored = baseline.restore(image, kernel)
    assert restored.shape == shape
    assert restored.dtype == np.float32
    assert restored.mean() == pytest.approx(image.mean(), abs=0.02)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("kind", [Wiener, RichardsonLucy])
def test_the_margin_is_what_keeps_the_boundary_clean(kind: type[Any], faces: Images, degrade: Degrade) -> None:
    kernel = BLURS["box"]
    crop = faces[0][30:130, 50:200]
    image = as_float(degrade(crop, kernel))
    parameter = {Wiener: 0.01, RichardsonLucy: 15}[kind]
    padded, bare = (
        kind()._restored(image, kernel, parameter),
        kind()._deconvolved(image.astype(float), kernel, parameter),
    )
    boundary = np.ones(crop.shape, bool)
    boundary[4:-4, 4:-4] = False
    errors = [np.square(each - crop / 255)[boundary].mean() for each in (padded, bare)]
    assert errors[0] < 0.5 * errors[1]


def test_wiener_knows_the_mirrored_boundary(faces: Images, degrade: Degrade) -> None:
    # With all images and kernels mirrored, a boundary of the width of the kernel is restored as the rest is.
    kernel = BLURS["motion"]
    blurred = [degrade(face, kernel) for face in faces]
    baseline = fitted("wiener", faces[:2], blurred[:2], kernel)
    errors = [
        np.square(baseline.restore(as_float(each), kernel) - face / 255)
        for each, face in zip(blurred, faces, strict=True)
    ]
    boundary = np.ones(faces[0].shape, bool)
    boundary[15:-15, 15:-15] = False
    assert np.mean(errors, axis=0)[boundary].mean() < 2 * np.mean(errors, axis=0)[~boundary].mean()


@any_name
def test_images_that_do_not_belong_together_are_refused(name: str, small_faces: Images) -> None:
    own = [BLURS["box"]] * 2
    with pytest.raises(ValueError, match="as many, at least one"):
        make(name).fit(small_faces[:2], small_faces[:1], own)
    with pytest.raises(ValueError, match="as many, at least one"):
        make(name).fit([], [], [])
    with pytest.raises(ValueError, match="Training image 1 is"):
        make(name).fit(small_faces[:2], [small_faces[0], small_faces[1][1:]], own)


@pytest.mark.parametrize("name", ["wiener", "richardson_lucy", "dct_wiener"])
def test_what_was_not_fitted_says_so(name: str) -> None:
    with pytest.raises(RuntimeError, match=r"fit\(\) first"):
        make(name).restore(np.zeros((5, 5), np.float32), BLURS["box"])
    with pytest.raises(RuntimeError, match=r"fit\(\) first"):
        _ = make(name).settings


@any_name
def test_restorers_are_called_alike(name: str) -> None:
    for each in ("fit", "restore"):
        assert inspect.signature(getattr(BASELINES[name], each)) == inspect.signature(getattr(Baseline, each))


def test_what_was_found_is_returned_even_if_it_is_zero() -> None:
    assert tuned_value(0.0) == 0.0
    with pytest.raises(RuntimeError, match=r"fit\(\) first"):
        tuned_value(None)
