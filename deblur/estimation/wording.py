"""The text on a blur that is seen."""

from collections.abc import Mapping
from typing import Final

from deblur.estimation.estimate import BlurEstimate, Kind

KIND_NAMES: Final[Mapping[Kind, str]] = {
    "none": "no blur",
    "defocus": "defocus",
    "motion": "motion blur",
    "shake": "camera shake",
}
WHOLE_FROM: Final = 10  # px, from which on a width is given without decimals


def blur_text(estimate: BlurEstimate) -> str:
    """Return the kind of a blur, its size, and how probable the kind is: `motion blur, about 14 px at 30 degrees`."""
    size = f", about {px(estimate.width)}"
    if estimate.kind == "none":
        size = ""
    elif estimate.angle is None:
        size += " wide"
    else:
        size += f" at {round(estimate.angle) % 180} degrees"
    return f"{KIND_NAMES[estimate.kind]}{size} ({100 * estimate.probability:.0f} % sure)"


def px(width: float) -> str:
    """Return a width with its unit."""
    return f"{width:.0f} px" if width >= WHOLE_FROM else f"{width:.1f} px"
