"""Photos restored by their estimated kernels, by the command in this process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import deblur
from deblur.blur.kernel_file import kernel_levels, read_kernel
from deblur.estimation import KernelEstimate
from deblur.inference import blind
from deblur.inference.panels import kernel_panel
from deblur.synthesis.leaves import draw

Command = Callable[..., Any]
SHAKE = {"extent": 13, "shake": 0.5}


@pytest.fixture(scope="module")
def shaken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "shaken.png"
    Image.fromarray(deblur.degrade(draw(9003, 1), "trajectory", seed=4, noise_sigma=1, **SHAKE)).save(path)
    return path


def test_a_shaken_photo_is_restored_and_its_kernel_restores_it_again(
    command: Command, shaken: Path, tmp_path: Path
) -> None:
    out, psf = tmp_path / "out.png", tmp_path / "psf.png"
    done = command(shaken, "--blind", "-o", out, "--save-kernel", psf, "--side-by-side")
    assert done.code == 0, done.err
    assert "of which several estimates agree closely (confidence " in done.out
    sharp, before, after = (np.asarray(one, np.float64) for one in (draw(9003, 1), Image.open(shaken), Image.open(out)))
    inner = (slice(20, -20), slice(20, -20))
    assert np.abs(after - sharp)[inner].mean() < 0.5 * np.abs(before - sharp)[inner].mean()
    pair = np.asarray(Image.open(tmp_path / "out-side-by-side.png"))
    np.testing.assert_array_equal(pair[:, :256], before)
    np.testing.assert_array_equal(pair[80:, 256:], after[80:])
    enlarged = kernel_panel(read_kernel(psf, "--kernel").psf, 64 // Image.open(psf).width)
    corner = slice(2, 2 + len(enlarged)), slice(-2 - len(enlarged), -2)
    assert np.abs(pair[corner].astype(int) - enlarged).max() <= 1  # of the rounding to 16 bits
    again = tmp_path / "again.png"
    assert command(shaken, "-n", "unrolled", "--kernel", psf, "-o", again).code == 0
    if "linear light" not in done.out:
        assert np.abs(np.asarray(Image.open(again), np.float64) - after).max() <= 2


def test_a_photo_without_a_kernel_is_left_as_it_is(command: Command, tmp_path: Path) -> None:
    flat = tmp_path / "flat.png"
    Image.fromarray(np.full((128, 128), 90, np.uint8)).save(flat)
    done = command(flat, "--blind")
    assert done.code == 0
    assert "Left as it is. The image shows no edges" in done.out
    assert "Nothing was restored." in done.out
    assert [path.name for path in tmp_path.iterdir()] == ["flat.png"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--blind", "--kernel=psf.png"), "--blind and --kernel do not go together"),
        (("--blind", "--known-blur=box size=5"), "--blind and --known-blur do not go together"),
        (("--blind", "--simulate=box size=5"), "--blind and --simulate do not go together"),
        (("--blind", "--scale=0.5"), "--blind and --scale do not go together"),
        (("--blind", "--compare-networks"), "--blind and --compare-networks do not go together"),
        (("--save-kernel=psf.png",), "--save-kernel is of --blind"),
        (("--blind", "--save-kernel=psf.jpg"), "name a file of 16 bits, .png or .tif"),
        (
            ("--blind", "-n", "motion"),
            "--blind estimates the kernel for a non-blind network, and motion takes none",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(
    command: Command, shaken: Path, options: tuple[str, ...], sentence: str
) -> None:
    done = command(shaken, *options)
    assert done.code == 2
    assert sentence in done.err


def test_the_kernels_of_several_images_have_no_common_file(command: Command, shaken: Path, tmp_path: Path) -> None:
    Image.open(shaken).save(tmp_path / "other.png")
    done = command(shaken, tmp_path / "other.png", "--blind", "--save-kernel=psf.png", "-o", tmp_path / "out")
    assert done.code == 2
    assert "--save-kernel names the file of one kernel, and these are 2 images" in done.err


@pytest.mark.parametrize("seed", range(3))
def test_a_kernel_of_16_bits_is_read_as_it_was(seed: int, tmp_path: Path) -> None:
    psf = deblur.kernel("trajectory", seed=seed, **SHAKE)
    Image.fromarray(kernel_levels(psf)).save(tmp_path / "psf.png")
    found = read_kernel(tmp_path / "psf.png", "--kernel").psf
    np.testing.assert_allclose(found, psf, atol=psf.max() / 65535)


def test_a_wrong_kernel_does_not_pass_the_checks(shaken: Path) -> None:
    photo = np.asarray(Image.open(shaken))
    wrong = deblur.kernel("motion", length=41, angle=70)
    estimate = KernelEstimate(wrong, 1.0, 1.0, "", False, ((slice(0, 256), slice(0, 256)),))
    restored = blind.restored_by(deblur.load("unrolled", accelerator="cpu"), photo, None, estimate)
    assert blind.check(photo, restored, estimate).refusal != ""


def test_hidden_colors_are_kept_in_linear_light() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (64, 70, 3), np.uint8)
    alpha = np.full((64, 70), 255, np.uint8)
    alpha[10:20, 5:9] = 0
    estimate = KernelEstimate(deblur.kernel("box", size=3), 1.0, 1.0, "", True)
    restored = blind.restored_by(deblur.load("unrolled", accelerator="cpu"), pixels, alpha, estimate)
    assert restored.dtype == np.uint8
    np.testing.assert_array_equal(restored[alpha == 0], pixels[alpha == 0])
