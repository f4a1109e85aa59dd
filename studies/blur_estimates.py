"""How well the blur of images is estimated: `python -m studies.blur_estimates [FOLDER [MOST]]`.

Sharp images, those of a folder or drawn ones, are blurred by each of the blurs below, half of them in a camera, with
noise and mostly as JPEG, and estimated. The estimator was trained on none of these images.
"""

import math
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from deblur import degradation
from deblur.console import say, table
from deblur.data.folders import find_images
from deblur.estimation import BlurEstimate, estimate
from deblur.estimation.estimate import LENGTH
from deblur.estimation.network import KINDS
from deblur.image_io.decoding import read_gray
from deblur.synthesis.leaves import draw

SEED: Final = 2203  # of dead leaves; scripts/estimator.py trains on other ones
DRAWN: Final = 17
MOSAIC: Final = 2  # drawings a side of an image
BLURS: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("none", "none", {}),
    *(("defocus", "gaussian", {"sigma": sigma}) for sigma in (1.0, 2.0, 4.0)),
    *(("defocus", "disk", {"radius": radius}) for radius in (2.0, 4.0, 8.0)),
    *(("motion", "motion", {"length": length}) for length in (5.0, 10.0, 20.0, 30.0)),
    *(("shake", "trajectory", {"extent": extent, "shake": [0.5, 1.0]}) for extent in (10.0, 20.0, 30.0)),
)
BINS: Final = (0.0, 0.5, 0.7, 0.85, 0.95, 1.0)


def mosaics(seed: int, count: int, side: int) -> Iterator[NDArray[np.uint8]]:
    """Yield images, each of several dead leaves a side: a drawing has 256 px."""
    for number in range(count):
        parts = [draw(seed, number * side**2 + part) for part in range(side**2)]
        yield np.block([parts[row * side : (row + 1) * side] for row in range(side)])


def main(folder: str | None = None, most: str | None = None) -> None:
    """Blur and estimate images, and show how often and by how much the estimates are wrong.

    Args:
        folder: of sharp images; None draws images.
        most: how many images of the folder are taken, evenly spread; None takes all.
    """
    if folder is None:
        sharp = mosaics(SEED, DRAWN, MOSAIC)
    else:
        names = find_images(Path(folder))
        step = 1 if most is None else max(1, len(names) // int(most))
        sharp = (read_gray(Path(folder, name)) for name in names[::step])
    results: dict[str, list[tuple[str, BlurEstimate, float, float]]] = defaultdict(list)
    for number, image in enumerate(sharp):
        rng = np.random.default_rng(number)
        for kind, family, parameters in BLURS:
            given = {
                key: value if isinstance(value, float) else rng.uniform(*value) for key, value in parameters.items()
            }
            if family == "motion":
                given["angle"] = float(rng.uniform(0, 180))
            shared = {
                "noise_sigma": float(rng.uniform(0, 3)),
                "jpeg_quality": int(rng.integers(70, 96)) if rng.random() < 0.7 else None,
                "camera": "photo" if rng.random() < 0.5 else None,
            }
            blur = degradation(family, **given, **shared)
            sampled = blur.sample(rng)
            assert sampled.psf is not None
            down, across = (side // 2 for side in sampled.psf.shape)
            blurred = blur.apply(image, sampled)[down : len(image) - down, across : image.shape[1] - across]
            width, angle = _measured(sampled.psf, kind)
            name = " ".join([family, *(f"{key} {value:g}" for key, value in parameters.items() if key != "shake")])
            results[name].append((kind, estimate(blurred), width, angle))
    _show(results)


def _measured(psf: NDArray[Any], kind: str) -> tuple[float, float]:
    """Return the width [px] and the angle [degrees] of a kernel, as an estimate defines them."""
    rows, columns = np.indices(psf.shape)
    places = np.stack([columns.ravel(), -rows.ravel()])
    covariance = np.cov(places, aweights=psf.ravel(), ddof=0)
    values, vectors = np.linalg.eigh(covariance)
    factor = LENGTH if kind in ("motion", "shake") else 4.0
    return factor * math.sqrt(max(values[1], 0)), math.degrees(math.atan2(vectors[1, 1], vectors[0, 1])) % 180


def _show(results: dict[str, list[tuple[str, BlurEstimate, float, float]]]) -> None:
    rows = []
    for name, found in results.items():
        shares = [f"{np.mean([one.kind == kind for _, one, _, _ in found]):.2f}" for kind in KINDS]
        right = [(one, width, angle) for kind, one, width, angle in found if one.kind == kind != "none"]
        width = "" if not right else f"{np.median([abs(one.width / true - 1) for one, true, _ in right]):.0%}"
        ratio = "" if not right else f"{np.median([one.width / true for one, true, _ in right]):.2f}"
        turns = [abs((one.angle - true + 90) % 180 - 90) for one, _, true in right if one.angle is not None]
        rows.append([name, *shares, width, ratio, f"{np.median(turns):.1f}" if turns else ""])
    header = ["blur", *KINDS, "width, median error", "estimated / true", "angle, median error"]
    say(table(f"kinds as estimated, {len(found)} images of each blur", header, rows))
    every = [(one.probability, one.kind == kind) for found in results.values() for kind, one, _, _ in found]
    rows = []
    for low, high in pairwise(BINS):
        chosen = [pair for pair in every if low < pair[0] <= high]
        if chosen:
            said, true = np.mean(chosen, axis=0)
            rows.append([f"{low:g} to {high:g}", str(len(chosen)), f"{said:.2f}", f"{true:.2f}"])
    say(table("probability of the kind", ["probability", "images", "mean", "right"], rows))


if __name__ == "__main__":
    main(*sys.argv[1:3])
