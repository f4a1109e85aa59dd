"""The best linear filters of all sizes beside networks, as a figure."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from deblur.reading import MissingFile, damaged, read_csv
from deblur.reporting.configurations import TestSetting
from deblur.reporting.figure_files import COLORS, GRAY, MARKERS, FigureFile, figure_file, styled

FILTERS_FILE = "filters.csv"  # which `python -m deblur.evaluate sweep=NAME optimal_linear=true` writes
NUMBERS = ("size", "psnr", "input_psnr", "gain")
NUMBERS_OF_VALID_BOUNDARY = ("valid_psnr", "valid_input_psnr", "valid_gain")  # beside a symmetric one
SIZE = (6.4, 3.6)  # [inch]
CURE = "measure again with python -m deblur.evaluate sweep=NAME optimal_linear=true, or delete the file"
CAPTION = (
    "The best linear filter of each size was fitted to the training images, and measured on the test images as the "
    "networks are. A network that sees as far and lies above the line makes use of being nonlinear. With a valid "
    "boundary "
    "the scene goes on past the frame, and a filter cannot rely on the mirror image beyond it."
)

Filters = list[dict[str, float]]


def read_filters(sweep: Path) -> dict[str, Filters]:
    """Read what `optimal_linear=true` measured in a sweep, by the name of a run on the same images.

    Raises:
        UnusableFile: for a file that cannot be read, or is damaged.
    """
    path = sweep / FILTERS_FILE
    found: dict[str, Filters] = {}
    try:
        for row in read_csv(path, needed=("run", *NUMBERS), cure=CURE):
            keys = [*NUMBERS, *(key for key in NUMBERS_OF_VALID_BOUNDARY if row.get(key))]
            numbers = {key: float(row[key]) for key in keys}
            if not all(map(math.isfinite, numbers.values())):
                raise ValueError("a number is not finite")
            found.setdefault(row["run"], []).append(numbers)
    except MissingFile:
        return {}
    except ValueError as error:
        raise damaged(path, str(error), CURE) from error
    return found


def filter_figures(sweep: Path, test_settings: Sequence[TestSetting]) -> list[FigureFile]:
    """Return a figure for each test setting of a sweep whose linear filters have been measured."""
    figures: list[FigureFile] = []
    for name, filters in read_filters(sweep).items():
        test_setting = next(
            (
                one
                for one in test_settings
                for configuration in one.done
                for run in configuration.done
                if run.name == name
            ),
            None,
        )
        if test_setting is None:
            continue
        networks = [
            {"name": configuration.name, "size": size, "psnr": psnr}
            for configuration in test_setting.done
            if not configuration.is_wiener_guided
            and (size := configuration.average("model.receptive_field")) is not None
            and (psnr := configuration.mean("psnr")) is not None
        ]
        slug = re.sub(r"[^A-Za-z0-9._-]+", "_", sweep.name)
        file = f"filters_{slug}_{len(figures) + 1}.png"
        figures.append(filter_figure(filters, networks, test_setting.label, file))
    return figures


def filter_figure(
    filters: Sequence[Mapping[str, Any]], networks: Sequence[Mapping[str, Any]], blur: str, file: str
) -> FigureFile:
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
        axes.plot(sizes, [row["psnr"] for row in filters], color=COLORS[0], marker=".", label="best linear filter")
        if "valid_psnr" in filters[0]:
            level = [row["valid_psnr"] for row in filters]
            axes.plot(sizes, level, color=COLORS[0], linestyle=":", marker=".", label="the same, valid boundary")
        axes.axhline(filters[0]["input_psnr"], color=GRAY, linestyle="--", linewidth=1, label="blurred input")
        for number, one in enumerate(networks, 1):
            turn = number // len(COLORS)  # with more networks than colors, a color comes back with another marker
            color, marker = COLORS[number % len(COLORS)], MARKERS[(number + turn) % len(MARKERS)]
            axes.plot(one["size"], one["psnr"], linestyle="none", color=color, marker=marker, label=one["name"])
        axes.set_xlabel("side of the filter, receptive field of a network [px]")
        axes.set_ylabel("PSNR [dB]")
        axes.set_title(f"{blur}: how far one has to see", loc="left", fontweight="bold")
        figure.legend(loc="outside right upper")
        told = ", ".join(_told(row, "psnr") for row in filters)
        beside = ", ".join(f"{one['name']} ({one['size']:g} px) {one['psnr']:.2f}" for one in networks)
        alt = f"PSNR in dB of the best linear filter by its side: {told}. Networks: {beside or 'none'}."
        if "valid_psnr" in filters[0]:
            alt += f" With a valid boundary: {', '.join(_told(row, 'valid_psnr') for row in filters)}."
        return figure_file(figure, file, f"{blur}: the best linear filters", alt, CAPTION)


def _told(row: Mapping[str, Any], key: str) -> str:
    return f"{row['size']:g} px {row[key]:.2f}"
