import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from run_files import INPUT, write_history, write_table

Files = Callable[..., Path]

CONFIG = """
model: {{name: {model}, _target_: deblur.models.SRCNN}}
blur: {{name: {blur}, _target_: deblur.blur.Box}}
optimizer: {{_target_: torch.optim.Adam, lr: {lr}}}
data: {{name: synthetic, _target_: deblur.data.SyntheticData, max_images: 100}}
seed: {seed}
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

    def write(
        name: str,
        state: str,
        test: dict[str, Any] | None = None,
        blur: str = "box",
        *,
        model: str = "srcnn_915",
        lr: float = 0.001,
        seed: int = 0,
        error: str | None = None,
        into: Path = sweep,
    ) -> Path:
        folder = into / name
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(CONFIG.format(blur=blur, model=model, lr=lr, seed=seed))
        (folder / "status.json").write_text(json.dumps({"state": state, "epoch": 3, "error": error}))
        if test is not None:
            metrics = {"test": test, "seconds": {"fit": 1.5}, "versions": {"torch": "2.13.0"}, "git": None}
            (folder / "metrics.json").write_text(json.dumps(metrics))
        return folder

    return write


@pytest.fixture
def make_measured(make_run: Files) -> Files:
    """Write a finished run whose test images have the given gains; None is an infinite PSNR."""

    def write(name: str, gains: Sequence[float | None], images: Sequence[str] | None = None, **settings: Any) -> Path:
        names = images or [f"face-{number:02}.png" for number in range(len(gains))]
        finite = [gain for gain in gains if gain is not None]
        gain = float(np.mean(finite)) if finite else None
        psnr = None if gain is None else INPUT + gain
        test = {"psnr": psnr, "ssim": 0.8, "gain": gain, "input_psnr": INPUT, "input_ssim": 0.6, "images": len(gains)}
        folder = make_run(name, "done", test, **settings)
        rows = [
            {
                "name": image,
                "input_psnr": INPUT,
                "psnr": None if one is None else INPUT + one,
                "gain": one,
                "input_ssim": 0.6,
                "ssim": 0.8,
            }
            for image, one in zip(names, gains, strict=True)
        ]
        write_table(folder / "images.csv", rows)
        write_history(folder, [0.5, 1.0])
        metrics = json.loads((folder / "metrics.json").read_text())
        metrics |= {"data": {"fingerprint": "f" * 64 if images is None else "0" * 64}, "threads": 1}
        metrics |= {"model": {"parameters": 8129, "macs_per_pixel": 8032, "receptive_field": 13}}
        (folder / "metrics.json").write_text(json.dumps(metrics))
        return folder

    return write


@pytest.fixture
def runs(make_run: Files) -> None:
    """One run of each state."""
    make_run("b_done", "done", TEST)
    make_run("a_failed", "failed", blur="gaussian", error="ValueError: no")
    make_run("c_interrupted", "interrupted")
    make_run("d_running", "running")
    make_run("e_perfect", "done", TEST | {"psnr": None, "gain": None}, blur="none")
