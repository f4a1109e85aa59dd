"""Non-blind networks, by the command in this process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from decoded_files import noise
from PIL import Image

import deblur
from deblur.blur import Motion
from deblur.inference.simulation import degraded, drawn
from deblur.synthesis.faces import draw

Command = Callable[..., Any]


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ((), 'The network known needs the kernel that blurred the images: give --known-blur "motion length=9'),
        (("--known-blur=length=9",), "--known-blur: length=9 is no blur: give box, disk, gaussian, kernel, mixed"),
        (
            ("--known-blur=motion_random",),
            "--known-blur: motion_random draws a kernel for each image, and the network known needs one: give ",
        ),
        (
            ("--known-blur=mixed",),
            "--known-blur: mixed draws a kernel for each image, and the network known needs one",
        ),
        (
            ("--known-blur=varying",),
            "--known-blur: the network known needs one kernel for the whole image, and with blur=varying the kernel",
        ),
        (
            ("--simulate=varying kind=defocus",),
            "--simulate: the network known needs one kernel for the whole image, and with blur=varying the kernel",
        ),
        (
            ("--known-blur=box noise_sigma=5",),
            "the network known takes the kernel alone: leave out noise_sigma=5; --noise-sigma gives the noise.",
        ),
        (
            ("--known-blur=box camera.linear=true camera.exposure=2",),
            "the network known takes the kernel alone: leave out camera.linear=true and camera.exposure=2.",
        ),
        (
            ("--known-blur=motion_random noise_sigma=[0,5] jpeg_quality=70",),
            "leave out noise_sigma=[0,5] and jpeg_quality=70; --noise-sigma gives the noise.",
        ),
        (("--known-blur=box size=4",), "--known-blur: size=4 is not allowed: give an odd whole number"),
        (("--kernel=absent.npy",), "--kernel: absent.npy does not exist"),
    ],
)
def test_a_non_blind_network_takes_one_kernel_and_nothing_else(
    command: Command, known_kernel: Path, tmp_path: Path, overrides: tuple[str, ...], sentence: str
) -> None:
    Image.fromarray(noise(9, 9)).save(tmp_path / "a.png")
    done = command(f"{tmp_path / 'a.png'}", f"--network={known_kernel}", *overrides)
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert sentence in done.err
    assert done.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_the_kernel_that_is_told_is_used(command: Command, known_kernel: Path, tmp_path: Path) -> None:
    Image.fromarray(noise(30, 40)).save(tmp_path / "a.png")
    overrides = (f"{tmp_path / 'a.png'}", f"--network={known_kernel}", "--precision=32-true", "--overwrite")
    expected = deblur.load(known_kernel, accelerator="cpu", precision="32-true")
    for size in (3, 5):
        # No noise and no compression say no more than a blur that does not mention them.
        asked = f"--known-blur=box size={size} noise_sigma=0 jpeg_quality=null"
        assert command(*overrides, asked).code == 0
        kernel = np.full((size, size), 1 / size**2)
        np.testing.assert_array_equal(pixels(tmp_path / "a-restored.png"), expected(noise(30, 40), kernel=kernel))


def test_a_simulation_tells_the_network_what_it_draws(command: Command, known_kernel: Path, tmp_path: Path) -> None:
    sharp = draw(3, 0)[:96, :80]
    Image.fromarray(sharp).save(tmp_path / "face.png")
    overrides = (f"{tmp_path / 'face.png'}", f"--network={known_kernel}", "--precision=32-true")
    done = command(*overrides, "--simulate=motion_random noise_sigma=1")
    assert done.code == 0, done.err
    assert "blurred by motion_random" in done.out
    blurred, restored, _ = np.split(pixels(tmp_path / "face-simulated.png"), 3, axis=1)
    expected = deblur.load(known_kernel, accelerator="cpu", precision="32-true")
    degradation = Motion([5.0, 25.0], [0.0, 180.0], noise_sigma=1)
    kernel = drawn(degradation, "face.png").kernel.psf
    np.testing.assert_array_equal(blurred, degraded(sharp, degradation, "face.png"))
    np.testing.assert_array_equal(restored, expected(blurred, kernel=kernel))
