"""The study's networks in its own way of training: the validation loss after each epoch, and the time of one."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from deblur.reporting.figures import GRAY, FigureFile, LineStyle, figure_file, line_styles, styled
from deblur.reporting.results import Run
from deblur.reporting.tables import NOTHING, TextTable, number
from deblur.text import counted
from studies.srcnn_2022.matching import Selection
from studies.srcnn_2022.published import Place, Published, rate_text

FIGURE_FILE = "epochs.png"
PANEL = (6.4, 3.4)  # [inch]
DASHES = (0, (5, 3))

Panel = tuple[str, float]  # blur and learning rate
Curve = Mapping[int, float]  # epoch, counted from 1 -> validation loss


def curves_of(selection: Selection) -> dict[Place, Curve]:
    """Return the validation loss after each epoch, averaged over the seeds, if it is known."""
    found = {place: _mean([_curve(run) for run in runs]) for place, runs in selection.configurations.items()}
    return {place: curve for place, curve in found.items() if curve}


def epoch_tables(published: Published, curves: Mapping[Place, Curve]) -> list[tuple[str, TextTable]]:
    """Return a table for each blur and rate, with its heading: epochs in rows, networks in columns."""
    made = []
    for blur, rate in _panels(curves):
        shown = _of_panel(curves, (blur, rate), published.networks)
        epochs = sorted({epoch for curve in shown.values() for epoch in curve})
        rows = [(str(epoch), *(number(curve.get(epoch), ".5f") for curve in shown.values())) for epoch in epochs]
        final = [published.losses.get(Place(blur, network, rate)) for network in shown]
        if any(loss is not None for loss in final):
            texts = (NOTHING if loss is None else f"{loss:.4f} ± {published.accuracy:.4f}" for loss in final)
            rows.append((f"study, {published.epochs}", *texts))
        marked = frozenset({len(rows) - 1}) if len(rows) > len(epochs) else frozenset()
        made.append((_heading(blur, rate), TextTable(("after epoch", *shown), rows, marked=marked)))
    return made


def epoch_figure(published: Published, curves: Mapping[Place, Curve]) -> FigureFile:
    """Return the losses over the epochs, a panel for each blur and rate, with the study's last loss of each network."""
    panels = _panels(curves)
    looks = line_styles(published.networks)
    parts = []
    with styled():
        figure = Figure(figsize=(PANEL[0], PANEL[1] * len(panels)), layout="constrained")
        for axes, panel in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
            final = {network: published.losses.get(Place(panel[0], network, panel[1])) for network in looks}
            parts.append(
                _draw(axes, panel, _of_panel(curves, panel, published.networks), final, looks, published.epochs)
            )
        axes.set_xlabel("epoch")
        caption = (
            "Validation loss (MSE) after each epoch. A dashed line and its hollow marker are what the study published "
            f"for the network of the same color and marker after {published.epochs} epochs, on its own images."
        )
        return figure_file(figure, FIGURE_FILE, "The study's networks in its way of training", " ".join(parts), caption)


def time_table(published: Published, runs: Sequence[Run], networks: Mapping[str, str]) -> TextTable:
    """Return the time of an epoch and the published one.

    Args:
        published: the study's numbers.
        runs: finished ones.
        networks: the study's name of each network, by that of the model.
    """
    groups: dict[tuple[str, str, str, str], list[float]] = {}
    for run in runs:
        if run.training_seconds is None or not run.history:
            continue
        keys = (str(run.metrics.get(key) or NOTHING) for key in ("device.name", "threads", "precision"))
        device, threads, precision = keys
        key = (networks[str(run.config["model.name"])], device, threads, precision)
        groups.setdefault(key, []).append(run.training_seconds / len(run.history))
    rows = [
        (*key, number(float(np.mean(times)), ".1f"), number(published.seconds.get(key[0]), ".0f"))
        for key, times in sorted(groups.items(), key=lambda item: published.networks.index(item[0][0]))
    ]
    columns = ("network", "device", "threads", "precision", "ours [s]", "study, on a GPU that it does not name [s]")
    return TextTable(columns, rows, texts=4)


def comparison(published: Published, curves: Mapping[Place, Curve]) -> str:
    """Return a sentence on what may be compared with the published losses."""
    lengths = sorted({max(curve) for curve in curves.values()})
    only = (
        f"The study's losses are known as numbers only after its {published.epochs}th and last epoch, so that the "
        "epochs before it cannot be compared."
    )
    if lengths == [published.epochs]:
        return f"{only} These runs have as many epochs: their last row and the study's are after equal epochs."
    trained = " or ".join([*map(str, lengths[:-1]), counted(lengths[-1], "epoch")])
    return f"{only} These runs have {trained}, so that no row of theirs is after as many epochs as the study's."


def opposed(selection: Selection) -> list[str]:
    """Return sentences on which networks validate worse and worse while their training loss falls."""
    parts = []
    for place, runs in selection.configurations.items():
        ends = [(run.history[0], run.history[-1]) for run in runs if run.history]
        if ends and all(_is_opposed(first, last) for first, last in ends):
            first, last = ends[0]
            parts.append(
                f"On {place.blur} blur {place.network} validates worse while it trains better: from its first epoch to "
                f"its last the validation loss rises from {first['val/mse']:.5f} to {last['val/mse']:.5f}, the "
                f"training loss, with dropout, falls from {first['train/loss']:.5f} to {last['train/loss']:.5f}."
            )
    return parts


def _is_opposed(first: Mapping[str, float], last: Mapping[str, float]) -> bool:
    kinds = ("val/mse", "train/loss")
    validation, training = (last.get(kind, np.nan) - first.get(kind, np.nan) for kind in kinds)
    return bool(validation > 0 > training)


def _panels(curves: Mapping[Place, Curve]) -> list[Panel]:
    return list(dict.fromkeys((place.blur, place.rate) for place in curves))


def _of_panel(curves: Mapping[Place, Curve], panel: Panel, networks: Sequence[str]) -> dict[str, Curve]:
    places = {network: Place(panel[0], network, panel[1]) for network in networks}
    return {network: curves[place] for network, place in places.items() if place in curves}


def _heading(blur: str, rate: float) -> str:
    return f"{blur}, learning rate {rate_text(rate)}"


def _draw(
    axes: Axes,
    panel: Panel,
    curves: Mapping[str, Curve],
    final: Mapping[str, float | None],
    looks: Mapping[str, LineStyle],
    last: int,
) -> str:
    """Draw a panel and return its numbers as a sentence."""
    parts = []
    for network, curve in curves.items():
        look, level = looks[network], final[network]
        style: dict[str, Any] = {"color": look.color, "marker": look.marker, "markersize": 4, "linewidth": 1.4}
        axes.plot(list(curve), list(curve.values()), label=network, **style)
        overrides = f"{network} {curve[max(curve)]:.5f} after {max(curve)}"
        if level is not None:
            axes.axhline(level, linestyle=DASHES, linewidth=1.1, color=look.color)
            axes.plot(
                [last], [level], linestyle="none", markerfacecolor="white", clip_on=False, **style | {"markersize": 7}
            )
            overrides += f" (study {level:.4f})"
        parts.append(overrides)
    axes.set_ylabel("validation loss (MSE)")
    axes.set_title(_heading(*panel), loc="left", fontweight="bold")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10, min_n_ticks=1))
    handles = axes.get_legend_handles_labels()[0]
    if any(level is not None for level in final.values()):
        looks_of_study: dict[str, Any] = {"color": GRAY, "marker": "o", "markerfacecolor": "white", "markersize": 7}
        handles.append(Line2D([], [], linestyle=DASHES, label=f"study, after {last} epochs", **looks_of_study))
    axes.legend(handles=handles, handlelength=3.5, frameon=False)
    return f"Validation loss, {_heading(*panel)}: {', '.join(parts)}."


def _curve(run: Run) -> dict[int, float]:
    rows = [row for row in run.history if np.isfinite(row.get("val/mse", np.nan))]
    return {int(row["epoch"]): row["val/mse"] for row in rows}


def _mean(curves: Sequence[Curve]) -> dict[int, float]:
    """Return the mean of some curves over the epochs that all of them have."""
    common = sorted(set(curves[0]).intersection(*curves))
    return {epoch: float(np.mean([curve[epoch] for curve in curves])) for epoch in common}
