"""A small trained network, and commands that evaluate it."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_trainings import SMALLEST

from deblur import evaluate, train

SMALL = ("data.max_images=16", "trainer.max_epochs=1", *SMALLEST)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> Path:
    """The output folder of a sweep of two finished runs, on a box and on a gaussian; tests do not change them."""
    root = tmp_path_factory.mktemp("trained") / "outputs"
    overrides = (
        "-m",
        "blur=box,gaussian",
        "sweep=two",
        *SMALL,
        f"paths.output_root={root}",
        f"paths.cache_root={cache_root}",
    )
    assert train.main(overrides) == 0
    return root


@pytest.fixture(scope="session")
def run(trained: Path) -> Path:
    """The folder of the run on a box."""
    (folder,) = (path.parent for path in trained.glob("sweeps/two/*-box-*/status.json"))
    return folder


class Evaluated:
    """What an evaluation left behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.summary: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
        with (folder / "images.csv").open(newline="") as file:
            self.rows = list(csv.DictReader(file))


@pytest.fixture
def evaluated(trained: Path, cache_root: Path, tmp_path: Path) -> Callable[..., Evaluated]:
    """Evaluate with some words; return what is in its folder."""

    def call(*overrides: str) -> Evaluated:
        places = (f"paths.output_root={trained}", f"paths.cache_root={cache_root}", f"output={tmp_path / 'out'}")
        assert evaluate.main([*overrides, "accelerator=cpu", *places]) == 0
        return Evaluated(tmp_path / "out")

    return call


@pytest.fixture
def refused(trained: Path, cache_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Evaluate with words that are refused with one sentence and leave nothing behind; return the sentence."""

    def call(*overrides: str) -> str:
        places = (f"paths.output_root={trained}", f"paths.cache_root={cache_root}", f"output={tmp_path / 'out'}")
        capsys.readouterr()
        assert evaluate.main([*overrides, "accelerator=cpu", *places]) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert said.count("\n") == 1
        assert not (tmp_path / "out").exists()
        return said.removeprefix("error: ").rstrip()

    return call
