"""A custom blur: a cross, the image of a bright point with two reflections on a pane of glass."""

from typing import Any

import numpy as np

from deblur.blur import ParametricBlur
from deblur.blur.intervals import ScalarOrPair, WholeNumbers


def cross(arm: float) -> np.ndarray:
    """Return a kernel of two crossing lines, `arm` px from the center to each end."""
    side = 2 * int(arm) + 1
    weights = np.zeros((side, side))
    weights[side // 2, :] = weights[:, side // 2] = 1
    return weights / weights.sum()


class Cross(ParametricBlur):
    """Spreads each pixel over a cross; `arm` is a whole number of px, or a pair to draw from."""

    family = "cross"
    make_psf = staticmethod(cross)

    def __init__(self, arm: ScalarOrPair, **after: Any) -> None:
        super().__init__({"arm": WholeNumbers.of(arm)}, **after)
