"""Networks on blurs that they were not trained on, as a heat map."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from deblur.reading import MissingFile, damaged, read_csv
from deblur.reporting.figure_files import FigureFile, figure_file, styled
from deblur.reporting.heatmap import LETTER, paint, write_number
from deblur.runs.conditions import IMAGE_ITEMS, condition_sentences
from deblur.text import one_line

MATRIX_FILE = "matrix.csv"  # which `python -m deblur.evaluate sweep=NAME matrix=true` writes
NEEDED = ("network", "trained_on", "family", "condition", "gain", "degraded")
CONFIGURATION = (0.82, 0.42)  # [inch]
CURE = "measure again with python -m deblur.evaluate sweep=NAME matrix=true, or delete the file"

Row = Mapping[str, str]


def read_matrix(sweep: Path) -> list[Row]:
    """Read what `matrix=true` measured in a sweep; nothing where it has not been asked for.

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
    clean: list[Row] = [{key: one_line(value) for key, value in row.items()} for row in rows]
    try:
        for row in clean:
            _gain(row)
    except ValueError:
        raise damaged(path, "a gain in it is no number", CURE) from None
    return clean


def _gain(row: Row) -> float:
    """Return a mean gain [dB]; nan if there is none.

    Raises:
        ValueError: for anything else than a finite number.
    """
    if not row["gain"]:
        return math.nan
    gain = float(row["gain"])
    if not math.isfinite(gain):
        raise ValueError
    return gain


def matrices_of(sweep: Path, file: str, name: str | None = None) -> list[FigureFile]:
    """Return the figure of what `matrix=true` measured in a sweep; see `read_matrix` and `matrix`."""
    made = matrix(read_matrix(sweep), file, name)
    return [] if made is None else [made]


def matrix(rows: Sequence[Row], file: str, sweep: str | None = None) -> FigureFile | None:
    """Return the gains of each network under each condition, a panel for each family of blurs; None without rows.

    Args:
        rows: of the table.
        file: the name of the figure's file.
        sweep: whose networks they are, where the page shows several.
    """
    if not rows:
        return None
    trained = list(dict.fromkeys(row["trained_on"] for row in rows))
    families = list(dict.fromkeys(row["family"] for row in rows))
    widest = max(len({row["condition"] for row in rows if row["family"] == family}) for family in families)
    told = []
    longest = max(len(row["condition"]) for row in rows)
    is_turned = (
        longest * LETTER > CONFIGURATION[0] + LETTER
    )  # conditions that need several settings to be distinguished
    turned: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if is_turned else {}
    below = 0.65 * longest * LETTER if is_turned else 0.0
    with styled():
        size = (CONFIGURATION[0] * widest + 1.6, (CONFIGURATION[1] * len(trained) + 0.75 + below) * len(families))
        figure = Figure(figsize=size, layout="constrained")
        for axes, family in zip(figure.subplots(len(families), squeeze=False)[:, 0], families, strict=True):
            panel = [row for row in rows if row["family"] == family]
            conditions = list(dict.fromkeys(row["condition"] for row in panel))
            gains = np.full((len(trained), len(conditions)), np.nan)
            for row in panel:
                gains[trained.index(row["trained_on"]), conditions.index(row["condition"])] = _gain(row)
            axes.grid(visible=False)
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
            paint(axes, gains, highest=float(np.nanmax([0.0, *map(_gain, rows)])))
            for (line, column), gain in np.ndenumerate(gains):
                if np.isfinite(gain):
                    write_number(axes, (line, column), float(gain), f"{gain:+.1f}")
            axes.set_xticks(range(len(conditions)), conditions, **turned)
            axes.set_yticks(range(len(trained)), [f"trained on {blur}" for blur in trained])
            axes.set_title(f"tested on {family}", loc="left", fontweight="bold")
            told += [
                f"trained on {blur}, tested on {family}: "
                + ", ".join(
                    f"{name} {gain:+.1f}" for name, gain in zip(conditions, line, strict=True) if np.isfinite(gain)
                )
                for blur, line in zip(trained, gains, strict=True)
            ]
        caption = (
            "PSNR of the restored minus that of the blurred test images [dB], for the best network of each blur. "
            "Strengths are half, once and twice what was trained on; noise in gray levels of 255. Hatched: worse than "
            "the input."
        )
        items = [item for item in IMAGE_ITEMS if item != "images"]  # of those a row has the number
        tests = condition_sentences([{item: row[item] for item in items if row.get(item)} for row in rows])
        caption = " ".join([caption, *tests])
        title = "Other blurs, noise and JPEG" if sweep is None else f"Other blurs, noise and JPEG, sweep {sweep}"
        return figure_file(figure, file, title, f"Gains in dB. {'; '.join(told)}.", caption)
