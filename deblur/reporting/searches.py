"""Searches: their trials over the rungs, and over each hyper-parameter."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deblur.files import safe_name
from deblur.metrics import PSNR
from deblur.reading import MissingFile, UnusableFile
from deblur.reporting.labels import short_key
from deblur.reporting.results import Sweep
from deblur.reporting.tables import TextTable, number
from deblur.runs.conditions import value_text
from deblur.runs.records import read_search_file
from deblur.text import counted

if TYPE_CHECKING:  # matplotlib is loaded when a report is written
    from deblur.reporting.figures import FigureFile

PANEL = (2.6, 2.3)  # of a hyper-parameter [inch]
COLUMNS = 3
RUNGS_SIZE = (6.0, 3.4)  # [inch]
LEAST_WIDTH = 5.0  # [inch], which the legend needs
MARGIN = 0.05  # of a logarithmic axis, beyond each end of the range
LONGEST_CHOICE = 14  # characters of a tick
JITTER = 0.08  # of the distance between two choices, by which the points of one are spread


@dataclass(frozen=True)
class Trial:
    """A trial of a search, counted from 1."""

    number: int
    settings: Mapping[str, Any]
    run: str | None
    values: Mapping[int, float]  # validation PSNR by the epochs of a rung [dB]
    error: str | None

    @property
    def epochs(self) -> int:
        """The last rung whose end it has reached; 0 for none."""
        return max(self.values, default=0)


@dataclass(frozen=True)
class Search:
    """What search.json says of a sweep."""

    sweep: Sweep
    rungs: tuple[int, ...]
    wanted: int
    space: Mapping[str, Mapping[str, list[Any]]]
    trials: tuple[Trial, ...]  # the best first

    @property
    def best(self) -> Trial | None:
        """The best trial of the full length; None before one has it."""
        return next((one for one in self.trials if one.epochs == self.rungs[-1] and not one.error), None)

    @property
    def sentences(self) -> list[str]:
        """The best settings, and what became of the trials."""
        at_rungs = (sum(rung in one.values for one in self.trials) for rung in self.rungs)
        reached = ", ".join(f"{count} to {rung}" for count, rung in zip(at_rungs, self.rungs, strict=True))
        failed = sum(one.error is not None for one in self.trials)
        lost = f"; {counted(failed, 'trial')} failed" if failed else ""
        found = [f"{counted(self.wanted, 'trial')}, trained until the epochs of the rungs: {reached}{lost}."]
        best = self.best
        if best is None:
            return [f"{self.sweep.name} has no trial of the full length yet.", *found]
        settings = " ".join(f"{key}={value_text(value)}" for key, value in best.settings.items())
        value = best.values[self.rungs[-1]]
        return [f"Best settings of {self.sweep.name}: {settings}, {value:.2f} dB on the validation images.", *found]

    @property
    def table(self) -> TextTable:
        """All trials, the best first."""
        keys = list(self.space)
        tested = {run.name: run.number("test.psnr") for run in self.sweep.runs}
        columns = (
            "trial",
            *(short_key(key, keys) or key for key in keys),
            "outcome",
            *(f"after {counted(rung, 'epoch')} [dB]" for rung in self.rungs),
            "test images [dB]",
        )
        rows = [
            (
                str(one.number),
                *(value_text(one.settings.get(key)) for key in keys),
                self.outcome(one),
                *(number(one.values.get(rung), PSNR.info.digits) for rung in self.rungs),
                number(tested.get(one.run or ""), PSNR.info.digits),
            )
            for one in self.trials
        ]
        marked = frozenset({0}) if self.best is not None else frozenset[int]()
        return TextTable(columns, rows, texts=2 + len(keys), marked=marked)

    def outcome(self, trial: Trial) -> str:
        """Return the outcome of a trial in words."""
        if trial.error is not None:
            return f"failed: {trial.error}"
        if trial.epochs == self.rungs[-1]:
            return "full length"
        return f"after {counted(trial.epochs, 'epoch')}" if trial.epochs else "open"


def read_searches(sweeps: Sequence[Sweep], damages: list[str]) -> list[Search]:
    """Read the searches among sweeps.

    Args:
        sweeps: of the report.
        damages: gets a sentence for each file that cannot be used.
    """
    found = []
    for sweep in sweeps:
        try:
            found.append(_of_file(sweep, read_search_file(sweep.folder)))
        except MissingFile:
            continue
        except UnusableFile as error:
            damages.append(str(error))
    return found


def _of_file(sweep: Sweep, stored: Mapping[str, Any]) -> Search:
    trials = [
        Trial(
            place,
            one["settings"],
            one["run"],
            {int(epochs): value for epochs, value in one["values"].items()},
            one["error"],
        )
        for place, one in enumerate(stored["trials"][: stored["wanted"]], 1)
    ]
    trials.sort(key=lambda one: (one.error is not None, -one.epochs, -one.values.get(one.epochs, 0.0), one.number))
    return Search(sweep, tuple(stored["rungs"]), stored["wanted"], stored["space"], tuple(trials))


def search_figures(searches: Sequence[Search]) -> list["FigureFile"]:
    """Return two figures for each search that has a value: its trials over the rungs and over the hyper-parameters."""
    figures = []
    for search in searches:
        if any(one.values for one in search.trials):
            figures += [_over_rungs(search), _over_settings(search)]
    return figures


def _over_rungs(search: Search) -> "FigureFile":
    from matplotlib.figure import Figure

    from deblur.reporting.figures import figure_file, styled

    places = {rung: place for place, rung in enumerate(search.rungs)}
    with styled():
        figure = Figure(figsize=RUNGS_SIZE, layout="constrained")
        axes = figure.subplots()
        for one in reversed(search.trials):  # the best ones above the others
            known = [(places[rung], one.values[rung]) for rung in search.rungs if rung in one.values]
            if known:
                color, marker = _style(search, one)
                axes.plot(*zip(*known, strict=True), color=color, marker=marker, linewidth=1.4, markersize=4.5)
        axes.set_xticks(list(places.values()), [str(rung) for rung in search.rungs])
        axes.set_xlim(-0.3, len(search.rungs) - 0.7)
        axes.set_xlabel("epochs")
        axes.set_ylabel("validation PSNR [dB]")
        axes.set_title(f"{search.sweep.name}: trials over the rungs", loc="left", fontweight="bold")
        _legend(figure, search)
        numbers = "; ".join(
            f"trial {one.number}: "
            + ", ".join(f"{one.values[rung]:.2f} after {rung}" for rung in search.rungs if rung in one.values)
            for one in search.trials
            if one.values
        )
        alt = f"Validation PSNR in dB after the epochs of the rungs. {numbers}."
        caption = (
            "A line is a trial: the validation PSNR of the best epoch so far, at the end of each rung. Trials that "
            "failed before the end of the first rung are left out."
        )
        name = f"search_{safe_name(search.sweep.name)}_rungs.png"
        return figure_file(figure, name, "Trials over the rungs", alt, caption)


def _over_settings(search: Search) -> "FigureFile":
    from matplotlib.figure import Figure

    from deblur.reporting.figures import figure_file, styled

    keys, first = list(search.space), search.rungs[0]
    columns = min(COLUMNS, len(keys))
    rows = -(-len(keys) // columns)
    with styled():
        size = (max(LEAST_WIDTH, PANEL[0] * columns), PANEL[1] * rows + 0.6)
        figure = Figure(figsize=size, layout="constrained")
        panels = list(figure.subplots(rows, columns, sharey=True, squeeze=False).flat)
        for key, axes in zip(keys, panels, strict=False):
            ((kind, given),) = search.space[key].items()
            choices = [value_text(one) for one in given] if kind == "choice" else []
            for one in reversed(search.trials):
                if first not in one.values:
                    continue
                value = one.settings.get(key)
                if choices:
                    text = value_text(value)
                    spread = JITTER * ((one.number * 2) % 5 - 2) / 2  # so that equal points do not hide each other
                    value = choices.index(text) + spread if text in choices else None
                if isinstance(value, int | float):
                    color, marker = _style(search, one)
                    axes.plot(value, one.values[first], linestyle="none", color=color, marker=marker, markersize=4.5)
            if choices:
                labels = [one if len(one) <= LONGEST_CHOICE else f"{one[: LONGEST_CHOICE - 1]}…" for one in choices]
                axes.set_xticks(range(len(choices)), labels, rotation=20)
                axes.set_xlim(-0.5, len(choices) - 0.5)
            elif kind == "log":
                _log_axis(axes, *given)
            axes.set_xlabel(key)
        for axes in panels[len(keys) :]:
            axes.set_axis_off()
        for row in range(rows):
            panels[row * columns].set_ylabel(f"PSNR after {counted(first, 'epoch')} [dB]")
        _legend(figure, search)
        numbers = "; ".join(
            f"{' '.join(f'{key} {value_text(value)}' for key, value in one.settings.items())}: {one.values[first]:.2f}"
            for one in search.trials
            if first in one.values
        )
        alt = f"Validation PSNR in dB after {counted(first, 'epoch')} of the settings of the trials. {numbers}."
        caption = (
            f"A point is a trial: its validation PSNR after {counted(first, 'epoch')}, the first rung, which all "
            "trials have in common."
        )
        name = f"search_{safe_name(search.sweep.name)}_settings.png"
        return figure_file(figure, name, "The value against each hyper-parameter", alt, caption)


def _log_axis(axes: Any, low: float, high: float) -> None:
    """Make an axis logarithmic, with ticks at the powers of ten in its range, or at the ends of a short one."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    powers = [10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
    axes.set_xscale("log")
    axes.set_xlim(low / (high / low) ** MARGIN, high * (high / low) ** MARGIN)
    axes.xaxis.set_major_locator(FixedLocator(powers if len(powers) > 1 else [low, high]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _style(search: Search, trial: Trial) -> tuple[str, str]:
    """Return color and marker of a trial by the last rung that it reached; gray is one that was stopped first."""
    from deblur.reporting.figures import COLORS, GRAY, MARKERS

    if trial.error is not None:
        return GRAY, "x"
    last = len(search.rungs) - 1 - search.rungs.index(trial.epochs)
    if trial.epochs == search.rungs[0] and last:
        return GRAY, "."
    return COLORS[last % len(COLORS)], MARKERS[last % len(MARKERS)]


def _legend(figure: Any, search: Search) -> None:
    from matplotlib.lines import Line2D

    shown: dict[str, tuple[str, str]] = {}
    for one in search.trials:
        if one.values:
            text = "failed later" if one.error is not None else search.outcome(one)
            shown.setdefault(text, _style(search, one))
    handles = [
        Line2D([], [], linestyle="none", color=color, marker=marker, markersize=4.5, label=text)
        for text, (color, marker) in shown.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(4, len(handles)), frameon=False)
