"""Heat maps of gains: of all configurations, and of networks on blurs that they were not trained on."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from deblur.reading import MissingFile, damaged, read_csv
from deblur.reporting.configurations import Configuration, Table, Values
from deblur.reporting.figures import GRAY, FigureFile, figure_file, styled
from deblur.reporting.tables import NOTHING
from deblur.runs.conditions import IMAGE_ITEMS, condition_sentences
from deblur.text import one_line

COLORS = "cividis"
DEGRADED_BELOW = "#F3C3B0"  # under the cells that are worse than their input
DEGRADED_NUMBER = "#7F2704"  # the numbers in them: a contrast of 6
UNKNOWN = "#F4F4F4"
CELL = (1.05, 0.5)  # [inch]
MATRIX_CELL = (0.82, 0.42)  # [inch]
LETTER = 0.075  # width of a letter [inch]
MATRIX_FILE = "matrix.csv"  # which `python -m deblur.evaluate sweep=NAME matrix=true` writes
NEEDED = ("network", "trained_on", "family", "condition", "gain", "degraded")
CURE = "measure again with python -m deblur.evaluate sweep=NAME matrix=true, or delete the file"
MATRIX_CAPTION = (
    "PSNR of the restored minus that of the blurred test images [dB], for the best network of each blur. Strengths are "
    "half, once and twice that of the training; noise in gray levels of 255. Hatched: worse than the input."
)

Column = tuple[str, str]
Row = Mapping[str, str]


def heatmap(table: Table) -> list[FigureFile]:
    """Return the heat map of gains, blurs in rows, networks and settings in columns; none if no run is done."""
    found = {
        (row, (configuration.model, configuration.hyperparameters)): configuration
        for row, test_setting in enumerate(table.test_settings)
        for configuration in test_setting.configurations
    }
    known = {column for _, column in found}
    columns = [
        column for model in table.models for label in table.hyperparameter_labels if (column := (model, label)) in known
    ]
    gains = np.full((len(table.test_settings), len(columns)), np.nan)
    for (row, column), configuration in found.items():
        gain = configuration.mean("gain")
        gains[row, columns.index(column)] = np.nan if gain is None else gain
    if not np.isfinite(gains).any():
        return []
    best = [int(np.nanargmax(line)) if np.isfinite(line).any() else None for line in gains]
    gains = _as_shown(gains, 2)
    with styled():
        figure, axes = _axes([test_setting.heading for test_setting in table.test_settings], columns)
        paint(axes, gains, float(np.nanmax(gains)))
        for (row, place), gain in np.ndenumerate(gains):
            _write(axes, found.get((row, columns[place])), float(gain), (row, place), best[row] == place)
        alt = " ".join(_words(one.heading, line, columns) for one, line in zip(table.test_settings, gains, strict=True))
        caption = "PSNR of the restored minus that of the blurred test images. A star and a box mark the best of a row."
        if (gains < 0).any():
            caption += " Hatched: worse than the blurred input."
        return [figure_file(figure, "gains.png", "Gain over the blurred input", f"Gains in dB. {alt}", caption)]


def _as_shown(gains: Values, digits: int) -> Values:
    """Return gains rounded to the digits that a cell shows, without a negative zero."""
    return np.asarray(np.round(gains, digits) + 0.0, np.float64)


def _axes(labels: Sequence[str], columns: Sequence[Column]) -> tuple[Figure, Axes]:
    longest = max(len(text) for column in columns for text in column)
    is_turned = len(columns) > 4 and longest * LETTER > CELL[0]
    across = CELL[0] if is_turned else max(CELL[0], longest * LETTER + 0.1)
    left = max(map(len, labels)) * LETTER
    over = 0.6 if not is_turned else 0.3 + longest * LETTER * 0.75
    size = (across * len(columns) + left + 0.5, CELL[1] * len(labels) + over)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.tick_params(top=False, labeltop=True, bottom=False, labelbottom=False)
    names = ["\n".join(filter(None, column)) for column in columns]
    turned: dict[str, Any] = {"rotation": 40, "ha": "left", "rotation_mode": "anchor"} if is_turned else {}
    axes.set_xticks(range(len(columns)), names, **turned)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    return figure, axes


def paint(axes: Axes, gains: Values, highest: float) -> None:
    """Color a grid of gains from 0 to the highest, with degradation hatched and unknown values pale.

    Args:
        axes: with nothing in it.
        gains: (rows, columns) [dB], nan if unknown.
        highest: the gain of the brightest color [dB].
    """
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    positive = np.ma.masked_where(~(gains >= 0), gains)
    axes.imshow(positive, cmap=COLORS, norm=Normalize(0, max(highest, 0.1)), aspect="auto", interpolation="nearest")
    hatched: dict[str, Any] = {"facecolor": DEGRADED_BELOW, "edgecolor": "white", "hatch": "///", "linewidth": 0}
    for row, column in np.argwhere(gains < 0):
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **hatched))
    for row, column in np.argwhere(~np.isfinite(gains)):
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=UNKNOWN, linewidth=0))
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


def write_number(axes: Axes, place: tuple[int, int], gain: float, text: str, *, is_bold: bool = False) -> str:
    """Write a text into the cell of a gain [dB] in a painted grid, and return its color, which is legible there."""
    color = DEGRADED_NUMBER
    if gain >= 0:
        red, green, blue, _ = axes.images[0].to_rgba(np.array([[gain]]))[0, 0]
        color = "white" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5 else "black"
    # No hatches behind the number.
    ground = {"facecolor": DEGRADED_BELOW, "edgecolor": "none", "pad": 1.5} if gain < 0 else None
    weight = "bold" if is_bold else "normal"
    axes.text(place[1], place[0], text, ha="center", va="center", color=color, fontweight=weight, bbox=ground)
    return color


def _words(label: str, gains: Values, columns: Sequence[Column]) -> str:
    numbers = [
        f"{' '.join(filter(None, column))} {gain:+.2f}"
        for column, gain in zip(columns, gains, strict=True)
        if np.isfinite(gain)
    ]
    return f"{label}: {', '.join(numbers) or 'no run is done'}."


def read_matrix(sweep: Path) -> list[Row]:
    """Read the cross-degradation matrix of a sweep; nothing if there is none.

    Raises:
        UnusableFile: for a file that cannot be read, or is damaged.
    """
    path = sweep / MATRIX_FILE
    try:
        rows: list[Row] = [*read_csv(path, needed=NEEDED, cure=CURE)]
    except MissingFile:
        return []
    if not rows:
        raise damaged(path, "it lacks gains", CURE)
    if any(row["gain"] and not math.isfinite(_gain(row)) for row in rows):
        raise damaged(path, "a gain in it is no number", CURE)
    return [{key: one_line(value) for key, value in row.items()} for row in rows]


def _gain(row: Row) -> float:
    """Return a mean gain [dB]; nan if there is none, or it is no number."""
    try:
        return float(row["gain"])
    except ValueError:
        return math.nan


def matrices_of(sweep: Path, file: str, name: str | None = None) -> list[FigureFile]:
    """Return the figure of a sweep's cross-degradation matrix; see `read_matrix` and `matrix`."""
    rows = read_matrix(sweep)
    return [matrix(rows, file, name)] if rows else []


def matrix(rows: Sequence[Row], file: str, sweep: str | None = None) -> FigureFile:
    """Return the gains of each network under each condition, a panel for each family of blurs.

    Args:
        rows: of the table, at least one.
        file: the name of the figure's file.
        sweep: whose networks they are, if the page shows several.
    """
    trained = list(dict.fromkeys(row["trained_on"] for row in rows))
    families = list(dict.fromkeys(row["family"] for row in rows))
    conditions_of = {
        family: list(dict.fromkeys(row["condition"] for row in rows if row["family"] == family)) for family in families
    }
    longest = max(len(row["condition"]) for row in rows)
    is_turned = longest * LETTER > MATRIX_CELL[0] + LETTER  # conditions that need several settings
    turned: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if is_turned else {}
    below = 0.65 * longest * LETTER if is_turned else 0.0
    alts = []
    with styled():
        width = MATRIX_CELL[0] * max(map(len, conditions_of.values())) + 1.6
        height = (MATRIX_CELL[1] * len(trained) + 0.75 + below) * len(families)
        figure = Figure(figsize=(width, height), layout="constrained")
        panels = figure.subplots(len(families), squeeze=False)[:, 0]
        for axes, (family, conditions) in zip(panels, conditions_of.items(), strict=True):
            gains = np.full((len(trained), len(conditions)), np.nan)
            for row in rows:
                if row["family"] == family:
                    gains[trained.index(row["trained_on"]), conditions.index(row["condition"])] = _gain(row)
            gains = _as_shown(gains, 1)
            paint(axes, gains, highest=float(np.nanmax([0.0, *map(_gain, rows)])))
            for (line, column), gain in np.ndenumerate(gains):
                if np.isfinite(gain):
                    write_number(axes, (line, column), float(gain), f"{gain:+.1f}")
            axes.set_xticks(range(len(conditions)), conditions, **turned)
            axes.set_yticks(range(len(trained)), [f"trained on {blur}" for blur in trained])
            axes.set_title(f"tested on {family}", loc="left", fontweight="bold")
            for blur, line in zip(trained, gains, strict=True):
                known = ((name, gain) for name, gain in zip(conditions, line, strict=True) if np.isfinite(gain))
                numbers = ", ".join(f"{name} {gain:+.1f}" for name, gain in known)
                alts.append(f"trained on {blur}, tested on {family}: {numbers}")
        items = [item for item in IMAGE_ITEMS if item != "images"]  # a row has their number
        tests = condition_sentences([{item: row[item] for item in items if row.get(item)} for row in rows])
        caption = " ".join([MATRIX_CAPTION, *tests])
        title = "Cross-degradation matrix" if sweep is None else f"Cross-degradation matrix of sweep {sweep}"
        return figure_file(figure, file, title, f"Gains in dB. {'; '.join(alts)}.", caption)
