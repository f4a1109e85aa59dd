"""Kernels refined by restored images: by the sharp image itself, and by those of the pretrained network."""

import numpy as np
import pytest

import deblur
from deblur.blur import Kernel, convolve
from deblur.blur.kernels import Psf, motion
from deblur.estimation import KernelEstimate, estimate_kernel, kernel_text, refined, window_explained
from deblur.estimation.blind import CUT, UNSTABLE
from deblur.estimation.network import Floats
from deblur.inference.refining import CONVINCING, one_kernel, photo_kernel
from deblur.srgb import decoded
from deblur.synthesis.leaves import draw

SHARP = draw(9003, 3)
WINDOW = (slice(0, 256), slice(0, 256))


def square(psf: Psf, side: int) -> Psf:
    return np.pad(psf, [((side - size) // 2,) * 2 for size in psf.shape])


def error(found: Psf, true: Psf) -> float:
    """Return the root mean square of the difference of two kernels of one center, by that of the true one."""
    side = max(*found.shape, *true.shape)
    return float(np.linalg.norm(square(found, side) - square(true, side)) / np.linalg.norm(true))


@pytest.mark.parametrize("is_linear", [False, True])
def test_the_sharp_image_shows_the_true_kernel(is_linear: bool) -> None:
    true, wrong = motion(11, 30), square(motion(9, 50), 13)
    light = decoded(SHARP / np.float32(255)) if is_linear else SHARP / np.float32(255)
    photo = deblur.degrade(SHARP, "motion", seed=0, length=11, angle=30, camera={"linear": True} if is_linear else None)
    given: list[float] = []

    def restore(plane: Floats, kernel: Psf, noise_sigma: float) -> Floats:
        assert plane.shape == light.shape
        assert kernel.sum() == pytest.approx(1)
        given.append(noise_sigma)
        return np.asarray(light, np.float32)

    found = refined(KernelEstimate(wrong, 0.9, 0.8, "", is_linear, (WINDOW,)), photo, restore)
    assert found.kernel is not None
    assert found.kernel.sum() == pytest.approx(1)
    assert error(wrong, true) > 0.5
    assert error(found.kernel, true) < 0.15
    assert (found.confidence, found.explained, found.is_linear) == (0.9, 0.8, is_linear)
    assert min(given) >= 1


def test_without_edges_or_a_kernel_nothing_changes() -> None:
    none = KernelEstimate(None, 0.0, 0.0, "flat", False)
    kernel = square(motion(9, 0), 9)
    flat = KernelEstimate(kernel, 0.9, 0.8, "", False, (WINDOW,))

    def restore(plane: Floats, kernel: Psf, noise_sigma: float) -> Floats:  # noqa: ARG001
        return plane

    assert refined(none, SHARP, restore) is none
    found = refined(flat, np.full_like(SHARP, 90), restore)
    np.testing.assert_allclose(found.kernel, kernel, atol=1e-6)


def test_a_kernel_that_is_not_to_be_relied_on_is_not_refined() -> None:
    photo = SHARP[:100, :100]
    found, first = photo_kernel(photo), estimate_kernel(photo)
    assert found.refusal == first.refusal != ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "extent", "reason", "is_convincing"),
    [(5, 20, UNSTABLE, True), (11, 26, CUT, False)],  # the second one is too unsure to be tried
)
def test_the_restored_image_decides_on_a_kernel_that_may_be_right(
    seed: int, extent: int, reason: str, is_convincing: bool
) -> None:
    photo = deblur.degrade(draw(9005, seed), "trajectory", seed=seed, extent=extent, shake=0.5, noise_sigma=1.5)
    first, found = estimate_kernel(photo), photo_kernel(photo)
    assert first.refusal == reason
    assert found.refusal == ("" if is_convincing else reason)
    assert first.kernel is not None
    assert found.kernel is not None
    assert np.array_equal(found.kernel, first.kernel) is not is_convincing


@pytest.mark.slow
def test_the_image_of_a_wrong_kernel_does_not_convince() -> None:
    true = motion(15, 30)
    photo = deblur.degrade(SHARP, "motion", seed=0, length=15, angle=30, noise_sigma=1)
    network = deblur.load("unrolled", accelerator="cpu")

    def restore(plane: Floats, kernel: Psf, noise_sigma: float) -> Floats:
        return np.asarray(network(plane, kernel=kernel, noise_sigma=noise_sigma), np.float32)

    right, wrong = (
        window_explained(KernelEstimate(kernel, 0.6, 0.8, UNSTABLE, False, (WINDOW,)), photo, restore)
        for kernel in (true, motion(15, 120))
    )
    assert right > CONVINCING > wrong


def test_a_text_says_that_estimates_differ() -> None:
    kernel = motion(9, 0)
    for confidence, words in ((0.5, "differ"), (0.8, "agree roughly"), (0.95, "agree closely")):
        text = kernel_text(KernelEstimate(kernel, confidence, 0.8, "", False))
        assert f"several estimates {words} (confidence {confidence:.2f})" in text


@pytest.mark.slow
def test_the_network_improves_the_kernels_of_shaken_images() -> None:
    ratios = []
    for seed in range(3):
        true = deblur.kernel("trajectory", seed=seed, extent=13, shake=0.5)
        blurred = convolve(draw(9004, seed).astype(np.float32), Kernel(true))
        photo = np.rint(blurred).clip(0, 255).astype(np.uint8)
        errors = []
        for found in (estimate_kernel(photo), one_kernel(photo)):
            assert found.kernel is not None
            restored = deblur.load("unrolled", accelerator="cpu")(photo, kernel=found.kernel)
            errors.append(_least_error(restored, draw(9004, seed)))
        ratios.append(errors[1] / errors[0])
    assert np.median(ratios) < 0.9


def _least_error(restored: np.ndarray, sharp: np.ndarray) -> float:
    """Return the mean squared error at the best shift, away from the border."""
    inner = restored[40:-40, 40:-40].astype(float)
    height, width = inner.shape
    shifts = range(36, 45)
    return min(
        float(np.square(inner - sharp[top : top + height, left : left + width]).mean())
        for top in shifts
        for left in shifts
    )
