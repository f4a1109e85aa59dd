import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Files = Callable[..., Path]

CONFIG = """
model: {{name: srcnn_915, _target_: deblur.models.SRCNN}}
blur: {{name: {blur}, _target_: deblur.blur.Box}}
optimizer: {{_target_: torch.optim.Adam, lr: 0.001}}
seed: 0
"""
TEST = {"psnr": 25.4321, "ssim": 0.81234, "gain": 3.2, "input_psnr": 22.2321, "input_ssim": 0.7, "images": 15}


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """An empty folder for the runs of a sweep called grid."""
    folder = tmp_path / "outputs" / "sweeps" / "grid"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def make_run(sweep: Path) -> Files:
    """Write the files of a run by hand."""

    def write(name: str, state: str, test: dict[str, Any] | None = None, blur: str = "box") -> Path:
        folder = sweep / name
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(CONFIG.format(blur=blur))
        (folder / "status.json").write_text(json.dumps({"state": state, "epoch": 3}))
        if test is not None:
            metrics = {"test": test, "seconds": {"fit": 1.5}, "versions": {"torch": "2.13.0"}, "git": None}
            (folder / "metrics.json").write_text(json.dumps(metrics))
        return folder

    return write


@pytest.fixture
def runs(make_run: Files) -> None:
    """One run of each state."""
    make_run("b_done", "done", TEST)
    make_run("a_failed", "failed", blur="gaussian")
    make_run("c_interrupted", "interrupted")
    make_run("d_running", "running")
    make_run("e_perfect", "done", TEST | {"psnr": None, "gain": None}, blur="none")
