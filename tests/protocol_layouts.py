"""Tiny data sets in the layouts of the field, and what an evaluation by a protocol leaves behind."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deblur.files import write_png
from deblur.synthesis.leaves import draw


def noisy_image(index: int, side: int = 72) -> NDArray[np.uint8]:
    """Return a part of a drawn RGB image, (side, side + 8, 3): not square."""
    return np.ascontiguousarray(draw(3, index, "rgb")[:side, : side + 8])


class Measured:
    """What an evaluation by a protocol left behind and printed."""

    def __init__(self, folder: Path, shown: str) -> None:
        self.summary: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
        self.report = (folder / "report.md").read_text()
        self.shown = shown
        self.results = list(csv.DictReader((folder / "results.csv").open(newline="")))
        self.rows = list(csv.DictReader((folder / "images.csv").open(newline="")))


Measure = Callable[..., Measured]


def write_gopro(root: Path) -> None:
    for scene in ("GOPR0384_11_00", "GOPR0385_11_01"):
        for index in range(2):
            write_png(root / "test" / scene / "sharp" / f"00000{index}.png", noisy_image(index))
            write_png(root / "test" / scene / "blur" / f"00000{index}.png", noisy_image(index) // 2)
            write_png(root / "test" / scene / "blur_gamma" / f"00000{index}.png", noisy_image(9))
            write_png(root / "train" / scene / "blur" / f"00000{index}.png", noisy_image(9))


def write_hide(root: Path) -> None:
    for folder, name in (("test-close-ups", "2fromGOPR0977.png"), ("test-long-shot", "7fromGOPR1089.png")):
        write_png(root / "GT" / name, noisy_image(len(name)))
        write_png(root / "test" / folder / name, noisy_image(len(name)) // 2)
    write_png(root / "GT" / "training.png", noisy_image(9))


def write_reds(root: Path) -> None:
    for sequence in ("000", "001"):
        for index in range(2):
            write_png(root / "val" / "val_sharp" / sequence / f"{index:08d}.png", noisy_image(index))
            write_png(root / "val" / "val_blur" / sequence / f"{index:08d}.png", noisy_image(index) // 2)


def write_realblur(root: Path, kind: str) -> None:
    folder = {
        "J": "RealBlur-J_ECC_IMCORR_centroid_itensity_ref",
        "R": "RealBlur-R_BM3D_ECC_IMCORR_centroid_itensity_ref",
    }
    lines = []
    for index in range(2):
        names = [f"{folder[kind]}/scene00{index}/{part}/{part}_1.png" for part in ("gt", "blur")]
        write_png(root / names[0], noisy_image(index))
        write_png(root / names[1], noisy_image(index) // 2)
        lines.append(" ".join(names))
    write_png(root / folder[kind] / "scene009" / "gt" / "gt_1.png", noisy_image(9))  # of the training
    (root / f"RealBlur_{kind}_test_list.txt").write_text("\n".join(lines) + "\n")


LAYOUTS: dict[str, tuple[Callable[[Path], None], int]] = {
    "gopro": (write_gopro, 4),
    "hide": (write_hide, 2),
    "reds": (write_reds, 4),
    "realblur_j": (lambda root: write_realblur(root, "J"), 2),
    "realblur_r": (lambda root: write_realblur(root, "R"), 2),
}
"""What writes a data set, and how many cases it has."""
