"""The style of all figures of a report; PSNR over cost, and over the side of a linear filter."""

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from textwrap import fill
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from deblur.reading import MissingFile, damaged, read_csv
from deblur.reporting.configurations import Configuration, Table, TestSetting
from deblur.text import kept_lines

VectorKind = Literal["pdf", "svg"]
VECTOR_KINDS: tuple[VectorKind, ...] = ("pdf", "svg")

DOTS_PER_INCH = 150
PIXELS_PER_INCH = 96  # of a browser

# Okabe and Ito's colors, distinguishable for color-blind people; lines differ in style and marker as well, for print.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES: tuple[Literal["-", "--", "-.", ":"], ...] = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GRAY = "#666666"

STYLE = Path(__file__).with_name("report.mplstyle")

PANEL = (2.9, 2.2)  # of the figure of costs [inch]
COLUMNS = 3
TITLE = 26  # letters in a line
LEAST_WIDTH = 4.5  # [inch], which the legend needs
COST = "model.macs_per_pixel"
COST_CAPTION = "Mean PSNR of the test images over MACs per pixel."

FILTERS_FILE = "filters.csv"  # which `python -m deblur.evaluate sweep=NAME optimal_linear=true` writes
NUMBERS = ("size", "psnr", "input_psnr", "gain")
NUMBERS_OF_VALID_BOUNDARY = ("valid_psnr", "valid_input_psnr", "valid_gain")  # measured with it as well
FILTERS_SIZE = (6.4, 3.6)  # [inch]
CURE = "measure again with python -m deblur.evaluate sweep=NAME optimal_linear=true, or delete the file"
FILTERS_CAPTION = (
    "The optimal linear filter of each size was fitted to the training images and measured on the test images, as the "
    "networks are. A network of the same receptive field above the line benefits from being nonlinear. With a valid "
    "boundary the scene continues outside the image, and a filter cannot rely on a mirror image there."
)

Filters = list[dict[str, float]]


class LineStyle(NamedTuple):
    """How a line is drawn."""

    color: str
    line: Literal["-", "--", "-.", ":"]
    marker: str


@dataclass(frozen=True)
class FigureFile:
    """A figure of the report."""

    file: str
    title: str
    alt: str
    caption: str
    png: bytes
    width: int  # in the page [px]
    figure: Figure = field(repr=False, compare=False)

    def vector(self, kind: VectorKind) -> bytes:
        """Draw the figure as a vector file, whose texts are texts: searchable, in a PDF with their fonts."""
        content = io.BytesIO()
        metadata = {"CreationDate": None, "Producer": None} if kind == "pdf" else {"Date": None}
        with styled():
            self.figure.savefig(content, format=kind, dpi=DOTS_PER_INCH, metadata=metadata)
        return content.getvalue()


def line_styles(labels: Sequence[str]) -> dict[str, LineStyle]:
    """Return a style for each label."""
    styles = zip(cycle(COLORS), cycle(LINES), cycle(MARKERS), strict=False)
    return {label: LineStyle(*style) for label, style in zip(labels, styles, strict=False)}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the style of the report."""
    with mpl.rc_context(fname=STYLE):
        yield


def figure_file(figure: Figure, file: str, title: str, alt: str, caption: str) -> FigureFile:
    """Draw a figure, with texts of any origin as clean as those of the page."""
    for text in figure.findobj(Text):
        text.set_text(kept_lines(text.get_text()))
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    figure.set_layout_engine("none")  # other files of the figure keep this layout
    width = round(figure.get_size_inches()[0] * PIXELS_PER_INCH)
    return FigureFile(file, title, alt, caption, content.getvalue(), width, figure)


def tradeoff(table: Table) -> list[FigureFile]:
    """Return PSNR over cost, a panel for each test setting; none for fewer than two networks of different cost."""
    shown = [(one, known) for one in table.test_settings if (known := _of_known_cost(one))]
    configurations = [configuration for _, known in shown for configuration in known]
    costs = sorted({configuration.average(COST) or 0.0 for configuration in configurations})
    if len(costs) < 2:
        return []
    styles = line_styles(list(dict.fromkeys(configuration.name for configuration in configurations)))
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    with styled():
        figure = Figure(figsize=(max(LEAST_WIDTH, PANEL[0] * columns), PANEL[1] * rows + 0.8), layout="constrained")
        panels = figure.subplots(rows, columns, sharex=True, squeeze=False).flat
        alts = []
        for (test_setting, known), axes in zip(shown, panels, strict=False):
            for one in known:
                color, _, marker = styles[one.name]
                axes.plot(*_place(one), linestyle="none", color=color, marker=marker, label=one.name)
            axes.set_xscale("log")
            axes.margins(0.15)
            axes.set_ylabel("PSNR [dB]")
            axes.set_title(fill(test_setting.heading, TITLE), loc="left", fontweight="bold")
            axes.xaxis.set_major_locator(FixedLocator([costs[0], costs[-1]]))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda cost, _: f"{cost:,.0f}"))
            axes.xaxis.set_minor_locator(NullLocator())
            networks = (f"{one.name} {one.mean('psnr'):.2f} at {one.average(COST):,.0f}" for one in known)
            alts.append(f"{test_setting.heading}: PSNR in dB at MACs per pixel: {', '.join(networks)}.")
        for axes in panels[len(shown) :]:
            axes.set_axis_off()
        figure.supxlabel("MACs per pixel", fontsize="medium")
        handles = [axes.get_legend_handles_labels() for axes in panels]
        entries = {label: line for lines, labels in handles for line, label in zip(lines, labels, strict=True)}
        figure.legend(list(entries.values()), list(entries), loc="outside upper center", ncols=2)
        return [figure_file(figure, "tradeoff.png", "PSNR over MACs per pixel", " ".join(alts), COST_CAPTION)]


def _of_known_cost(test_setting: TestSetting) -> list[Configuration]:
    """Return the configurations whose cost and result are known, the cheapest first."""
    return sorted((one for one in test_setting.done if _place(one)), key=lambda one: (_place(one), one.name))


def _place(configuration: Configuration) -> tuple[float, float] | tuple[()]:
    cost, psnr = configuration.average(COST), configuration.mean("psnr")
    return () if cost is None or psnr is None else (cost, psnr)


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
    """Return a figure for each test setting of a sweep whose optimal linear filters have been measured."""
    of_run = {run.name: one for one in reversed(test_settings) for each in one.done for run in each.done}
    figures: list[FigureFile] = []
    for name, filters in read_filters(sweep).items():
        if name not in of_run:
            continue
        networks = [
            {"name": configuration.name, "size": size, "psnr": psnr}
            for configuration in of_run[name].done
            if (size := configuration.average("model.receptive_field")) is not None
            and (psnr := configuration.mean("psnr")) is not None
        ]
        file = f"filters_{re.sub(r'[^A-Za-z0-9._-]+', '_', sweep.name)}_{len(figures) + 1}.png"
        figures.append(filter_figure(filters, networks, of_run[name].heading, file))
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
    has_valid = "valid_psnr" in filters[0]
    sizes = [row["size"] for row in filters]
    with styled():
        figure = Figure(figsize=FILTERS_SIZE, layout="constrained")
        axes = figure.subplots()
        line: dict[str, Any] = {"color": COLORS[0], "marker": "."}
        axes.plot(sizes, [row["psnr"] for row in filters], label="optimal linear filter", **line)
        if has_valid:
            valid = [row["valid_psnr"] for row in filters]
            axes.plot(sizes, valid, linestyle=":", label="the same, valid boundary", **line)
        axes.axhline(filters[0]["input_psnr"], color=GRAY, linestyle="--", linewidth=1, label="blurred input")
        for number, one in enumerate(networks, 1):
            turn = number // len(COLORS)  # with more networks than colors, a color comes back with another marker
            color, marker = COLORS[number % len(COLORS)], MARKERS[(number + turn) % len(MARKERS)]
            axes.plot(one["size"], one["psnr"], linestyle="none", color=color, marker=marker, label=one["name"])
        axes.set_xlabel("side of the filter, receptive field of a network [px]")
        axes.set_ylabel("PSNR [dB]")
        axes.set_title(f"{blur}: PSNR and receptive field", loc="left", fontweight="bold")
        figure.legend(loc="outside right upper")
        named = ", ".join(f"{one['name']} ({one['size']:g} px) {one['psnr']:.2f}" for one in networks)
        alt = f"PSNR in dB of the optimal linear filter by its side: {_listed(filters, 'psnr')}. "
        alt += f"Networks: {named or 'none'}."
        if has_valid:
            alt += f" With a valid boundary: {_listed(filters, 'valid_psnr')}."
        return figure_file(figure, file, f"{blur}: the optimal linear filters", alt, FILTERS_CAPTION)


def _listed(filters: Sequence[Mapping[str, Any]], key: str) -> str:
    return ", ".join(f"{row['size']:g} px {row[key]:.2f}" for row in filters)
