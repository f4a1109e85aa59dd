"""What each part of the drawn dead leaves contributes: `python -m studies.ingredients SWEEP data.root=PHOTOGRAPHS`.

SWEEP is the folder of a sweep that trains one network on dead leaves without one part after the other:

    python -m deblur.train -m sweep=ingredients data._target_=studies.ingredients.LeavesData data.max_images=400 \
      "+data.without=nothing,smooth_shapes,materials,micro_textures,waves,shading,depth_of_field,lens,thin_structures" \
      "~data.leaves" "~data.fresh" blur=motion seed=0,1 "trusted=[studies.ingredients]"

`marks`, the last of `PARTS`, can be added. Each network is measured on all photographs of the folder, blurred as in its
training. The differences are those to the networks trained on complete images from the same seeds: means over the
seeds and the photographs with half of their 95 % intervals over the photographs, and the mean of each seed.
"""

import hashlib
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

import deblur
from benchmarks.results import Row, write_table
from deblur.data import ImageSource
from deblur.errors import UserError
from deblur.image_io.decoding import luma
from deblur.reading import read_csv
from deblur.runs.records import IMAGES_FILE, read_config
from deblur.synthesis.leaves import ALL, Ingredients, draw

COMPLETE: Final = "nothing"
PARTS: Final = tuple(field.name for field in fields(Ingredients))
NORMAL_95: Final = 1.96  # half the width of a 95 % interval, in standard errors


class LeavesData(ImageSource):
    """Dead leaves without one part of the drawing."""

    is_parallel = False

    def __init__(self, max_images: int, without: str = COMPLETE, seed: int = 0) -> None:
        """Take the number of images, what they are drawn without (a name of `PARTS`, or `COMPLETE`), and a seed.

        Raises:
            UserError: for another name.
        """
        if without not in (COMPLETE, *PARTS):
            raise UserError(f"data.without={without} is not allowed: give {', '.join((COMPLETE, *PARTS))}.")
        self._ingredients = ALL if without == COMPLETE else Ingredients(**{without: False})
        self._without, self._seed, self._count = without, seed, max_images

    @property
    def names(self) -> Sequence[str]:
        """Numbered names."""
        return [f"leaves-{index:06d}" for index in range(self._count)]

    def cache_key(self) -> str:
        """Hash the arguments and the first image, which changes with the drawing."""
        first = self.decode(0).tobytes()
        return hashlib.sha256(f"{self._without} {self._seed} {self._count} ".encode() + first).hexdigest()

    def decode(self, index: int) -> NDArray[np.uint8]:
        """Draw one gray image."""
        return draw(self._seed, index, "gray", self._ingredients)

    def decode_rgb(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Draw one image in color; return its luma as well."""
        colors = draw(self._seed, index, "rgb", self._ingredients)
        return colors, luma(colors)


def main(sweep: Path, overrides: Sequence[str]) -> None:
    """Measure the networks of a sweep over `data.without`, and write a table."""
    runs = [path.parent for path in sorted(sweep.glob("*/status.json"))]
    found: dict[str, dict[int, Path]] = {}
    for run in runs:
        settings = read_config(run)
        found.setdefault(str(settings["data"].get("without")), {})[int(settings["seed"])] = run
    if COMPLETE not in found:
        raise UserError(f"{sweep} has no run with data.without={COMPLETE}: add it to the sweep.")
    seeds = found[COMPLETE]
    if any(of_part.keys() != seeds.keys() for of_part in found.values()):
        raise UserError(f"The runs of {sweep} are not all of the same seeds: train what is missing.")
    values = {
        without: np.stack([_values(of_part[seed], overrides) for seed in sorted(seeds)])
        for without, of_part in found.items()
    }
    rows = [_row(without, values[without], values[COMPLETE]) for without in (COMPLETE, *PARTS) if without in values]
    write_table("ingredients", f"Trained without one part, PSNR on {values[COMPLETE].shape[1]} photographs", rows)


def _values(run: Path, overrides: Sequence[str]) -> NDArray[np.float64]:
    """Return the PSNR of the restored photographs [dB]."""
    with tempfile.TemporaryDirectory() as folder:
        deblur.measure(run, ["data=folder", "split=all", "both_boundaries=false", f"output={folder}", *overrides])
        rows = read_csv(Path(folder) / IMAGES_FILE)
    return np.array([float(row["psnr"]) for row in rows])


def _row(without: str, values: NDArray[np.float64], complete: NDArray[np.float64]) -> Row:
    """Return a row of the table from PSNR of seeds and photographs, (S, P) [dB]."""
    of_seeds = values - complete
    differences = of_seeds.mean(axis=0)
    half = NORMAL_95 * float(differences.std(ddof=1)) / math.sqrt(len(differences))
    is_complete = without == COMPLETE
    return {
        "without": without,
        "PSNR [dB]": f"{values.mean():.2f}",
        "difference": None if is_complete else f"{differences.mean():+.2f} ± {half:.2f}",
        "of each seed": None if is_complete else ", ".join(f"{one:+.2f}" for one in of_seeds.mean(axis=1)),
        "complete is better on": None if is_complete else f"{int((differences < 0).sum())} of {len(differences)}",
    }


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("Give the folder of the sweep, then data.root=PHOTOGRAPHS.")
    try:
        main(Path(sys.argv[1]), sys.argv[2:])
    except UserError as error:
        sys.exit(str(error))
