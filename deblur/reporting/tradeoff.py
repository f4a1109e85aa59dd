"""Quality against cost: the PSNR of networks over what they compute for a pixel."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from deblur.reporting.cells import Cell, Problem, Table
from deblur.reporting.pictures import GREY, Picture, line_styles, picture, styled
from deblur.reporting.results import Run

PANEL = (2.9, 2.2)  # [inch]
COLUMNS = 3
TITLE = 26  # letters in a line
LEAST_WIDTH = 4.5  # [inch], which the legend needs
COST = "model.macs_per_pixel"
CAPTION = (
    "Mean PSNR of the test images over the multiplications and additions for a pixel. The line is the Wiener filter "
    "that guided networks start from; its own cost, a few transforms of the whole picture, is not counted in products "
    "a pixel. With a symmetric border and a kernel equal to its mirror images, no linear filter is better on average; "
    "for kernels that are not equal to theirs it is not the best linear one. With a real border it is the same filter, "
    "fitted to such images."
)


def tradeoff(table: Table) -> list[Picture]:
    """Return a panel for each problem; none where fewer than two networks of different cost are done."""
    shown = [(problem, known) for problem in table.problems if (known := _known(problem))]
    costs = sorted({cell.average(COST) or 0.0 for _, cells in shown for cell in cells})
    if len(costs) < 2:
        return []
    looks = line_styles(list(dict.fromkeys(cell.name for _, cells in shown for cell in cells)))
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    with styled():
        figure = Figure(figsize=(max(LEAST_WIDTH, PANEL[0] * columns), PANEL[1] * rows + 0.8), layout="constrained")
        panels = figure.subplots(rows, columns, sharex=True, squeeze=False).flat
        told = []
        for (problem, cells), axes in zip(shown, panels, strict=False):
            for cell in cells:
                look = looks[cell.name]
                axes.plot(*_place(cell), linestyle="none", color=look.colour, marker=look.marker, label=cell.name)
            axes.set_xscale("log")
            axes.margins(0.15)
            axes.set_ylabel("PSNR [dB]")
            axes.set_title(fill(problem.label, TITLE), loc="left", fontweight="bold")
            axes.xaxis.set_major_locator(FixedLocator([costs[0], costs[-1]]))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda cost, _: f"{cost:,.0f}"))
            axes.xaxis.set_minor_locator(NullLocator())
            told.append(_describe(problem, cells, _line(axes, cells)))
        for axes in panels[len(shown) :]:
            axes.set_axis_off()
        figure.supxlabel("products a pixel", fontsize="medium")
        handles = [axes.get_legend_handles_labels() for axes in panels]
        entries = {label: line for lines, labels in handles for line, label in zip(lines, labels, strict=True)}
        figure.legend(list(entries.values()), list(entries), loc="outside upper center", ncols=2)
        return [picture(figure, "tradeoff.png", "Quality against cost", " ".join(told), CAPTION)]


def _known(problem: Problem) -> list[Cell]:
    """Return the cells whose cost and result are known, the cheapest first."""
    return sorted((cell for cell in problem.done if _place(cell)), key=lambda cell: (_place(cell), cell.name))


def _place(cell: Cell) -> tuple[float, float] | tuple[()]:
    cost, psnr = cell.average(COST), cell.mean("psnr")
    return () if cost is None or psnr is None else (cost, psnr)


def _line(axes: Axes, cells: Sequence[Cell]) -> float | None:
    """Draw the level of the Wiener filter that was measured on these images, if a network was guided by one."""
    levels = [
        level
        for cell in cells
        for run in cell.done
        if _starts_at_the_filter(run) and (level := run.number("test.guide_psnr")) is not None
    ]
    if not levels:
        return None
    level = float(np.max(levels))
    axes.axhline(level, color=GREY, linestyle="--", linewidth=1, label="Wiener filter (guide)")
    return level


def _starts_at_the_filter(run: Run) -> bool:
    """Tell whether the guide that was measured, the first, assumes the noise as it is: others are worse."""
    factors = run.config.get("model.noise_factors")
    return isinstance(factors, Sequence) and list(factors[:1]) == [1]


def _describe(problem: Problem, cells: Sequence[Cell], level: float | None) -> str:
    networks = ", ".join(f"{cell.name} {cell.mean('psnr'):.2f} at {cell.average(COST):,.0f}" for cell in cells)
    return f"{problem.label}: PSNR in dB at products a pixel: {networks}" + (
        "." if level is None else f"; Wiener filter {level:.2f}."
    )
