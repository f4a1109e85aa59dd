"""What the gate keeps and what it costs: `python -m studies.gate [images=N] data.root=FOLDER`.

Each blind pretrained network restores the middle 256 px of the images of each folder, in color, without the gate and
with it:

- sharp: the share of images that change by less than 1 gray level of 255 (root mean square);
- gaussian of sigma 0.5, and JPEG of quality 75: the fraction of degraded images;
- the blur of the network's own training, with its camera and a valid boundary: the gain, and the fraction of degraded
  images.

`images` takes the first N of a folder. The table is written to `outputs/benchmarks/gate.json`.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import deblur
from benchmarks.results import Row, write_table
from deblur.blur import Degradation
from deblur.blur.images import Crop
from deblur.choices import BLIND
from deblur.config import build
from deblur.data.folders import find_images
from deblur.image_io.decoding import read_rgb_and_gray
from deblur.inference.gating import gated, pretrained_gate
from deblur.inference.restorer import Restorer
from deblur.inference.simulation import degraded, gain, reference
from deblur.metrics.measuring import degraded_fraction

NAME: Final = "gate"
SIDE: Final = 256  # px

Pixels = NDArray[np.uint8]


def row_of(name: str, folder: str, images: Sequence[Pixels]) -> Row:
    """Measure a network on the images of a folder."""
    restorer = deblur.load(name, accelerator="cpu", precision="32-true")
    own = build(restorer.settings["blur"], Degradation)
    inputs = {
        "sharp": deblur.degradation("none"),
        "gaussian 0.5": deblur.degradation("gaussian", sigma=0.5),
        "JPEG 75": deblur.degradation("none", jpeg_quality=75),
        "own blur": own,
    }
    row: dict[str, Any] = {"folder": folder, "network": name, "images": len(images)}
    for label, degradation in inputs.items():
        measured = [_measured(restorer, degradation, image, str(place)) for place, image in enumerate(images)]
        for gate, results in zip(("without gate", "with gate"), zip(*measured, strict=True), strict=True):
            changes, gains, psnrs = (list(column) for column in zip(*results, strict=True))
            if label == "sharp":
                row[f"{label}, unchanged {gate}"] = float(np.mean([change < 1 for change in changes]))
                continue
            row[f"{label}, degraded {gate}"] = degraded_fraction(gains, psnrs)
            row[f"{label}, gain {gate} [dB]"] = float(np.mean(gains))
    return row


def _measured(
    restorer: Restorer, degradation: Degradation, image: Pixels, name: str
) -> Iterator[tuple[float, float, float]]:
    """Yield the change [gray levels, RMS], the gain and the PSNR [dB] without and with the gate."""
    crop = Crop("valid", degradation.reach, SIDE)
    sharp = np.ascontiguousarray(reference(image, degradation, name, crop))
    blurred = np.ascontiguousarray(degraded(image, degradation, name, crop))
    restored = restorer(blurred, strength=1)
    for result in (restored, gated(blurred, restored, pretrained_gate())[0]):
        change = float(np.sqrt(np.square(result.astype(np.float64) - blurred).mean()))
        found = gain(blurred, result, sharp, of_luma=False)
        yield change, found.difference, found.restored


def images_of(folder: Path, count: int | None) -> list[Pixels]:
    """Return the first images of a folder, (H, W, 3)."""
    paths = [folder / name for name in find_images(folder)][:count]
    return [read_rgb_and_gray(path)[0] for path in paths]


def main(folders: Sequence[Path], count: int | None) -> None:
    """Measure all pretrained networks on all folders."""
    sets = {folder.name: images_of(folder, count) for folder in folders}
    rows = [row_of(name, folder, images) for folder, images in sets.items() for name in BLIND]
    write_table(NAME, "The gate", rows)


if __name__ == "__main__":
    given = [argument.partition("=")[::2] for argument in sys.argv[1:]]
    roots = [Path(value) for key, value in given if key == "data.root"]
    counts = [int(value) for key, value in given if key == "images" and value.isdecimal()]
    if not roots or len(roots) + len(counts) < len(given):
        sys.exit("Give folders of sharp images: data.root=FOLDER. images=N takes the first N of each.")
    main(roots, counts[-1] if counts else None)
