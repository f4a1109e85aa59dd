from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import fft, ndimage

from deblur.baselines import DctWiener
from deblur.blur import Kernel, convolve, kernels
from deblur.blur.images import as_float
from deblur.blur.kernels import Psf
from deblur.wiener.filters import DEFAULT_NOISE_SCALE, NOISE_SMOOTHING, eigenvalues, method
from deblur.wiener.images import mean_psnr
from deblur.wiener.spectra import PowerSpectrum

Images = list[NDArray[np.uint8]]
Degrade = Callable[..., NDArray[np.uint8]]

LOPSIDED = np.array([[0.0, 0.1, 0.3], [0.1, 0.3, 0.1], [0.1, 0.0, 0.0]])
EVEN = {
    "identity": kernels.identity(),
    "gaussian": kernels.gaussian(2),
    "box": kernels.box(5),
    "disk": kernels.disk(2.5),
    "motion along rows": kernels.motion(7, 0),
    "motion along columns": kernels.motion(8.5, 90),
}
UNEVEN = {
    "motion at 45 degrees": kernels.motion(7, 45),  # equal to itself turned by 180 degrees, and to its transpose
    "motion at 20 degrees": kernels.motion(7, 20),
    "even in rows alone": np.array([[0.2], [0.5], [0.3]]),
    "lopsided": LOPSIDED,
}


def fitted(sharp: Images, kernel: Psf, degrade: Degrade, noise_sigma: float = 0.0) -> DctWiener:
    baseline = DctWiener()
    baseline.fit(sharp, [degrade(each, kernel, noise_sigma) for each in sharp], [kernel] * len(sharp))
    return baseline


def by_fft(baseline: DctWiener, factor: float) -> Callable[[NDArray[np.float32], Psf], NDArray[np.float32]]:
    """The restoration by Fourier transform whatever the kernel, with a noise scale."""
    assert baseline._filter is not None
    return replace(baseline._filter, fft_noise_scale=factor).by_fft


def blur_matrix(kernel: Psf, height: int, width: int) -> Psf:
    """The blur as a dense matrix, column by column from impulses."""
    impulses = np.eye(height * width, dtype=np.float32).reshape(-1, height, width)
    return np.stack([convolve(each, Kernel(kernel)).ravel() for each in impulses], axis=1).astype(np.float64)


@pytest.mark.parametrize("kernel", [*EVEN.values(), *UNEVEN.values()], ids=[*EVEN, *UNEVEN])
def test_the_dct_is_chosen_where_it_diagonalises_the_blur_and_only_there(kernel: Psf) -> None:
    height, width = 12, 10
    transform = fft.dctn(np.eye(height * width).reshape(-1, height, width), axes=(1, 2), norm="ortho")
    transform = transform.reshape(height * width, -1).T
    in_dct = transform @ blur_matrix(kernel, height, width) @ transform.T
    mixing = np.abs(in_dct - np.diag(np.diag(in_dct))).max()
    assert (mixing < 1e-5) == (method(kernel) == "dct")


@pytest.mark.parametrize("kernel", EVEN.values(), ids=EVEN.keys())
def test_rounding_errors_of_a_kernel_count_as_even_and_no_more_than_they(kernel: Psf) -> None:
    rounded = kernel * (1 + 1e-8 * np.random.default_rng(0).standard_normal(kernel.shape))
    assert method(rounded) == "dct"
    skewed = np.pad(kernel, 1)
    skewed[0, -1] += 1e-5
    assert method(skewed) == "fft"


@pytest.mark.parametrize("shape", [(12, 10), (7, 9), (3, 2), (1, 5)])
@pytest.mark.parametrize("kernel", EVEN.values(), ids=EVEN.keys())
def test_eigenvalues_are_what_the_blur_multiplies_with(kernel: Psf, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    expected = fft.idctn(eigenvalues(kernel, *shape) * fft.dctn(image.astype(float), norm="ortho"), norm="ortho")
    np.testing.assert_allclose(convolve(image, Kernel(kernel)), expected, atol=1e-5)


@pytest.mark.parametrize("kernel", EVEN.values(), ids=EVEN.keys())
def test_equals_the_dense_solution(kernel: Psf, degrade: Degrade) -> None:
    shape = (12, 10)
    sharp = [np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8) for seed in range(3)]
    baseline = fitted(sharp, kernel, degrade, noise_sigma=3.0)
    residuals = [degrade(each, kernel, 3.0) - convolve(each, Kernel(kernel)) for each in sharp]
    noise_power = np.mean([fft.dctn(each / 255, norm="ortho") ** 2 for each in residuals], axis=0)
    noise_power = ndimage.uniform_filter(noise_power, NOISE_SMOOTHING, mode="nearest")
    power = np.mean([fft.dctn(each / 255, norm="ortho") ** 2 for each in sharp], axis=0)
    # x = C H' (H C H' + N)^-1 y, with the covariances C and N that the spectra stand for
    transform = fft.dctn(np.eye(power.size).reshape(-1, *shape), axes=(1, 2), norm="ortho").reshape(power.size, -1).T
    covariance = transform.T @ np.diag(power.ravel()) @ transform
    noise = transform.T @ np.diag(noise_power.ravel()) @ transform
    blur = blur_matrix(kernel, *shape)
    blurred = as_float(degrade(sharp[0], kernel, 3.0))
    psf = np.linalg.solve(blur @ covariance @ blur.T + noise, blurred.ravel())
    expected = (covariance @ blur.T @ psf).reshape(shape)
    np.testing.assert_allclose(baseline.restore(blurred, kernel), expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(73, 90), (64, 31), (1, 9), (5, 1)])
def test_without_blur_and_noise_an_image_stays_as_it_is(
    shape: tuple[int, int], small_faces: Images, degrade: Degrade
) -> None:
    baseline = fitted(small_faces, kernels.identity(), degrade)
    image = np.random.default_rng(1).random(shape, dtype=np.float32)
    np.testing.assert_allclose(baseline.restore(image, kernels.identity()), image, atol=1e-6)
    assert baseline.settings["noise_sigma"] == pytest.approx(1e-4)


def test_texture_that_no_training_image_had_is_not_wiped_away(degrade: Degrade) -> None:
    # Images are rounded: of no frequency they hold less than that, however flat they are.
    baseline = fitted([np.full((20, 30), 90, np.uint8)] * 2, kernels.identity(), degrade)
    image = np.random.default_rng(1).random((20, 30), dtype=np.float32)
    np.testing.assert_allclose(baseline.restore(image, kernels.identity()), image, atol=1e-4)


def test_a_stationary_field_is_restored_as_theory_says(degrade: Degrade) -> None:
    # Independent gray levels have the same power at all frequencies, and a filter that is known on paper.
    rng = np.random.default_rng(2)
    sharp = [rng.normal(128, 30, (40, 48)).clip(0, 255).round().astype(np.uint8) for _ in range(60)]
    kernel = np.array([[0.25, 0.5, 0.25]])
    baseline = fitted(sharp, kernel, degrade, noise_sigma=5.0)
    response = 0.5 + 0.5 * np.cos(np.pi * np.arange(48) / 48)
    left = 30**2 * 5**2 / (response**2 * 30**2 + 5**2)  # squared error at each frequency [gray levels^2]
    errors = [255 * baseline.restore(as_float(degrade(each, kernel, 5.0)), kernel) - each for each in sharp]
    assert np.mean(np.square(errors)) == pytest.approx(left.mean(), rel=0.05)


@pytest.mark.parametrize("noise_sigma", [0.0, 2.0, 8.0])
def test_noise_is_found_in_the_images(noise_sigma: float, small_faces: Images, degrade: Degrade) -> None:
    bright_enough = [each // 2 + 64 for each in small_faces]  # nothing is clipped
    baseline = fitted(bright_enough, kernels.box(5), degrade, noise_sigma)
    assert baseline.settings == {
        "method": "dct",
        "noise_sigma": pytest.approx((noise_sigma**2 + 1 / 12) ** 0.5, rel=0.03),
    }


def test_a_spectrum_serves_images_of_other_sizes(faces: Images, degrade: Degrade) -> None:
    kernel = kernels.box(7)
    crops = [face[40:190, 30:230] for face in faces]
    blurred = [degrade(each, kernel) for each in crops]
    gains = []
    for training in (crops, faces, [*faces, *crops[:2]]):
        restore = fitted(training, kernel, degrade).restore
        gains.append(mean_psnr(restore, crops, blurred, [kernel] * len(crops)))
    assert gains[1] == pytest.approx(gains[0], abs=0.5)
    assert gains[2] == pytest.approx(gains[0], abs=0.5)


def test_an_uneven_kernel_falls_back_and_says_so(small_faces: Images, degrade: Degrade) -> None:
    tilted = kernels.motion(9, 45)
    blurred = [degrade(each, tilted) for each in small_faces]
    baseline = fitted(small_faces[:2], tilted, degrade)
    assert baseline.settings["method"] == "fft"
    assert baseline.settings["noise_scale"] > 1
    pairs = small_faces, blurred, [tilted] * len(blurred)
    assert mean_psnr(baseline.restore, *pairs) > mean_psnr(lambda image, _: image, *pairs) + 1.5


def test_every_image_may_have_a_kernel_of_its_own(small_faces: Images, degrade: Degrade) -> None:
    own = [kernels.box(5), kernels.motion(9, 45), kernels.gaussian(1.5), kernels.motion(7, 0), LOPSIDED, LOPSIDED.T]
    blurred = [degrade(each, kernel) for each, kernel in zip(small_faces, own, strict=True)]
    baseline = DctWiener()
    baseline.fit(small_faces, blurred, own)
    assert baseline.settings["method"] == "dct and fft"
    for sharp, image, kernel in zip(small_faces, blurred, own, strict=True):
        one = [sharp], [image], [kernel]
        assert mean_psnr(baseline.restore, *one) > mean_psnr(lambda image, _: image, *one) + 0.5


@pytest.mark.parametrize("shape", [(37, 51), (8, 5), (1, 7), (2, 2)])
@pytest.mark.parametrize("kernel", [kernels.gaussian(3), kernels.motion(15, 45), LOPSIDED], ids=["even", "45", "odd"])
def test_images_of_any_size_are_taken(
    shape: tuple[int, int], kernel: Psf, small_faces: Images, degrade: Degrade
) -> None:
    baseline = fitted(small_faces[:2], kernels.box(3), degrade)
    sharp = np.random.default_rng(3).integers(100, 140, shape, dtype=np.uint8)
    blurred = as_float(degrade(sharp, kernel))
    before = blurred.copy()
    restored = baseline.restore(blurred, kernel)
    assert restored.shape == shape
    assert restored.dtype == np.float32
    assert np.isfinite(restored).all()
    assert restored.mean() == pytest.approx(blurred.mean(), abs=0.01)
    np.testing.assert_array_equal(blurred, before)


@pytest.mark.parametrize("kernel", [LOPSIDED, kernels.motion(9, 30)], ids=["lopsided", "motion"])
def test_the_fourier_transform_undoes_the_blur_and_not_its_mirror_image(
    kernel: Psf, faces: Images, degrade: Degrade
) -> None:
    baseline = fitted(faces[:1], kernel, degrade)
    blurred = as_float(degrade(faces[1], kernel))
    restored, wrongly = (baseline.restore(blurred, each) for each in (kernel, kernel[::-1]))
    errors = [np.square(each - faces[1] / 255).mean() for each in (restored, blurred, wrongly)]
    assert errors[0] < 0.6 * errors[1] < errors[2]


def test_without_images_nothing_is_restored() -> None:
    with pytest.raises(RuntimeError, match=r"fit\(\) first"):
        DctWiener().restore(np.zeros((4, 4), np.float32), kernels.box(3))
    with pytest.raises(RuntimeError, match=r"fit\(\) first"):
        _ = DctWiener().settings


@pytest.mark.parametrize("kernel", [kernels.motion(7, 0), kernels.motion(9, 90)], ids=["wide", "tall"])
def test_far_from_the_boundary_both_ways_agree(kernel: Psf, faces: Images, degrade: Degrade) -> None:
    baseline = fitted(faces, kernel, degrade, noise_sigma=8.0)
    image = as_float(degrade(faces[0], kernel, 8.0))
    inner = (slice(80, -80), slice(80, -80))
    even, uneven = baseline.restore(image, kernel)[inner], by_fft(baseline, 1.0)(image, kernel)[inner]
    assert np.square(uneven - even).mean() < 0.1 * np.square(even - image[inner]).mean()


def test_the_tuned_noise_factor_is_the_one_that_is_used(small_faces: Images, degrade: Degrade) -> None:
    tilted = kernels.motion(9, 45)
    pairs = small_faces[:2], [degrade(each, tilted) for each in small_faces[:2]], [tilted] * 2
    baseline = DctWiener()
    baseline.fit(*pairs)
    factor = float(baseline.settings["noise_scale"])
    assert factor != DEFAULT_NOISE_SCALE
    best, *neighbors = (mean_psnr(by_fft(baseline, tried), *pairs) for tried in (factor, factor / 1.4, factor * 1.4))
    assert best > max(neighbors)
    blurred = as_float(pairs[1][0])
    used, usual = (
        np.abs(baseline.restore(blurred, tilted) - by_fft(baseline, tried)(blurred, tilted)).max()
        for tried in (factor, DEFAULT_NOISE_SCALE)
    )
    assert used < 1e-4 < 1e-2 < usual


def test_a_second_fit_does_not_depend_on_the_first(small_faces: Images, degrade: Degrade) -> None:
    tilted = kernels.motion(9, 45)
    twice = fitted(small_faces[:2], tilted, degrade)
    assert float(twice.settings["noise_scale"]) != DEFAULT_NOISE_SCALE
    even = small_faces[2:4], [degrade(each, kernels.box(5)) for each in small_faces[2:4]], [kernels.box(5)] * 2
    twice.fit(*even)
    once = DctWiener()
    once.fit(*even)
    assert twice.settings == once.settings
    blurred = as_float(degrade(small_faces[4], tilted))
    np.testing.assert_array_equal(twice.restore(blurred, tilted), once.restore(blurred, tilted))


def test_a_spectrum_knows_rows_from_columns() -> None:
    # Stripes: all power is in one row of frequencies, whatever the shape of the image
    stripes = np.zeros((40, 64), np.uint8)
    stripes[:, ::2] = 200
    spectrum = PowerSpectrum.measured([stripes], (40, 64), least=1e-9)
    rows, columns = np.arange(20) / 20, np.arange(96) / 96
    power = spectrum.at(rows, columns)
    assert power.shape == (20, 96)
    assert power[0, 90:].max() > 1e3 * power[1:].max()


def test_a_long_tilted_motion_needs_the_faded_margin(small_faces: Images, degrade: Degrade) -> None:
    # Known of these faces: 23.2 dB, and 22.2 dB if the margin meets its other side with a step
    tilted = kernels.motion(15, 30)
    baseline = fitted(small_faces[:2], kernels.box(3), degrade)
    pairs = small_faces[:3], [degrade(each, tilted) for each in small_faces[:3]], [tilted] * 3
    assert mean_psnr(by_fft(baseline, 100.0), *pairs) > 22.7
