"""Two runs on the same test images, image by image."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deblur.errors import UserError
from deblur.files import write_csv, write_json
from deblur.metrics.measuring import DEGRADED_BELOW, degraded_fraction, share_above
from deblur.reporting.answers import mean_interval
from deblur.reporting.configurations import have_same_images
from deblur.reporting.results import Run, read_sweep
from deblur.runs.conditions import common_conditions, condition_sentences
from deblur.text import Lines, cell, counted, lines, paragraphs

_COLORS = {"gray": "gray", "rgb": "RGB"}  # of data.color, in words


def compare(places: Sequence[str], output: Path) -> Lines:
    """Compare the test results of two runs, which have to be of the same blurred images.

    Args:
        places: two run folders.
        output: where the differences and their summary go.

    Returns:
        What to show.

    Raises:
        UserError: if one is no finished run, or they were tested on different images.
    """
    first, second = (_read(Path(place)) for place in places)
    colors = [run.settings["data.color"] for run in (first, second)]
    if colors[0] != colors[1]:
        raise UserError(
            f"{places[0]} was tested on {_COLORS[colors[0]]} images and {places[1]} on {_COLORS[colors[1]]} images, "
            "whose PSNR is not of the same pixels: measure both on RGB images with python -m deblur.evaluate run=DIR "
            "data.color=rgb."
        )
    if not have_same_images(first, second):
        raise UserError(
            f"{places[0]} and {places[1]} were tested on different images, or on images degraded differently: compare "
            "runs of one data set and one blur."
        )
    apart = {name: row["psnr"] - second.images[name]["psnr"] for name, row in first.images.items()}
    finite = {name: difference for name, difference in apart.items() if math.isfinite(difference)}
    if not finite:
        raise UserError(f"{places[0]} and {places[1]} have no test image with a finite PSNR in common.")
    differences = np.array(list(finite.values()))
    interval = mean_interval(differences)
    worst = min(finite, key=lambda name: finite[name])
    better = share_above(first.exact("psnr", apart), second.exact("psnr", apart))
    degraded = [_degraded(run, apart) for run in (first, second)]
    tests = [run.measured_on for run in (first, second)]
    summary: dict[str, Any] = {
        "first": str(places[0]),
        "second": str(places[1]),
        "images": len(finite),
        "left_out": len(apart) - len(finite),
        "difference": float(np.mean(differences)),
        "interval": None if interval is None else list(interval),
        "share_better": better,
        "first_degraded": degraded[0],
        "second_degraded": degraded[1],
        "worst": {"name": worst, "difference": finite[worst]},
        "measured_on": common_conditions(tests)[0],
    }
    rows = [
        {
            "name": cell(name),
            "first_psnr": _finite(first.images[name]["psnr"]),
            "second_psnr": _finite(second.images[name]["psnr"]),
            "difference": _finite(difference),
        }
        for name, difference in apart.items()
    ]
    write_csv(output / "differences.csv", rows)
    write_json(output / "metrics.json", summary)
    reach = "" if interval is None else f" (95 % interval {interval.low:+.3f} to {interval.high:+.3f})"
    left_out = len(apart) - len(finite)
    without = f", {counted(left_out, 'image')} without a finite PSNR left out" if left_out else ""
    of = f"all {len(apart)} images" if left_out else "them"
    sentences = lines(
        f"On {counted(len(finite), 'test image')} the first is {summary['difference']:+.3f} dB from the second{reach}"
        f"{without}.",
        f"It is better on {better:.0%} of {of}; at worst {finite[worst]:+.2f} dB, on {worst}.",
        f"More than {-DEGRADED_BELOW:g} dB below the blurred image are {degraded[0]:.1%} of the images with the first, "
        f"{degraded[1]:.1%} with the second.",
        "The interval covers the choice of test images, not what another training would give.",
    )
    names = lines(f"first:  {first.name}", f"second: {second.name}", *condition_sentences(tests))
    return paragraphs(names, sentences, f"All differences are in {output}")


def _degraded(run: Run, names: Iterable[str]) -> float | None:
    restored = run.exact("psnr", names)
    gains = [after - before for after, before in zip(restored, run.exact("input_psnr", names), strict=True)]
    return degraded_fraction(gains, restored)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _read(place: Path) -> Run:
    found = read_sweep(place).runs if place.is_dir() else ()
    if len(found) == 1 and found[0].damage:
        raise UserError(found[0].damage)
    if len(found) != 1 or not found[0].images:
        raise UserError(f"compare: {place} is no finished run: give a run's folder, with its images.csv.")
    return found[0]
