from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import fft, ndimage

from deblur.baselines import RichardsonLucy, Wiener
from deblur.blur import Kernel, convolve, kernels
from deblur.blur.images import as_float
from deblur.blur.kernels import Psf
from deblur.wiener.filters import eigenvalues
from deblur.wiener.images import mean_psnr

Images = list[NDArray[np.uint8]]
Degrade = Callable[..., NDArray[np.uint8]]

LOPSIDED = np.array([[0.0, 0.05, 0.1, 0.0, 0.0], [0.0, 0.1, 0.3, 0.2, 0.1], [0.05, 0.1, 0.0, 0.0, 0.0]])  # of 3x5
LAPLACIAN = np.array([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]])
GENTLE = {Wiener: 1e-3, RichardsonLucy: 20.0}
"""A parameter that suits images without noise."""

any_kind = pytest.mark.parametrize("kind", GENTLE, ids=lambda kind: kind.name)


@pytest.mark.parametrize("balance", [1e-4, 0.01, 1.0])
@pytest.mark.parametrize(
    "kernel", [kernels.gaussian(1.5), kernels.motion(7, 0), kernels.motion(9, 90)], ids=["round", "wide", "tall"]
)
@pytest.mark.parametrize("shape", [(12, 21), (20, 9), (5, 2)])  # the last is smaller than the kernels
def test_wiener_is_a_filter_of_the_mirrored_image(shape: tuple[int, int], kernel: Psf, balance: float) -> None:
    # Even kernels are diagonal in the DCT, the Laplacian as well: restored = H / (H^2 + balance L^2) blurred
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    response, roughness = eigenvalues(kernel, *shape), eigenvalues(LAPLACIAN, *shape)
    gain = response / (response**2 + balance * roughness**2)
    expected = fft.idctn(gain * fft.dctn(image.astype(float), norm="ortho"), norm="ortho")
    np.testing.assert_allclose(Wiener()._restored(image, kernel, balance), expected, atol=1e-5 * np.abs(gain).max())


@pytest.mark.parametrize("iterations", [1, 2, 3])
def test_richardson_lucy_iterates_on_an_image_that_goes_on_mirrored(iterations: int) -> None:
    # The formula as it stands in the papers. So few iterations do not see the end of either margin.
    image = np.random.default_rng(1).random((17, 26), dtype=np.float32)
    observed = np.pad(image.astype(float), 50, mode="symmetric")
    expected = np.full(observed.shape, 0.5)
    for _ in range(iterations):
        ratio = observed / ndimage.convolve(expected, LOPSIDED, mode="constant")
        expected *= ndimage.correlate(ratio, LOPSIDED, mode="constant")
    restored = RichardsonLucy()._restored(image, LOPSIDED, float(iterations))
    np.testing.assert_allclose(restored, expected[50:-50, 50:-50], atol=1e-5)


@any_kind
def test_the_blur_is_undone_and_not_its_mirror_image(kind: type[Any], small_faces: Images, degrade: Degrade) -> None:
    blurred = as_float(degrade(small_faces[0], LOPSIDED))
    turned = [LOPSIDED, LOPSIDED[::-1, ::-1], LOPSIDED[::-1], LOPSIDED[:, ::-1]]
    right, *wrong = (
        np.square(kind()._restored(blurred, each, GENTLE[kind]) - small_faces[0] / 255).mean() for each in turned
    )
    before = np.square(blurred - small_faces[0] / 255).mean()
    assert right < 0.3 * before
    assert right < min(wrong)


@any_kind
def test_overshoot_is_not_clamped(kind: type[Any]) -> None:
    stripes = np.repeat(np.array([0, 255], np.uint8), 12)[None].repeat(10, axis=0)
    blurred = convolve(stripes, Kernel(kernels.gaussian(1.5))) / np.float32(255)
    assert kind()._restored(blurred, kernels.gaussian(1.5), GENTLE[kind]).max() > 1.005


@any_kind
@pytest.mark.parametrize("shape", [(1, 101), (101, 1)])
def test_a_kernel_may_be_larger_than_the_image(kind: type[Any], shape: tuple[int, int]) -> None:
    kernel = np.linspace(1, 2, 101).reshape(shape) / 151.5
    parameter = {Wiener: 1e-3, RichardsonLucy: 3.0}[kind]
    restored = kind()._restored(np.full((8, 5), 0.25, np.float32), kernel, parameter)
    np.testing.assert_allclose(restored, 0.25, atol=1e-3)


@pytest.mark.parametrize("kernel", [kernels.motion(15, 0), kernels.motion(15, 90), kernels.box(15)])
def test_the_black_beyond_the_margin_does_not_come_in(kernel: Psf) -> None:
    restored = RichardsonLucy()._restored(np.full((12, 20), 0.25, np.float32), kernel, 25.0)
    np.testing.assert_allclose(restored, 0.25, atol=4e-3)


@pytest.mark.parametrize("brightness", [0.0, 0.5, 2.0])
def test_richardson_lucy_takes_images_as_dark_as_there_are(brightness: float) -> None:
    kernel = kernels.box(3)
    sharp = np.zeros((40, 30), np.float32)
    sharp[:, 20:] = brightness / 255
    sharp[::3, 20:] *= 3
    blurred = convolve(sharp, Kernel(kernel))
    restored = RichardsonLucy()._restored(blurred, kernel, GENTLE[RichardsonLucy])
    assert np.isfinite(restored).all()
    assert restored.mean() == pytest.approx(sharp.mean(), rel=0.01)
    assert np.square(restored - sharp).sum() <= 0.9 * np.square(blurred - sharp).sum()


@any_kind
def test_tuned_is_what_suits_all_images_each_with_its_own_kernel(
    kind: type[Any], small_faces: Images, degrade: Degrade
) -> None:
    # The first image asks for another parameter than the others.
    own = [kernels.box(5), LOPSIDED, kernels.motion(7, 30)]
    sharp = [face[10:50, 10:60] for face in small_faces[:3]]
    blurred = [degrade(*each) for each in zip(sharp, own, (0.0, 12.0, 12.0), strict=True)]
    baseline = kind()
    baseline.fit(sharp, blurred, own)
    ((_, found),) = baseline.settings.items()
    lower, best, higher = (
        mean_psnr(lambda image, each, tried=tried: baseline._restored(image, each, tried), sharp, blurred, own)
        for tried in (found / 1.41, found, found * 1.41)
    )
    assert best > max(lower, higher)
    assert mean_psnr(baseline.restore, sharp, blurred, own) == pytest.approx(best, abs=1e-3)


@any_kind
def test_settings_are_what_is_used(kind: type[Any], small_faces: Images, degrade: Degrade) -> None:
    kernel = kernels.box(3)
    sharp = [small_faces[0][:30, :40]]
    baseline = kind()
    baseline.fit(sharp, [degrade(sharp[0], kernel, 3.0)], [kernel])
    image = as_float(degrade(small_faces[1], kernel))
    ((_, found),) = baseline.settings.items()
    np.testing.assert_allclose(baseline.restore(image, kernel), baseline._restored(image, kernel, found), atol=1e-4)
