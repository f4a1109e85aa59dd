"""A small trained run, and commands that export it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from deblur import export, train

SMALL = (
    "data=folder",
    "data.patch_size=16",
    "data.eval_crop=32",
    "model.kernel_sizes=[5,3]",
    "model.widths=[6]",
    "trainer.max_epochs=1",
    "trainer.precision=32-true",
    "trainer.accelerator=cpu",
    "logger=none",
)


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which everything that the run read and wrote lies: no exported file names it."""
    return tmp_path_factory.mktemp("here")


@pytest.fixture(scope="session")
def trained_run(places: Path, cache_root: Path) -> Path:
    """The folder of a finished run on images and a kernel of the user's own; tests do not change it."""
    random = np.random.default_rng(0)
    (places / "images").mkdir()
    for number in range(12):
        image = random.integers(0, 256, (32, 32), np.uint8)
        Image.fromarray(image).save(places / "images" / f"{number}.png")
    np.save(places / "kernel.npy", np.full((3, 3), 1 / 9))
    overrides = (
        f"data.root={places / 'images'}",
        "blur=kernel",
        f"blur.path={places / 'kernel.npy'}",
        "blur.noise_sigma=[1,2]",
        f"paths.output_root={places / 'outputs'}",
        f"paths.cache_root={cache_root}",
    )
    assert train.main([*SMALL, *overrides]) == 0
    (folder,) = (path.parent for path in places.glob("outputs/runs/*/*/metrics.json"))
    return folder


@pytest.fixture(scope="session")
def exported(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run's net.onnx, net.safetensors and net.md; tests do not change it."""
    folder = tmp_path_factory.mktemp("exported")
    for file_format in ("onnx", "safetensors"):
        output = folder / f"net.{file_format}"
        assert export.main([f"{trained_run}", f"--format={file_format}", f"--output={output}"]) == 0
    return folder


@pytest.fixture
def run_copy(trained_run: Path, tmp_path: Path) -> Path:
    """The run, to be changed; the name of the folder is that of the run."""
    folder = tmp_path / trained_run.parent.name
    shutil.copytree(trained_run, folder)
    return folder


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Export with words that are refused with one sentence; return the sentence."""

    def call(*argv: str) -> str:
        capsys.readouterr()
        assert export.main(argv) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert said.count("\n") == 1
        return said.removeprefix("error: ").rstrip()

    return call


@pytest.fixture
def image() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)
