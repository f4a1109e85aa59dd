"""Photos restored by a field of kernels, blended from windows that are restored by one kernel each."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import deblur
from deblur.blur.kernel_fields import blurred
from deblur.blur.kernel_file import kernel_levels, read_kernel
from deblur.blur.kernels import gaussian
from deblur.blur.node_kernels import NodeKernels
from deblur.errors import UserError
from deblur.estimation import KernelEstimate
from deblur.inference import blind
from deblur.inference.restorer import Restorer
from deblur.synthesis.leaves import draw

NODES = np.array([40.0, 128.0, 215.0])


def field_of(sigmas: tuple[float, float, float]) -> NodeKernels:
    """Gaussians, of another width in each column of nodes."""
    psfs = [np.pad(one, (25 - len(one)) // 2) for one in map(gaussian, sigmas)]
    return NodeKernels(NODES, NODES, np.stack([psfs] * 3))


def estimate_of(field: NodeKernels) -> KernelEstimate:
    return KernelEstimate(None, 1.0, 1.0, "", False, ((slice(0, 180), slice(0, 180)),), None, field)


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return deblur.load("unrolled", accelerator="cpu")


@pytest.fixture(scope="module")
def sharp() -> np.ndarray:
    return draw(9003, 1)


@pytest.fixture(scope="module")
def photo(sharp: np.ndarray) -> np.ndarray:
    levels = blurred(sharp, field_of((1, 2, 3))) + np.random.default_rng(0).normal(0, 1, sharp.shape)
    return np.rint(levels).clip(0, 255).astype(np.uint8)


def error(image: np.ndarray, sharp: np.ndarray) -> float:
    return float(np.sqrt(np.square(image.astype(np.float64) - sharp)[16:-16, 16:-16].mean()))


def test_a_field_restores_what_one_kernel_does_not(restorer: Restorer, photo: np.ndarray, sharp: np.ndarray) -> None:
    estimate = estimate_of(field_of((1, 2, 3)))
    calls: list[int] = []
    restored = blind.restored_by(restorer, photo, None, estimate, advance=lambda: calls.append(1))
    assert restored.dtype == np.uint8
    assert len(calls) == restorer.count(photo)
    one = replace(estimate, field=None, kernel=gaussian(2))
    by_one = blind.restored_by(restorer, photo, None, one)
    assert error(restored, sharp) < 0.7 * error(photo, sharp)
    assert error(restored, sharp) < 0.7 * error(by_one, sharp)
    assert blind.check(photo, restored, estimate).refusal == ""
    assert blind.check(photo, by_one, one).explained < 0.95 < blind.check(photo, restored, estimate).explained


def test_equal_kernels_restore_as_one(restorer: Restorer, sharp: np.ndarray) -> None:
    levels = np.rint(blurred(sharp, field_of((1, 1, 1)))).astype(np.uint8)
    rgb = np.dstack([levels, levels // 2, 255 - levels])
    estimate = estimate_of(field_of((1, 1, 1)))
    many = blind.restored_by(restorer, rgb, None, estimate, noise_sigma=1)
    one = blind.restored_by(restorer, rgb, None, replace(estimate, field=None, kernel=gaussian(1)), noise_sigma=1)
    assert np.abs(many.astype(np.int16) - one)[20:-20, 20:-20].mean() < 0.5


def test_the_image_of_a_field_is_no_kernel(tmp_path: Path) -> None:
    sheet = kernel_levels(blind.shown_kernel(estimate_of(field_of((1, 2, 3)))))
    assert sheet.dtype == np.uint16
    assert sheet.shape == (3 * 54, 3 * 54)
    assert sheet[2 + 24, 2 + 24] == 65535  # the middle of the first kernel
    Image.fromarray(sheet).save(tmp_path / "kernels.png")
    with pytest.raises(UserError, match="with one kernel"):
        read_kernel(tmp_path / "kernels.png", "--kernel")
