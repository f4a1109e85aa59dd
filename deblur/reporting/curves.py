"""Curves over the epochs, of losses and validation metrics: a panel for each blur and network, lines for settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from deblur.files import safe_name
from deblur.metrics import PSNR, MetricInfo, info_of
from deblur.reporting.configurations import SAME_INPUT, Configuration, Table
from deblur.reporting.figures import GRAY, FigureFile, LineStyle, figure_file, line_styles, styled
from deblur.reporting.results import Run, infos_of

VALIDATION = "val/"
NO_METRICS = ("val/loss", "val/gain")
PANEL = (3.1, 1.9)  # [inch]
LEAST_WIDTH = 5.5  # [inch], which a legend needs
MANY_EPOCHS = 25  # from here on not every epoch gets a marker
BAND = 0.2  # opacity
FACTOR_OF_FEW = 8.0  # between the ends of a logarithmic axis, below which its ticks are evenly spaced numbers
INPUT_LINE = (0, (4, 3))
LETTERS = 26  # in a line of a blur's name
LOSSES = {"train/loss": "training", "val/loss": "validation"}
LOSS_DIGITS = ".4g"
HOLLOW: Mapping[str, Any] = {"markerfacecolor": "white", "linewidth": 0.9}  # how the training loss differs
FILLED: Mapping[str, Any] = {"linewidth": 1.4}
LOSS_CAPTION = (
    "Filled markers: loss on the whole validation images, after the epoch. Hollow markers: mean loss on the patches of "
    "the epoch, while the weights change."
)


@dataclass(frozen=True)
class _Quantity:
    """What a figure shows over the epochs."""

    name: str  # a part of the file's name
    title: str
    axis: str
    digits: str
    columns: Mapping[str, str]  # of history.csv, with a word for each if there are several
    may_be_logarithmic: bool
    has_input: bool = False
    caption: str = ""


def curves(table: Table) -> list[FigureFile]:
    """Return the panels of the validation PSNR, the losses and other metrics; none if no epoch is finished."""
    known = {info.name: info for info in infos_of(table.runs)}
    measured = {
        key.removeprefix(VALIDATION)
        for run in table.runs
        for row in run.history
        for key, value in row.items()
        if key.startswith(VALIDATION) and key not in NO_METRICS and np.isfinite(value)
    }
    names = sorted(measured, key=lambda name: (name != PSNR.info.name, name))
    shown = [_validated(known.get(name) or info_of(name)) for name in names]
    losses = _losses(table)
    if any(_series(configuration, "train/loss") for configuration in table.configurations):
        shown.insert(1 if PSNR.info.name in measured else 0, losses)
    return [_panels(table, quantity) for quantity in shown]


def _validated(info: MetricInfo) -> _Quantity:
    column, title = f"{VALIDATION}{info.name}", f"Validation {info.label}"
    is_psnr = info == PSNR.info
    return _Quantity(info.name, title, info.quantity, info.digits, {column: ""}, not info.higher_is_better, is_psnr)


def _losses(table: Table) -> _Quantity:
    """Return the training and the validation loss, with the name of the loss if all runs have the same."""
    kinds = {str(run.config["loss"]) for run in table.runs if run.config.get("loss")}
    axis = f"loss ({kinds.pop()})" if len(kinds) == 1 else "loss"
    caption = f"{LOSS_CAPTION} Values of different losses cannot be compared." if kinds else LOSS_CAPTION
    return _Quantity("loss", "Training and validation loss", axis, LOSS_DIGITS, LOSSES, True, caption=caption)


def _panels(table: Table, shown: _Quantity) -> FigureFile:
    series = (_series(configuration, column) for configuration in table.configurations for column in shown.columns)
    lowest = min(value for each in series for one in each for value in one.values())
    is_logarithmic = shown.may_be_logarithmic and lowest > 0
    styles = line_styles(table.hyperparameter_labels)
    rows, columns = len(table.test_settings), len(table.models)
    with styled():
        width, height = max(LEAST_WIDTH, PANEL[0] * columns + 0.6), PANEL[1] * rows + 0.9
        figure = Figure(figsize=(width, height), layout="constrained")
        grid = figure.subplots(rows, columns, sharex=True, sharey="row", squeeze=False)
        alts = []
        for test_setting, line in zip(table.test_settings, grid, strict=True):
            for model, axes in zip(table.models, line, strict=True):
                configurations = [one for one in test_setting.configurations if one.model == model]
                numbers = _draw(axes, configurations, shown, styles)
                if numbers:
                    alts.append(f"{test_setting.heading}, {model}: {', '.join(numbers)}.")
                if is_logarithmic:
                    axes.set_yscale("log")
            if is_logarithmic:
                _log_ticks(line[0])
            line[0].set_ylabel(f"{fill(test_setting.heading, LETTERS)}\n{shown.axis}")
        for axes, model in zip(grid[0], table.models, strict=True):
            axes.set_title(model, fontweight="bold")
        for axes in grid[-1]:
            axes.set_xlabel("epoch")
        _legend(figure, styles, shown)
        caption = "Rows are blurs, columns networks; the panels of a row share their axes."
        if shown.caption:
            caption += f" {shown.caption}"
        if shown.has_input:
            caption += " The dashed gray line is the blurred input."
        if is_logarithmic:
            caption += " The scale is logarithmic."
        if any(len(configuration.runs) > 1 for configuration in table.configurations):
            repeated = "folds" if any(one.folds is not None for one in table.configurations) else "seeds"
            extremes = f"from the lowest to the highest {repeated.removesuffix('s')}"
            caption += f" Lines are means over the {repeated}, bands reach {extremes}."
        alt = f"{shown.title} at the last epoch. {' '.join(alts)}"
        file = f"curves_{safe_name(shown.name)}.png"
        return figure_file(figure, file, f"{shown.title} over the epochs", alt, caption)


def _draw(
    axes: Axes, configurations: Sequence[Configuration], shown: _Quantity, styles: Mapping[str, LineStyle]
) -> list[str]:
    """Draw the lines of a panel and return its numbers in words."""
    numbers = []
    for configuration in configurations:
        ends = []
        for column, word in shown.columns.items():
            last = _line(axes, _series(configuration, column), styles[configuration.hyperparameters], _looks(column))
            if last is not None:
                ends.append(f"{word} {last:{shown.digits}}".lstrip())
        if ends:
            named = configuration.hyperparameters or ("" if len(shown.columns) > 1 else "restored")
            numbers.append(f"{named} {', '.join(ends)}".lstrip())
    level = _input_level([run for configuration in configurations for run in configuration.runs])
    if shown.has_input and level is not None:
        axes.axhline(level, color=GRAY, linestyle=INPUT_LINE, linewidth=1.1)
        numbers.append(f"blurred input {level:.2f}")
    if numbers:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
    else:
        axes.text(0.5, 0.5, "no epoch finished", transform=axes.transAxes, ha="center", va="center", color=GRAY)
    return numbers


def _line(
    axes: Axes, series: Sequence[Mapping[int, float]], style: LineStyle, looks: Mapping[str, Any]
) -> float | None:
    """Draw the mean over the seeds, and the band between them; return the last mean, None if there is nothing."""
    if not series:
        return None
    epochs = sorted({epoch for one in series for epoch in one})
    values = np.array([[one.get(epoch, np.nan) for epoch in epochs] for one in series])
    mean = np.nanmean(values, axis=0)
    every = max(1, -(-len(epochs) // MANY_EPOCHS))
    drawn: dict[str, Any] = {"color": style.color, "linestyle": style.line, "marker": style.marker}
    axes.plot(epochs, mean, markersize=3.5, markevery=every, **drawn, **looks)
    if len(series) > 1:
        low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        axes.fill_between(epochs, low, high, color=style.color, alpha=BAND, linewidth=0)
    return float(mean[-1])


def _looks(column: str) -> Mapping[str, Any]:
    return FILLED if column.startswith(VALIDATION) else HOLLOW


def _log_ticks(axes: Axes) -> None:
    """Label the shared axis of a row; a logarithmic one has no labels of its own within a power of ten."""
    low, high = axes.get_ylim()
    few = MaxNLocator(nbins=5, steps=[1, 2, 5, 10])
    axes.yaxis.set_major_locator(few if high / low < FACTOR_OF_FEW else LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _series(configuration: Configuration, column: str) -> list[dict[int, float]]:
    """Return the finite values of each run that has some, by epoch."""
    found = [
        {int(row["epoch"]): row[column] for row in run.history if np.isfinite(row.get(column, np.nan))}
        for run in configuration.runs
    ]
    return [one for one in found if one]


def _input_level(runs: Sequence[Run]) -> float | None:
    """Return the PSNR of the blurred validation images, which is the same in every epoch; None if runs differ."""
    each = ([row.get("val/psnr", np.nan) - row.get("val/gain", np.nan) for row in run.history] for run in runs)
    known = [finite[0] for levels in each if (finite := [level for level in levels if np.isfinite(level)])]
    return float(known[0]) if known and max(known) - min(known) <= SAME_INPUT else None


def _legend(figure: Figure, styles: Mapping[str, LineStyle], shown: _Quantity) -> None:
    lines = [
        Line2D([], [], color=color, linestyle=line, marker=marker, markersize=3.5, label=label)
        for label, (color, line, marker) in styles.items()
        if label
    ]
    if len(shown.columns) > 1:
        lines += [
            Line2D([], [], color=GRAY, marker="o", markersize=3.5, label=word, **_looks(column))
            for column, word in shown.columns.items()
        ]
    if shown.has_input:
        lines.append(Line2D([], [], color=GRAY, linestyle=INPUT_LINE, label="blurred input"))
    if lines:
        columns = max(1, int(figure.get_size_inches()[0] // 1.8))
        figure.legend(handles=lines, loc="outside upper center", ncols=min(len(lines), columns), frameon=False)
