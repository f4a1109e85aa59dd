"""The best linear filters of all sizes beside networks, as a figure."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from deblur.reading import MissingFile, damaged, read_csv
from deblur.reporting.cells import Problem
from deblur.reporting.pictures import COLOURS, GREY, MARKERS, Picture, picture, styled

FILTERS_FILE = "filters.csv"  # which `python -m deblur.evaluate sweep=NAME fir=true` writes
NUMBERS = ("size", "psnr", "input_psnr", "gain")
NUMBERS_OF_REAL_BORDER = ("real_psnr", "real_input_psnr", "real_gain")  # beside a symmetric one
SIZE = (6.4, 3.6)  # [inch]
CURE = "measure again with python -m deblur.evaluate sweep=NAME fir=true, or delete the file"
CAPTION = (
    "The best linear filter of each size was fitted to the training images, and measured on the test images as the "
    "networks are. A network that sees as far and lies above the line makes use of being nonlinear. With a real border "
    "the scene goes on past the frame, and a filter cannot lean on the mirror image beyond it."
)

Filters = list[dict[str, float]]


def read_filters(sweep: Path) -> dict[str, Filters]:
    """Read what `fir=true` measured in a sweep, by the name of a run on the same images; nothing where it was not.

    Raises:
        UnusableFile: for a file that cannot be read, or is damaged.
    """
    path = sweep / FILTERS_FILE
    found: dict[str, Filters] = {}
    try:
        for row in read_csv(path, needed=("run", *NUMBERS), cure=CURE):
            keys = [*NUMBERS, *(key for key in NUMBERS_OF_REAL_BORDER if row.get(key))]
            numbers = {key: float(row[key]) for key in keys}
            if not all(map(math.isfinite, numbers.values())):
                raise ValueError("a number is not finite")
            found.setdefault(row["run"], []).append(numbers)
    except MissingFile:
        return {}
    except ValueError as error:
        raise damaged(path, str(error), CURE) from error
    return found


def filter_figures(sweep: Path, problems: Sequence[Problem]) -> list[Picture]:
    """Return a figure for each problem of a sweep whose linear filters have been measured."""
    figures: list[Picture] = []
    for name, filters in read_filters(sweep).items():
        problem = next((one for one in problems for cell in one.done for run in cell.done if run.name == name), None)
        if problem is None:
            continue
        networks = [
            {"name": cell.name, "size": size, "psnr": psnr}
            for cell in problem.done
            if not cell.is_guided
            and (size := cell.average("model.receptive_field")) is not None
            and (psnr := cell.mean("psnr")) is not None
        ]
        slug = re.sub(r"[^A-Za-z0-9._-]+", "_", sweep.name)
        file = f"filters_{slug}_{len(figures) + 1}.png"
        figures.append(filter_figure(filters, networks, problem.label, file))
    return figures


def filter_figure(
    filters: Sequence[Mapping[str, Any]], networks: Sequence[Mapping[str, Any]], blur: str, file: str
) -> Picture:
    """Return the PSNR of linear filters over their size, and networks at their receptive fields.

    Args:
        filters: `size` [px], `psnr` and `input_psnr` [dB] of each.
        networks: `name`, `size` [px] and `psnr` [dB] of each.
        blur: what is removed.
        file: the name of the figure's file.
    """
    with styled():
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        sizes = [row["size"] for row in filters]
        axes.plot(sizes, [row["psnr"] for row in filters], color=COLOURS[0], marker=".", label="best linear filter")
        if "real_psnr" in filters[0]:
            level = [row["real_psnr"] for row in filters]
            axes.plot(sizes, level, color=COLOURS[0], linestyle=":", marker=".", label="the same, real border")
        axes.axhline(filters[0]["input_psnr"], color=GREY, linestyle="--", linewidth=1, label="blurred input")
        for number, one in enumerate(networks, 1):
            turn = number // len(COLOURS)  # with more networks than colours, a colour comes back with another marker
            colour, marker = COLOURS[number % len(COLOURS)], MARKERS[(number + turn) % len(MARKERS)]
            axes.plot(one["size"], one["psnr"], linestyle="none", color=colour, marker=marker, label=one["name"])
        axes.set_xlabel("side of the filter, receptive field of a network [px]")
        axes.set_ylabel("PSNR [dB]")
        axes.set_title(f"{blur}: how far one has to see", loc="left", fontweight="bold")
        figure.legend(loc="outside right upper")
        told = ", ".join(_told(row, "psnr") for row in filters)
        beside = ", ".join(f"{one['name']} ({one['size']:g} px) {one['psnr']:.2f}" for one in networks)
        alt = f"PSNR in dB of the best linear filter by its side: {told}. Networks: {beside or 'none'}."
        if "real_psnr" in filters[0]:
            alt += f" With a real border: {', '.join(_told(row, 'real_psnr') for row in filters)}."
        return picture(figure, file, f"{blur}: the best linear filters", alt, CAPTION)


def _told(row: Mapping[str, Any], key: str) -> str:
    return f"{row['size']:g} px {row[key]:.2f}"
