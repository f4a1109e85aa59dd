"""Validation curves: a panel for each blur and network, a line for each setting."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from deblur.files import safe_name
from deblur.metrics import PSNR, MetricInfo, info_of
from deblur.reporting.configurations import SAME_INPUT, Configuration, Table, Values
from deblur.reporting.figure_files import GRAY, FigureFile, LineStyle, figure_file, line_styles, styled
from deblur.reporting.results import Run, infos_of

VALIDATION = "val/"
NO_METRICS = ("val/loss", "val/gain")
PANEL = (3.1, 1.9)  # [inch]
LEAST_WIDTH = 5.5  # [inch], which a legend needs
MANY_EPOCHS = 25  # from here on not every epoch gets a marker
BAND = 0.2  # opacity
FACTOR_OF_FEW = 8.0  # between the ends of a logarithmic axis, below which its ticks are evenly spaced numbers


def curves(table: Table) -> list[FigureFile]:
    """Return the panels of each validation metric, the PSNR first; none if no epoch is finished."""
    runs = [
        run
        for test_setting in table.test_settings
        for configuration in test_setting.configurations
        for run in configuration.runs
    ]
    known = {info.name: info for info in infos_of(runs)}
    measured = {
        key.removeprefix(VALIDATION)
        for run in runs
        for row in run.history
        for key, value in row.items()
        if key.startswith(VALIDATION) and key not in NO_METRICS and np.isfinite(value)
    }
    names = sorted(measured, key=lambda name: (name != PSNR.info.name, name))
    return [_panels(table, known.get(name) or info_of(name)) for name in names]


def _panels(table: Table, info: MetricInfo) -> FigureFile:
    is_psnr, is_logarithmic = info == PSNR.info, _is_logarithmic(table, info)
    what = f"Validation {info.label}"
    looks = line_styles(table.hyperparameter_labels)
    rows, columns = len(table.test_settings), len(table.models)
    with styled():
        width, height = max(LEAST_WIDTH, PANEL[0] * columns + 0.6), PANEL[1] * rows + 0.9
        figure = Figure(figsize=(width, height), layout="constrained")
        grid = figure.subplots(rows, columns, sharex=True, sharey="row", squeeze=False)
        told = []
        for test_setting, line in zip(table.test_settings, grid, strict=True):
            for model, axes in zip(table.models, line, strict=True):
                configurations = [
                    configuration for configuration in test_setting.configurations if configuration.model == model
                ]
                told.append(_draw(axes, configurations, info, looks, f"{test_setting.label}, {model}"))
                if is_logarithmic:
                    axes.set_yscale("log")
            if is_logarithmic:
                _log_ticks(line[0])
        for axes, model in zip(grid[0], table.models, strict=True):
            axes.set_title(model, fontweight="bold")
        for axes, test_setting in zip(grid[:, 0], table.test_settings, strict=True):
            axes.set_ylabel(f"{test_setting.label}\n{info.quantity}")
        for axes in grid[-1]:
            axes.set_xlabel("epoch")
        _legend(figure, looks, has_input=is_psnr)
        return figure_file(
            figure,
            f"curves_{safe_name(info.name)}.png",
            f"{what} over the epochs",
            f"{what} at the last epoch. {' '.join(filter(None, told))}",
            _caption(table, is_psnr, is_logarithmic),
        )


def _is_logarithmic(table: Table, info: MetricInfo) -> bool:
    """Return whether the metric is an error, all values of which are above 0."""
    values = [
        value
        for test_setting in table.test_settings
        for configuration in test_setting.configurations
        for one in _series(configuration, f"{VALIDATION}{info.name}")
        for value in one.values()
    ]
    return not info.higher_is_better and min(values) > 0


def _caption(table: Table, is_psnr: bool, is_logarithmic: bool) -> str:
    text = "Rows are blurs, columns networks; the panels of a row share their axes."
    if is_psnr:
        text += " The dashed gray line is the blurred input."
    if is_logarithmic:
        text += " The scale is logarithmic."
    if any(
        len(configuration.runs) > 1
        for test_setting in table.test_settings
        for configuration in test_setting.configurations
    ):
        text += " Lines are means over the seeds, bands reach from the lowest to the highest seed."
    return text


def _draw(
    axes: Axes, configurations: Sequence[Configuration], info: MetricInfo, looks: dict[str, LineStyle], place: str
) -> str:
    """Draw the lines of a panel and return its numbers in words."""
    told = []
    for configuration in configurations:
        series = _series(configuration, f"{VALIDATION}{info.name}")
        if not series:
            continue
        epochs, values = _aligned(series)
        look = looks[configuration.hyperparameters]
        mean = np.nanmean(values, axis=0)
        every = max(1, -(-len(epochs) // MANY_EPOCHS))
        style: dict[str, Any] = {"color": look.color, "linestyle": look.line, "marker": look.marker}
        axes.plot(epochs, mean, markersize=3.5, linewidth=1.4, markevery=every, **style)
        if len(series) > 1:
            low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
            axes.fill_between(epochs, low, high, color=look.color, alpha=BAND, linewidth=0)
        told.append(f"{configuration.hyperparameters or 'restored'} {mean[-1]:{info.digits}}")
    if info == PSNR.info:
        level = _input_level([run for configuration in configurations for run in configuration.runs])
        if level is not None:
            axes.axhline(level, color=GRAY, linestyle=(0, (4, 3)), linewidth=1.1)
            told.append(f"blurred input {level:.2f}")
    if not told:
        axes.text(0.5, 0.5, "no epoch finished", transform=axes.transAxes, ha="center", va="center", color=GRAY)
        return ""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))
    return f"{place}: {', '.join(told)}."


def _log_ticks(axes: Axes) -> None:
    """Label the shared axis of a row: a logarithmic one has no labels of its own within a power of ten."""
    low, high = axes.get_ylim()
    few = MaxNLocator(nbins=5, steps=[1, 2, 5, 10])
    axes.yaxis.set_major_locator(few if high / low < FACTOR_OF_FEW else LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _series(configuration: Configuration, key: str) -> list[dict[int, float]]:
    """Return the epochs of each run where the key is a number."""
    found = [
        {int(row["epoch"]): row[key] for row in run.history if np.isfinite(row.get(key, np.nan))}
        for run in configuration.runs
    ]
    return [one for one in found if one]


def _aligned(series: Sequence[dict[int, float]]) -> tuple[list[int], Values]:
    epochs = sorted({epoch for one in series for epoch in one})
    return epochs, np.array([[one.get(epoch, np.nan) for epoch in epochs] for one in series])


def _input_level(runs: Sequence[Run]) -> float | None:
    """Return the PSNR of the blurred validation images, which is the same in every epoch; None where runs differ."""
    each = ([row.get("val/psnr", np.nan) - row.get("val/gain", np.nan) for row in run.history] for run in runs)
    known = [finite[0] for levels in each if (finite := [level for level in levels if np.isfinite(level)])]
    return float(known[0]) if known and max(known) - min(known) <= SAME_INPUT else None


def _legend(figure: Figure, looks: dict[str, LineStyle], has_input: bool) -> None:
    lines = [
        Line2D([], [], color=look.color, linestyle=look.line, marker=look.marker, markersize=3.5, label=label)
        for label, look in looks.items()
        if label
    ]
    if has_input:
        lines.append(Line2D([], [], color=GRAY, linestyle=(0, (4, 3)), label="blurred input"))
    if lines:
        columns = max(1, int(figure.get_size_inches()[0] // 1.8))
        figure.legend(handles=lines, loc="outside upper center", ncols=min(len(lines), columns), frameon=False)
