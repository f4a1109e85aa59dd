"""The kernels of photos whose blur varies: which windows are kept, and drawn images whose kernels are known."""

import numpy as np
import pytest

import deblur
from deblur.blur import Kernel, KernelField, convolve
from deblur.blur.kernels import Psf, motion
from deblur.estimation import KernelEstimate, estimate_kernel, estimate_kernels, kernel_field
from deblur.estimation.kernel_field import _aligned, _Compared, _filled, _like_one, _parts, _without_outliers
from deblur.estimation.kernel_steps import centroid
from deblur.synthesis.leaves import draw

ALL = [(row, column) for row in range(3) for column in range(3)]


def line(angle: float, length: float = 13.0) -> np.ndarray:
    return square(motion(length, angle), 21)


def square(psf: Psf, side: int) -> np.ndarray:
    margins = [((side - size) // 2,) * 2 for size in psf.shape]
    return np.pad(psf, margins).astype(np.float32)


def compared(angles: dict[tuple[int, int], float]) -> _Compared[tuple[int, int]]:
    return _Compared({node: line(angle) for node, angle in angles.items()}, 1.0)


def test_windows_overlap_by_half_unless_they_are_too_many() -> None:
    assert _parts(240, 240) == [slice(0, 240)]
    assert _parts(480, 240) == [slice(0, 240), slice(120, 360), slice(240, 480)]
    assert [part.start for part in _parts(4000, 400)] == [0, 1200, 2400, 3600]


def test_kernels_have_their_centers_of_mass_in_the_middle() -> None:
    given = {0: np.roll(line(20), (2, -1), (0, 1)), 1: line(70)[2:-2, 2:-2]}
    for kernel in _aligned(given).values():
        assert kernel.shape == (23, 23)
        assert np.abs(centroid(kernel / kernel.sum())).max() < 0.05


def test_kernels_that_turn_slowly_are_all_kept() -> None:
    kept, correlations = _without_outliers(compared({(row, column): 4 * (row + column) for row, column in ALL}))
    assert kept == ALL
    assert len(correlations) == 12
    assert min(correlations) > kernel_field.NEIGHBORS


@pytest.mark.parametrize("node", [(0, 0), (0, 1), (1, 1)])
def test_a_kernel_unlike_its_neighbors_is_an_outlier(node: tuple[int, int]) -> None:
    kept, correlations = _without_outliers(compared(dict.fromkeys(ALL, 10.0) | {node: 100.0}))
    assert kept == [one for one in ALL if one != node]
    assert correlations == pytest.approx([1] * len(correlations), abs=1e-5)


def test_kernels_without_pattern_are_no_outliers_and_disagree() -> None:
    kept, correlations = _without_outliers(compared({node: 67.0 * number for number, node in enumerate(ALL)}))
    assert len(kept) == len(ALL)
    assert np.mean(np.array(correlations) >= kernel_field.NEIGHBORS) < kernel_field.LEAST_AGREEING


def test_a_missing_kernel_is_the_mean_of_its_neighbors() -> None:
    kernels = {node: line(10.0 * number) for number, node in enumerate(ALL)}
    kept = [node for node in ALL if node not in ((0, 0), (0, 1), (1, 1))]
    filled = _filled(kernels, kept, (3, 3))
    assert filled.sum(axis=(2, 3)) == pytest.approx(1)
    reach = filled.shape[-1] // 2
    inner = slice(10 - reach, 11 + reach)
    neighbors = [kernels[node][inner, inner] for node in ((1, 0), (1, 2), (2, 1))]
    np.testing.assert_allclose(filled[1, 1], np.mean(neighbors, axis=0), atol=1e-6)
    np.testing.assert_allclose(filled[2, 2], kernels[2, 2][inner, inner], atol=1e-6)


def test_the_kernel_of_the_whole_photo_needs_no_field() -> None:
    one = KernelEstimate(motion(13, 10), 1.0, 1.0, "", False)
    assert _like_one([line(angle) for angle in (8, 10, 12)], one, 0.9) == 1
    assert _like_one([line(angle) for angle in (8, 10, 40)], one, 0.9) == pytest.approx(2 / 3)


def scene(rows: int, columns: int) -> np.ndarray:
    return np.block([[draw(9003, columns * row + column) for column in range(columns)] for row in range(rows)])


@pytest.mark.slow
def test_a_photo_of_one_kernel_keeps_its_result() -> None:
    photo = deblur.degrade(scene(1, 1), "trajectory", seed=4, extent=13, shake=0.5, noise_sigma=1)
    one, found = estimate_kernel(photo), estimate_kernels(photo)
    assert one.kernel is not None
    assert found.field is None
    np.testing.assert_array_equal(found.kernel, one.kernel)
    assert (found.confidence, found.explained, found.refusal) == (one.confidence, one.explained, one.refusal)


@pytest.mark.slow
def test_a_blur_that_varies_is_recovered_at_the_nodes() -> None:
    settings = {"kind": "rotation", "extent": 17, "variation": 0.8, "shake": 0.5, "noise_sigma": 1}
    sharp = scene(2, 2)
    found = estimate_kernels(deblur.degrade(sharp, "varying", seed=4, **settings))
    assert (found.refusal, found.kernel) == ("", None)
    assert found.field is not None
    field = deblur.degradation("varying", **settings).sample(np.random.default_rng(4)).kernel
    assert isinstance(field, KernelField)
    true = field.kernels(sharp.shape, found.field.rows, found.field.columns)
    side = 2 * max(true.shape[-1], found.field.psfs.shape[-1]) + 1
    correlations = [
        _Compared({number: square(psf, side) for number, psf in enumerate(pair)}, 1.0).correlation(0, 1)
        for pair in zip(true.reshape(-1, *true.shape[2:]), np.concatenate(list(found.field.psfs)), strict=True)
    ]
    assert np.median(correlations) > 0.85
    assert min(correlations) > 0.5


@pytest.mark.slow
def test_a_collage_of_unrelated_kernels_is_declined() -> None:
    collage = scene(2, 4).astype(np.float32)
    for number, (row, column) in enumerate(np.ndindex(2, 4)):
        part = slice(256 * row, 256 * row + 256), slice(256 * column, 256 * column + 256)
        psf = deblur.kernel("trajectory", seed=20 + number, extent=(9, 21)[number % 2], shake=0.6)
        collage[part] = convolve(np.ascontiguousarray(collage[part]), Kernel(psf))
    found = estimate_kernels(np.rint(collage).clip(0, 255).astype(np.uint8))
    assert found.field is None
    assert found.refusal == kernel_field.WITHOUT_PATTERN
