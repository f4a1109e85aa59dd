"""Networks that assume a circular boundary, which photographs do not have."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from decoded_files import noise
from network_files import write_unrolled_network
from PIL import Image

import deblur
from deblur.blur import Kernel, convolve, kernels

Command = Callable[..., Any]
THREE = kernels.box(3)
WARNING = "was trained with data.boundary=circular"


@pytest.fixture(scope="module")
def circular(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_unrolled_network(tmp_path_factory.mktemp("networks") / "circular.safetensors", "circular")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(noise(40, 37)).save(path)
    return path


def warnings_in(caplog: pytest.LogCaptureFixture) -> int:
    return sum(WARNING in record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)


def test_photographs_bring_one_warning(circular: Path, caplog: pytest.LogCaptureFixture) -> None:
    restorer = deblur.load(circular, accelerator="cpu")
    for _ in range(2):
        restorer(noise(20, 21, 3), kernel=THREE)
    assert warnings_in(caplog) == 1
    assert "circular: it takes each image for periodic" in caplog.text


def test_other_networks_bring_none(known_kernel: Path, identity: Path, caplog: pytest.LogCaptureFixture) -> None:
    deblur.load(identity, accelerator="cpu")(noise(20, 21, 3))
    deblur.load(known_kernel, accelerator="cpu")(noise(20, 21, 3), kernel=THREE)
    assert warnings_in(caplog) == 0


def test_the_command_warns_once_for_all_images(
    circular: Path, photo: Path, command: Command, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "other.png").write_bytes(photo.read_bytes())
    words = ("-n", circular, "--known-blur=box size=3", "-o", tmp_path / "out")
    assert command(photo, tmp_path / "other.png", *words).code == 0
    assert warnings_in(caplog) == 1


@pytest.mark.parametrize("blur", ["training", "training size=3", "box size=5"])
def test_a_simulation_of_the_training_has_its_boundary(
    circular: Path, photo: Path, command: Command, blur: str
) -> None:
    result = command(photo, "-n", circular, "--simulate", blur)
    assert result.code == 0
    is_training = blur.startswith("training")
    assert ("circular boundary" in result.out) == is_training
    shown = np.asarray(Image.open(photo.with_name("photo-simulated.png")).convert("L"))
    blurred, sharp = shown[:, :37], np.asarray(Image.open(photo))
    size = 3 if "size=3" in blur else 5
    extension: Any = "circular" if is_training else "symmetric"
    np.testing.assert_array_equal(blurred, np.rint(convolve(sharp, Kernel(kernels.box(size)), extension)))


def test_a_valid_boundary_of_the_training_cuts_off_its_margin(photo: Path, command: Command, tmp_path: Path) -> None:
    network = write_unrolled_network(tmp_path / "valid.safetensors", "valid")
    assert command(photo, "-n", network, "--simulate", "training").code == 0
    shown = np.asarray(Image.open(photo.with_name("photo-simulated.png")).convert("L"))
    assert shown.shape[0] == 40 - 4
    sharp = np.asarray(Image.open(photo))
    np.testing.assert_array_equal(shown[:, : 37 - 4], np.rint(convolve(sharp, Kernel(kernels.box(5))))[2:-2, 2:-2])
    np.testing.assert_array_equal(shown[:, -(37 - 4) :], sharp[2:-2, 2:-2])


def test_an_image_that_a_valid_boundary_leaves_nothing_of_is_a_sentence(command: Command, tmp_path: Path) -> None:
    network = write_unrolled_network(tmp_path / "valid.safetensors", "valid")
    Image.fromarray(np.full((4, 30), 9, np.uint8)).save(tmp_path / "low.png")
    result = command(tmp_path / "low.png", "-n", network, "--simulate", "training")
    assert result.code == 2
    assert "trained with data.boundary=valid, which leaves nothing of an image of 30x4 px" in result.err


def test_an_unknown_boundary_of_a_file_is_a_sentence(photo: Path, command: Command, tmp_path: Path) -> None:
    network = write_unrolled_network(tmp_path / "odd.safetensors", "odd")
    result = command(photo, "-n", network, "--simulate", "training")
    assert result.code == 2
    assert "damaged: data.boundary=odd is not allowed: give symmetric, valid or circular." in result.err
