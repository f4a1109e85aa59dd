"""A blur of one's own: a cross, as a bright point with two reflections on a pane of glass leaves it."""

from typing import Any

import numpy as np

from deblur.blur import ParametricBlur
from deblur.blur.intervals import ScalarOrPair, WholeNumbers


def matrix(arm: float) -> np.ndarray:
    """Return a kernel of two crossing lines, `arm` px from the center to each end."""
    side = 2 * int(arm) + 1
    weights = np.zeros((side, side))
    weights[side // 2, :] = weights[:, side // 2] = 1
    return weights / weights.sum()


class Cross(ParametricBlur):
    """Spreads each pixel over a cross; `arm` is a whole number of px, or a pair to draw from."""

    family = "matrix"
    make_psf = staticmethod(matrix)

    def __init__(self, arm: ScalarOrPair, **after: Any) -> None:
        super().__init__({"arm": WholeNumbers.of(arm)}, **after)
