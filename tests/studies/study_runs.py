"""Finished runs as the study's page reads them, written by hand."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from run_files import write_table

KERNELS = {"915": [9, 1, 5], "9315": [9, 3, 1, 5], "91115": [9, 1, 1, 1, 5], "935": [9, 3, 5]}
WIDTHS = {"915": [64, 32], "9315": [64, 32, 16], "91115": [64, 32, 32, 16], "935": [46, 10]}
BLURS: dict[str, dict[str, Any]] = {
    "gaussian": {"sigma": 3.0},
    "box": {"size": 7},
    "motion": {"length": 15, "angle": 0},
}
INPUTS = (20.0, 22.0, 24.0)  # PSNR of the blurred test images [dB]


def write_run(
    sweep: Path,
    gains: Sequence[float],
    *,
    model: str = "srcnn_915",
    blur: str = "box",
    lr: float = 0.001,
    scale: float = 1.0,
    seed: int = 0,
    losses: Sequence[float] = (0.006, 0.005),
    training: Sequence[float] | None = None,
    inputs: Sequence[float] = INPUTS,
    fingerprint: str = "f" * 64,
    field: int = 13,
    settings: dict[str, Any] | None = None,
    no_psnr: Sequence[int] = (),
    exact: int = 0,
) -> Path:
    """Write a run whose test images have these gains and whose epochs have these validation and training losses.

    `settings` holds further settings of the data, such as {"flips": False}; `no_psnr` the images whose PSNR is not
    finite, of which `exact` ones are restored exactly.
    """
    name = "-".join([model, blur, f"{lr:g}", f"{scale:g}", str(seed), *map(str, (settings or {}).values())])
    folder = sweep / name
    folder.mkdir(parents=True)
    shape = model.rpartition("_")[2]
    config = {
        "model": {
            "name": model,
            "_target_": "deblur.models.SRCNN",
            "kernel_sizes": KERNELS[shape],
            "widths": WIDTHS[shape],
            "residual": True,
            "dropout": 0.0,
        },
        "blur": {"name": blur, "_target_": f"deblur.blur.{blur}", **BLURS[blur], "noise_sigma": 0.0},
        "optimizer": {"_target_": "torch.optim.Adam", "lr": lr, "last_layer_lr_scale": scale},
        "scheduler": None,
        "data": {"name": "folder", "_target_": "deblur.data.FolderData", "root": "/home/me/faces", "seed": 0}
        | {"flips": True, "patch_size": 64, "patches_per_image": 4, "batch_size": 16}
        | (settings or {}),
        "trainer": {"max_epochs": len(losses)},
        "seed": seed,
    }
    (folder / "config.yaml").write_text(json.dumps(config))
    (folder / "status.json").write_text(json.dumps({"state": "done", "epoch": len(losses)}))
    restored = np.add(inputs, gains)
    metrics = {
        "test": {"psnr": restored.mean(), "gain": np.mean(gains), "input_psnr": np.mean(inputs), "images": len(gains)}
        | {"exactly_restored": exact},
        "model": {"parameters": 8129, "macs_per_pixel": 8032, "receptive_field": field},
        "seconds": {"epochs": 3.0 * len(losses)},
        "data": {"fingerprint": fingerprint, "counts": {"train": 6, "val": 2, "test": len(gains)}},
        "device": {"name": "a processor"},
        "threads": 1,
        "precision": "32-true",
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    rows = [
        {"name": f"{n}.png", "input_psnr": given, "psnr": reached, "gain": gain, "input_ssim": 0.6, "ssim": 0.8}
        for n, (given, reached, gain) in enumerate(zip(inputs, restored, gains, strict=True))
    ]
    rows = [row | ({"psnr": "", "gain": ""} if n in no_psnr else {}) for n, row in enumerate(rows)]
    write_table(folder / "images.csv", rows)
    epochs = [
        {"epoch": n, "lr": lr, "val/mse": loss, "val/psnr": 25.0, "val/gain": 2.5, "train/loss": of_training}
        for n, (loss, of_training) in enumerate(zip(losses, training or losses, strict=True), 1)
    ]
    write_table(folder / "history.csv", epochs)
    return folder
