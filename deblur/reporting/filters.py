"""The best linear filters of all sizes beside networks, as a figure."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from deblur.reporting.pictures import COLOURS, GREY, MARKERS, Picture, picture, styled

SIZE = (6.4, 3.6)  # [inch]


def filter_figure(filters: Sequence[Mapping[str, Any]], networks: Sequence[Mapping[str, Any]], blur: str) -> Picture:
    """Return the PSNR of linear filters over their size, and networks at their receptive fields.

    Args:
        filters: `size` [px], `psnr` and `input_psnr` [dB] of each.
        networks: `name`, `size` [px] and `psnr` [dB] of each.
        blur: what is removed.
    """
    with styled():
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        sizes = [row["size"] for row in filters]
        axes.plot(sizes, [row["psnr"] for row in filters], color=COLOURS[0], marker=".", label="best linear filter")
        axes.axhline(filters[0]["input_psnr"], color=GREY, linestyle="--", linewidth=1, label="blurred input")
        for number, one in enumerate(networks, 1):
            colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
            axes.plot(one["size"], one["psnr"], linestyle="none", color=colour, marker=marker, label=one["name"])
        axes.set_xlabel("side of the filter, receptive field of a network [px]")
        axes.set_ylabel("PSNR [dB]")
        axes.set_title(f"{blur}: how far one has to see", loc="left", fontweight="bold")
        figure.legend(loc="outside right upper")
        told = ", ".join(f"{row['size']} px {row['psnr']:.2f}" for row in filters)
        beside = ", ".join(f"{one['name']} ({one['size']} px) {one['psnr']:.2f}" for one in networks)
        alt = f"PSNR in dB of the best linear filter by its side: {told}. Networks: {beside or 'none'}."
        return picture(figure, "filters.png", "Best linear filters", alt, "")
