"""Small networks in files, and commands that restore with them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from deblur import restore
from deblur.models import SRCNN
from deblur.networks.weights import write_weights

BOX = {"name": "box", "_target_": "deblur.blur.Box", "size": 5, "noise_sigma": 0.0, "jpeg_quality": None}


def write_network(path: Path, kernel_sizes: tuple[int, ...], brighter: float = 0.0) -> Path:
    """Write a network that gives what it gets, or a little brighter."""
    widths = [2] * (len(kernel_sizes) - 1)
    network = SRCNN(kernel_sizes, widths, residual=True)
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.constant_(network.convolutions[-1].bias, brighter)  # type: ignore[arg-type] # it has one
    model = {"_target_": "deblur.models.SRCNN", "kernel_sizes": list(kernel_sizes), "widths": widths, "residual": True}
    description = {"name": path.stem, "settings": {"model": model | {"dropout": 0.0}, "blur": BOX}}
    write_weights(path, network.state_dict(), description)
    return path


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that gives what it gets."""
    return write_network(tmp_path_factory.mktemp("networks") / "identity.safetensors", (5, 3))


@pytest.fixture(scope="session")
def brighter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that adds 0.1 everywhere."""
    return write_network(tmp_path_factory.mktemp("networks") / "brighter.safetensors", (5, 3), 0.1)


class Told:
    """What a command has said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """Restore with some words; return the exit code and what was said."""

    def call(*words: Any) -> Told:
        capsys.readouterr()
        code = restore.main([*map(str, words), "accelerator=cpu"])
        said = capsys.readouterr()
        return Told(code, said.out, said.err)

    return call
