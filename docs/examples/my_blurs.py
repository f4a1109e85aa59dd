"""A custom blur: a cross, the image of a bright point with two reflections on a pane of glass."""

from typing import Any, ClassVar

import numpy as np

from deblur.blur import Parameter, ParametricBlur, Slider, register


def cross(arm: float) -> np.ndarray:
    """Return a kernel of two crossing lines, `arm` px from the center to each end."""
    side = 2 * int(arm) + 1
    weights = np.zeros((side, side))
    weights[side // 2, :] = weights[:, side // 2] = 1
    return weights / weights.sum()


@register  # for mixtures, the cross-degradation matrix and the demo; without it the class can be trained on alone
class Cross(ParametricBlur):
    """Spreads each pixel over a cross; `arm` is a whole number of px, or a pair to draw from."""

    family = "cross"
    label = "Cross"
    parameters: ClassVar = {
        "arm": Parameter(
            "Arm",
            1,
            50,
            unit="px",
            numbers="whole",
            in_mixture=(2, 6),
            factors=(0.5, 2),
            slider=Slider(1, 10, step=1, start=4),
        )
    }
    make_psf = staticmethod(cross)

    def __init__(self, arm: Any, **after: Any) -> None:
        super().__init__({"arm": arm}, **after)
