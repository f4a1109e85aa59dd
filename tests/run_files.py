"""Files of runs, written by hand."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

INPUT = 20.0  # PSNR of the blurred images [dB]


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def write_history(folder: Path, gains: Sequence[float]) -> None:
    rows = [
        {"epoch": epoch, "lr": 0.001, "val/mse": 0.01 / (1 + gain), "val/psnr": INPUT + gain, "val/gain": gain}
        for epoch, gain in enumerate(gains, 1)
    ]
    write_table(folder / "history.csv", rows)


def write_samples(folder: Path, name: str, color: Sequence[int] = ()) -> None:
    """Write the images of a test image: a bright square, and the same, dimmer and dimmer.

    Args:
        folder: of the run.
        name: of the image.
        color: of everything around the square; gray images are black there.
    """
    (folder / "samples" / name).mkdir(parents=True)
    for kind, level in (("sharp", 250), ("restored", 150), ("blurred", 100)):
        image = np.full((40, 48, 3), color, np.uint8) if color else np.zeros((40, 48), np.uint8)
        image[20:30, 8:18] = level
        Image.fromarray(image).save(folder / "samples" / name / f"{kind}.png")


def write_report(folders: Sequence[Path], output: Path, *, grids: bool = True) -> Path:
    """Write the report of sweeps, and return its page."""
    from deblur.reporting import read_findings, write_findings

    return write_findings(read_findings(folders), output, grids=grids)[0]
