"""The gains of all cells as a heat map."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from deblur.reporting.configurations import Configuration, Table, Values
from deblur.reporting.figure_files import GRAY, FigureFile, figure_file, styled
from deblur.reporting.tables import NOTHING

COLORS = "cividis"
DEGRADED_BELOW = "#F3C3B0"  # under the cells that are worse than their input
DEGRADED_EDGE = "#A63603"
CONFIGURATION = (1.05, 0.5)  # [inch]
LETTER = 0.075  # width of a letter [inch]


def heatmap(table: Table) -> FigureFile | None:
    """Return the heat map, blurs in rows, networks and settings in columns; None where no run is done."""
    columns = [
        (model, hyperparameters)
        for model in table.models
        for hyperparameters in table.hyperparameter_labels
        if any(
            (configuration.model, configuration.hyperparameters) == (model, hyperparameters)
            for test_setting in table.test_settings
            for configuration in test_setting.configurations
        )
    ]
    found = {
        (row, (configuration.model, configuration.hyperparameters)): configuration
        for row, test_setting in enumerate(table.test_settings)
        for configuration in test_setting.configurations
    }
    gains = np.full((len(table.test_settings), len(columns)), np.nan)
    for (row, place), configuration in found.items():
        gain = configuration.mean("gain")
        gains[row, columns.index(place)] = np.nan if gain is None else gain
    if not np.isfinite(gains).any():
        return None
    with styled():
        figure, axes = _axes(table, columns)
        best = [int(np.nanargmax(line)) if np.isfinite(line).any() else None for line in gains]
        paint(axes, gains, float(np.nanmax(gains)))
        for row in range(len(table.test_settings)):
            for column, place in enumerate(columns):
                _write(axes, found.get((row, place)), float(gains[row, column]), (row, column), best[row] == column)
        alt = " ".join(_words(table.test_settings[row].label, gains[row], columns) for row in range(len(gains)))
        caption = (
            "PSNR of the restored minus that of the blurred test images. The best of each row has a star and a frame."
        )
        if (gains < 0).any():
            caption += " Hatched: worse than the blurred input."
        return figure_file(figure, "gains.png", "Gain over the blurred input", f"Gains in dB. {alt}", caption)


def _axes(table: Table, columns: list[tuple[str, str]]) -> tuple[Figure, Axes]:
    longest = max(len(text) for column in columns for text in column)
    is_turned = len(columns) > 4 and longest * LETTER > CONFIGURATION[0]
    across = CONFIGURATION[0] if is_turned else max(CONFIGURATION[0], longest * LETTER + 0.1)
    label = max(len(test_setting.label) for test_setting in table.test_settings) * LETTER
    over = 0.6 if not is_turned else 0.3 + longest * LETTER * 0.75
    size = (across * len(columns) + label + 0.5, CONFIGURATION[1] * len(table.test_settings) + over)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.grid(visible=False)
    axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    names = ["\n".join(filter(None, column)) for column in columns]
    turned: dict[str, Any] = {"rotation": 40, "ha": "left", "rotation_mode": "anchor"} if is_turned else {}
    axes.set_xticks(range(len(columns)), names, **turned)
    axes.set_yticks(range(len(table.test_settings)), [test_setting.label for test_setting in table.test_settings])
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(table.test_settings) - 0.5, -0.5)
    return figure, axes


def paint(axes: Axes, gains: Values, highest: float) -> None:
    """Color a grid of gains: from 0 to the highest, degradation hatched, unknown values pale.

    Args:
        axes: with nothing in it.
        gains: (rows, columns) [dB], nan where unknown.
        highest: the gain of the brightest color [dB].
    """
    helping = np.ma.masked_where(~(gains >= 0), gains)
    axes.imshow(helping, cmap=COLORS, norm=Normalize(0, max(highest, 0.1)), aspect="auto", interpolation="nearest")
    for row, column in np.argwhere(gains < 0):
        axes.add_patch(
            Rectangle(
                (column - 0.5, row - 0.5), 1, 1, facecolor=DEGRADED_BELOW, edgecolor="white", hatch="///", linewidth=0
            )
        )
    for row, column in np.argwhere(~np.isfinite(gains)):
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor="#F4F4F4", linewidth=0))
    for edge in np.arange(gains.shape[1] + 1) - 0.5:
        axes.axvline(edge, color="white", linewidth=1.5)
    for edge in np.arange(gains.shape[0] + 1) - 0.5:
        axes.axhline(edge, color="white", linewidth=1.5)


def _write(axes: Axes, configuration: Configuration | None, gain: float, place: tuple[int, int], is_best: bool) -> None:
    row, column = place
    if not np.isfinite(gain):
        state = NOTHING if configuration is None or configuration.done else configuration.runs[0].state
        axes.text(column, row, state, ha="center", va="center", color=GRAY, fontsize=8)
        return
    color = write_number(axes, place, gain, f"{gain:+.2f} ★" if is_best else f"{gain:+.2f}", is_bold=is_best)
    if is_best:
        axes.add_patch(Rectangle((column - 0.44, row - 0.42), 0.88, 0.84, fill=False, edgecolor=color, linewidth=1.4))


def write_number(axes: Axes, place: tuple[int, int], gain: float, text: str, is_bold: bool = False) -> str:
    """Write into a cell of a painted grid, in a color that is seen there.

    Args:
        axes: which `paint` has painted.
        place: row and column.
        gain: of the cell [dB].
        text: what to write.
        is_bold: whether it stands out.

    Returns:
        The color.
    """
    color = DEGRADED_EDGE
    if gain >= 0:
        red, green, blue, _ = axes.images[0].to_rgba(np.array([[gain]]))[0, 0]
        color = "white" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5 else "black"
    ground = (
        {"facecolor": DEGRADED_BELOW, "edgecolor": "none", "pad": 1.5} if gain < 0 else None
    )  # no hatches behind the number
    weight = "bold" if is_bold else "normal"
    axes.text(place[1], place[0], text, ha="center", va="center", color=color, fontweight=weight, bbox=ground)
    return color


def _words(label: str, gains: Values, columns: list[tuple[str, str]]) -> str:
    told = [
        f"{' '.join(filter(None, column))} {gain:+.2f}"
        for column, gain in zip(columns, gains, strict=True)
        if np.isfinite(gain)
    ]
    return f"{label}: {', '.join(told) or 'no run is done'}."
