"""Small networks in files, and commands that restore with them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from network_files import write_network, write_unrolled_network

from deblur import restore


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that returns its input."""
    return write_network(tmp_path_factory.mktemp("networks") / "identity.safetensors", (5, 3))


@pytest.fixture(scope="session")
def brighter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that adds 0.1 everywhere."""
    return write_network(tmp_path_factory.mktemp("networks") / "brighter.safetensors", (5, 3), 0.1)


@pytest.fixture(scope="session")
def known_kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A non-blind network, which needs the kernel of each image."""
    return write_unrolled_network(tmp_path_factory.mktemp("networks") / "known.safetensors")


class Told:
    """Exit code and output of a command."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """Restore with some arguments; return the exit code and the output."""

    def call(*overrides: Any) -> Told:
        capsys.readouterr()
        code = restore.main(["--accelerator=cpu", *map(str, overrides)])
        said = capsys.readouterr()
        return Told(code, said.out, said.err)

    return call
