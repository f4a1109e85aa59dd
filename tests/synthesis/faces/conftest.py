from collections.abc import Callable

import numpy as np
import pytest

from deblur.synthesis import CANVAS_SIZE
from deblur.synthesis.faces.canvas import Canvas, Style, Textures
from deblur.synthesis.faces.geometry import View
from deblur.synthesis.faces.palette import Palette

UNIT = 100  # px
PAPER = 200.0  # gray level
INK = 20.0  # gray level
STREAK = 7.0  # gray levels


@pytest.fixture
def make_canvas() -> Callable[..., Canvas]:
    """An upright canvas, 5.12 face units wide, with its origin in the middle."""

    def make(*, painted: bool = False, paper: float = PAPER, palette: Palette | None = None) -> Canvas:
        view = View(UNIT, np.eye(2) * UNIT, np.full(2, CANVAS_SIZE / 2))
        streaks = np.full((CANVAS_SIZE, CANVAS_SIZE), STREAK, np.float32)
        textures = Textures(streaks, np.zeros_like(streaks))
        return Canvas(paper, view, Style(line_width=2.0, ink=INK, painted=painted), textures, palette)

    return make


@pytest.fixture
def canvas(make_canvas: Callable[..., Canvas]) -> Canvas:
    return make_canvas()
