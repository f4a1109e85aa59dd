"""Quality against cost: the PSNR of networks over what they compute for a pixel."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from deblur.reporting.configurations import Configuration, Table, TestSetting
from deblur.reporting.figure_files import GRAY, FigureFile, figure_file, line_styles, styled
from deblur.reporting.results import Run

PANEL = (2.9, 2.2)  # [inch]
COLUMNS = 3
TITLE = 26  # letters in a line
LEAST_WIDTH = 4.5  # [inch], which the legend needs
COST = "model.macs_per_pixel"
CAPTION = (
    "Mean PSNR of the test images over the multiplications and additions for a pixel. The line is the Wiener filter "
    "that Wiener-guided networks start from; its own cost, a few transforms of the whole image, is not counted in "
    "products "
    "a pixel. With a symmetric boundary and a kernel equal to its mirror images, no linear filter is better on "
    "average; "
    "for kernels that are not equal to theirs it is not the best linear one. With a valid boundary it is the same "
    "filter, "
    "fitted to such images."
)


def tradeoff(table: Table) -> list[FigureFile]:
    """Return a panel for each test setting; none where fewer than two networks of different cost are done."""
    shown = [(test_setting, known) for test_setting in table.test_settings if (known := _known(test_setting))]
    costs = sorted(
        {configuration.average(COST) or 0.0 for _, configurations in shown for configuration in configurations}
    )
    if len(costs) < 2:
        return []
    looks = line_styles(
        list(dict.fromkeys(configuration.name for _, configurations in shown for configuration in configurations))
    )
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    with styled():
        figure = Figure(figsize=(max(LEAST_WIDTH, PANEL[0] * columns), PANEL[1] * rows + 0.8), layout="constrained")
        panels = figure.subplots(rows, columns, sharex=True, squeeze=False).flat
        told = []
        for (test_setting, configurations), axes in zip(shown, panels, strict=False):
            for configuration in configurations:
                look = looks[configuration.name]
                axes.plot(
                    *_place(configuration),
                    linestyle="none",
                    color=look.color,
                    marker=look.marker,
                    label=configuration.name,
                )
            axes.set_xscale("log")
            axes.margins(0.15)
            axes.set_ylabel("PSNR [dB]")
            axes.set_title(fill(test_setting.label, TITLE), loc="left", fontweight="bold")
            axes.xaxis.set_major_locator(FixedLocator([costs[0], costs[-1]]))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda cost, _: f"{cost:,.0f}"))
            axes.xaxis.set_minor_locator(NullLocator())
            told.append(_describe(test_setting, configurations, _line(axes, configurations)))
        for axes in panels[len(shown) :]:
            axes.set_axis_off()
        figure.supxlabel("MACs per pixel", fontsize="medium")
        handles = [axes.get_legend_handles_labels() for axes in panels]
        entries = {label: line for lines, labels in handles for line, label in zip(lines, labels, strict=True)}
        figure.legend(list(entries.values()), list(entries), loc="outside upper center", ncols=2)
        return [figure_file(figure, "tradeoff.png", "Quality against cost", " ".join(told), CAPTION)]


def _known(test_setting: TestSetting) -> list[Configuration]:
    """Return the configurations whose cost and result are known, the cheapest first."""
    return sorted(
        (configuration for configuration in test_setting.done if _place(configuration)),
        key=lambda configuration: (_place(configuration), configuration.name),
    )


def _place(configuration: Configuration) -> tuple[float, float] | tuple[()]:
    cost, psnr = configuration.average(COST), configuration.mean("psnr")
    return () if cost is None or psnr is None else (cost, psnr)


def _line(axes: Axes, configurations: Sequence[Configuration]) -> float | None:
    """Draw the level of the Wiener filter that was measured on these images, if a network was Wiener-guided by one."""
    levels = [
        level
        for configuration in configurations
        for run in configuration.done
        if _starts_at_the_filter(run) and (level := run.number("test.wiener_psnr")) is not None
    ]
    if not levels:
        return None
    level = float(np.max(levels))
    axes.axhline(level, color=GRAY, linestyle="--", linewidth=1, label="Wiener filter (Wiener estimate)")
    return level


def _starts_at_the_filter(run: Run) -> bool:
    """Tell whether the Wiener estimate that was measured, the first, assumes the noise as it is: others are worse."""
    factors = run.config.get("model.noise_scales")
    return isinstance(factors, Sequence) and list(factors[:1]) == [1]


def _describe(test_setting: TestSetting, configurations: Sequence[Configuration], level: float | None) -> str:
    networks = ", ".join(
        f"{configuration.name} {configuration.mean('psnr'):.2f} at {configuration.average(COST):,.0f}"
        for configuration in configurations
    )
    return f"{test_setting.label}: PSNR in dB at MACs per pixel: {networks}" + (
        "." if level is None else f"; Wiener filter {level:.2f}."
    )
