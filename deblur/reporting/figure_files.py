"""What all figures of a report share."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.text import Text

from deblur.text import kept_lines

DOTS_PER_INCH = 150
PIXELS_PER_INCH = 96  # of a browser

# Okabe and Ito's colors, distinguishable for color-blind people; lines differ in style and marker as well, for print.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES: tuple[Literal["-", "--", "-.", ":"], ...] = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GRAY = "#666666"

_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E2E2E2",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "text.parse_math": False,  # names from users may hold a dollar sign
    "savefig.facecolor": "white",
}


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


def line_styles(labels: Sequence[str]) -> dict[str, LineStyle]:
    """Return a look for each label."""
    return {
        label: LineStyle(COLORS[n % len(COLORS)], LINES[n % len(LINES)], MARKERS[n % len(MARKERS)])
        for n, label in enumerate(labels)
    }


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the style of the report."""
    with mpl.rc_context(_STYLE):
        yield


def figure_file(figure: Figure, file: str, title: str, alt: str, caption: str) -> FigureFile:
    """Draw a figure, with texts of any origin as clean as those of the page."""
    for text in figure.findobj(Text):
        text.set_text(kept_lines(text.get_text()))
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    width = round(figure.get_size_inches()[0] * PIXELS_PER_INCH)
    return FigureFile(file, title, alt, caption, content.getvalue(), width)
