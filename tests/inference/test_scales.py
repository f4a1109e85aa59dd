"""Images restored at a smaller size."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from decoded_files import noise, smooth
from PIL import Image

import deblur
from deblur.inference.scaling import reduced_size, restore_at_scale
from deblur.synthesis.leaves import draw

Command = Callable[..., Any]


def of_type(image: np.ndarray, kind: str) -> np.ndarray:
    return {"uint8": image, "uint16": image.astype(np.uint16) * 257, "float32": np.float32(image) / np.float32(255)}[
        kind
    ]


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(31, 47), (30, 47, 3), (1, 1), (1, 9, 3)])
@pytest.mark.parametrize("scale", [1, 0.5, 1 / 3, 0.01])
def test_what_is_not_corrected_stays_exactly(kind: str, shape: tuple[int, ...], scale: float) -> None:
    image = of_type(noise(*shape), kind)
    restored = restore_at_scale(image, scale, np.copy)
    assert restored.dtype == image.dtype
    assert restored is not image
    np.testing.assert_array_equal(restored, image)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_a_correction_is_added_to_the_full_size(kind: str) -> None:
    image = of_type(noise(40, 60, 3) // 2, kind)
    white = 1 if kind == "float32" else np.iinfo(kind).max
    restored = restore_at_scale(image, 0.5, lambda reduced: reduced + np.float32(0.2))
    np.testing.assert_allclose(restored, image + 0.2 * white, atol=0.51 if kind != "float32" else 1e-6)


def test_results_are_clipped_to_black_and_white() -> None:
    image = np.tile(np.array([0, 255], np.uint8), (20, 10))
    np.testing.assert_array_equal(restore_at_scale(image, 0.5, lambda reduced: reduced + np.float32(1)), 255)
    np.testing.assert_array_equal(restore_at_scale(image, 0.5, lambda reduced: reduced - np.float32(1)), 0)


def test_the_network_is_given_the_means_of_areas() -> None:
    image = noise(40, 60)
    given = []
    restore_at_scale(image, 0.25, lambda reduced: given.append(reduced) or reduced)
    np.testing.assert_allclose(given[0], image.reshape(10, 4, 15, 4).mean(axis=(1, 3)) / 255, atol=1e-6)


@pytest.mark.parametrize(("scale", "size"), [(1, (30, 50)), (0.5, (15, 25)), (1 / 3, (10, 17)), (1e-9, (1, 1))])
def test_a_size_is_rounded_and_never_empty(scale: float, size: tuple[int, int]) -> None:
    assert reduced_size(30, 50, scale) == size


@pytest.mark.parametrize("scale", [0, -0.5, 1.01, float("nan"), True, "half", None])
def test_a_scale_is_refused(identity: Path, scale: Any) -> None:
    restorer = deblur.load(identity, accelerator="cpu")
    for call in (restorer, restorer.count):
        with pytest.raises(ValueError, match="give a number above 0 and at most 1"):
            call(noise(9, 9), scale=scale)


def test_a_network_with_a_kernel_takes_no_scale(known_kernel: Path) -> None:
    restorer = deblur.load(known_kernel, accelerator="cpu")
    with pytest.raises(ValueError, match="is for a network without a kernel"):
        restorer(noise(9, 9), kernel=np.full((3, 3), 1 / 9), scale=0.5)


def test_alpha_and_hidden_colors_stay(brighter: Path) -> None:
    image = np.dstack([noise(40, 40, 3) // 2, np.full((40, 40), 255, np.uint8)])
    image[:20, :20, 3] = 0
    restored = deblur.load(brighter, accelerator="cpu", precision="32-true")(image, scale=0.5)
    np.testing.assert_array_equal(restored[..., 3], image[..., 3])
    np.testing.assert_array_equal(restored[:20, :20], image[:20, :20])
    np.testing.assert_allclose(restored[24:, 24:, :3], image[24:, 24:, :3] + 25.5, atol=0.51)


def test_tiles_are_counted_at_the_scale(identity: Path) -> None:
    restorer = deblur.load(identity, accelerator="cpu")
    assert restorer.count(np.zeros((1024, 1024), np.uint8)) == 16
    assert restorer.count(np.zeros((1024, 1024), np.uint8), scale=0.5) == 4


@pytest.mark.slow
def test_a_wide_blur_is_restored_better_at_a_scale() -> None:
    rows = [np.concatenate([draw(9002, 2 * row + column, "rgb") for column in range(2)], axis=1) for row in range(2)]
    sharp = np.concatenate(rows)
    blurred = deblur.degrade(sharp, "disk", radius=10, camera="linear", noise_sigma=1)
    restorer, psnr = deblur.load("defocus", accelerator="cpu"), deblur.metric("psnr")
    scale = restorer.scale_for(deblur.estimate_blur(blurred))
    assert 1 / 4 <= scale <= 1 / 2
    full, scaled = (psnr(restorer(blurred, scale=one), sharp) for one in (1, scale))
    assert scaled > max(full, psnr(blurred, sharp)) + 0.3


def test_the_command_restores_at_the_stated_scale(command: Command, brighter: Path, tmp_path: Path) -> None:
    Image.fromarray(smooth(40, 60)).save(tmp_path / "a.png")
    told = command(tmp_path / "a.png", f"--network={brighter}", "--scale=0.25", "--precision=32-true")
    assert told.code == 0, told.err
    assert "Restored at 1/4 of its size." in told.out


@pytest.mark.parametrize("scale", ["0", "-1", "2", "nan", "half", ""])
def test_the_command_refuses_a_scale(command: Command, identity: Path, tmp_path: Path, scale: str) -> None:
    Image.fromarray(noise(9, 9)).save(tmp_path / "a.png")
    told = command(tmp_path / "a.png", f"--network={identity}", f"--scale={scale}")
    assert told.code == 2
    assert "--scale" in told.err
    assert "give a number above 0 and at most 1" in told.err
    assert not (tmp_path / "a-restored.png").exists()


def test_a_simulation_is_measured_at_full_size_or_the_stated_scale(
    command: Command, brighter: Path, tmp_path: Path
) -> None:
    Image.fromarray(draw(9003, 0)).save(tmp_path / "a.png")
    given = (tmp_path / "a.png", f"--network={brighter}", "--simulate=disk radius=20", "--overwrite")
    gains = [command(*given, *more).out for more in ((), ("--scale=1",), ("--scale=0.1",))]
    assert gains[0] == gains[1]
    assert gains[0] != gains[2]
