"""Results that are shifted, turned or darkened are found again, and what a protocol does not align is not."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from deblur.evaluation.protocols.alignment import aligned
from deblur.evaluation.protocols.measuring import values_of
from deblur.evaluation.protocols.protocol import PROTOCOLS
from deblur.synthesis.leaves import draw

LEVIN = PROTOCOLS["levin2009"]
REALBLUR = PROTOCOLS["realblur_j"]


def smooth(index: int, color: bool = False) -> NDArray[np.float32]:
    """Return a drawn image without fine detail, in [0, 1]: what an interpolation leaves nearly as it is."""
    drawn = draw(1, index, "rgb" if color else "gray")[:120, :140].astype(np.float32) / 255
    return np.clip(0.1 + 0.8 * cv2.GaussianBlur(drawn, (0, 0), 2.5), 0, 1)


def test_a_shift_by_quarter_pixels_is_found() -> None:
    sharp = smooth(0)
    move = np.array([[1, 0, 2.25], [0, 1, -1.5]], np.float32)  # right by 2.25 px, up by 1.5 px
    moved = cv2.warpAffine(sharp, move, (140, 120), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    found = aligned(moved, sharp, LEVIN)
    assert found.columns == {"shift_down": -1.5, "shift_right": 2.25}
    assert found.sharp.shape == (90, 110)
    unmoved = aligned(moved, sharp, replace(LEVIN, alignment=PROTOCOLS["gopro"].alignment))
    assert values_of(found, LEVIN)["psnr"] > values_of(unmoved, LEVIN)["psnr"] + 10


def test_whole_shifts_restore_every_pixel_and_five_are_the_most() -> None:
    sharp = smooth(1)
    exact = aligned(np.roll(sharp, (-5, 3), (0, 1)), sharp, LEVIN)
    assert exact.columns == {"shift_down": -5, "shift_right": 3}
    assert values_of(exact, LEVIN)["psnr"] == np.inf
    beyond = aligned(np.roll(sharp, 7, 0), sharp, LEVIN)
    assert beyond.columns["shift_down"] == 5
    assert values_of(beyond, LEVIN)["psnr"] < 40


def test_the_best_shift_is_that_of_a_plain_search() -> None:
    """Each shift by its definition, with OpenCV's bilinear interpolation of 1/32 px."""
    rng = np.random.default_rng(0)
    sharp, other = rng.random((2, 48, 50), np.float32)
    found = aligned(other, sharp, LEVIN)
    errors = {}
    rows, columns = np.mgrid[15:33, 15:35].astype(np.float32)
    for down in np.arange(-5, 5.25, 0.25, np.float32):
        for right in np.arange(-5, 5.25, 0.25, np.float32):
            part = cv2.remap(other, columns + right, rows + down, cv2.INTER_LINEAR)
            errors[float(down), float(right)] = float(np.mean((part - sharp[15:33, 15:35]) ** 2))
    best = min(errors, key=lambda shift: errors[shift])
    assert (found.columns["shift_down"], found.columns["shift_right"]) == best
    assert np.mean((found.restored - found.sharp) ** 2) == pytest.approx(errors[best], rel=1e-4)


def test_a_result_is_clipped_and_rounded_as_the_protocol_says() -> None:
    sharp = np.full((60, 60), 0.5, np.float32)
    result = np.full((60, 60), 128.4 / 255, np.float32)
    result[0, 0] = 7.0
    gopro = aligned(result, sharp, PROTOCOLS["gopro"])
    assert gopro.restored[0, 0] == 1
    assert gopro.restored[9, 9] == pytest.approx(128 / 255)
    kernels = aligned(result, sharp, replace(PROTOCOLS["levin_kernels"], cut=20))
    assert kernels.restored.shape == (20, 20)
    assert kernels.restored[9, 9] == pytest.approx(128.4 / 255)


def test_a_homography_and_a_brightness_are_undone() -> None:
    sharp = smooth(2, color=True)
    bent = np.array([[1.01, 0.01, 1.5], [-0.01, 0.99, -2.0], [1e-5, 0, 1]], np.float32)
    moved = 0.8 * cv2.warpPerspective(sharp, bent, (140, 120), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    found = aligned(moved, sharp, REALBLUR)
    assert found.columns["registered"] is True
    assert 0.9 < found.columns["covered"] < 1
    as_it_is = values_of(aligned(moved, sharp, PROTOCOLS["gopro"]), REALBLUR)
    assert as_it_is["psnr"] < 22
    assert values_of(found, REALBLUR)["psnr"] > 38
    assert values_of(found, REALBLUR)["ssim"] > 0.97


def test_pixels_that_a_homography_does_not_cover_do_not_count() -> None:
    """The metrics as the authors of RealBlur compute them: sums over the mask."""
    sharp = smooth(3, color=True)
    found = aligned(np.roll(sharp, 4, 1), sharp, REALBLUR)
    assert found.mask is not None
    mask = np.repeat(found.mask[..., None], 3, 2)
    error = np.sum((found.restored - found.sharp) ** 2, dtype=np.float64) / mask.sum()
    assert values_of(found, REALBLUR)["psnr"] == pytest.approx(-10 * np.log10(error), abs=1e-3)
    local = structural_similarity(
        found.sharp, found.restored.clip(0, 1), channel_axis=2, gaussian_weights=True, use_sample_covariance=False,
        data_range=1.0, full=True,
    )[1]  # fmt: skip
    inside = (slice(5, -5), slice(5, -5))
    expected = (local * mask)[inside].sum() / mask[inside].sum()
    assert values_of(found, REALBLUR)["ssim"] == pytest.approx(expected, abs=1e-4)


def test_what_cannot_be_registered_stays_where_it_is() -> None:
    sharp = smooth(4, color=True)
    found = aligned(np.full_like(sharp, 0.3), sharp, REALBLUR)
    assert found.columns["registered"] is False
    assert found.columns["covered"] == 1
