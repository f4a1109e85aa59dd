"""The text on a blur that is seen."""

from typing import Final

from deblur.estimation.estimate import BlurEstimate

WHOLE_FROM: Final = 10  # px, from which on a width is given without decimals


def blur_text(estimate: BlurEstimate) -> str:
    """Return the kind of a blur, its size, and how probable the kind is: `motion blur, about 14 px at 30 degrees`."""
    size = px(estimate.width)
    if estimate.kind == "none":
        seen = "no blur"
    elif estimate.kind == "defocus":
        seen = f"defocus, about {size} wide"
    elif estimate.kind == "motion":
        seen = f"motion blur, about {size} at {round(estimate.angle or 0) % 180} degrees"
    else:
        seen = f"camera shake, about {size} wide"
    return f"{seen} ({100 * estimate.probability:.0f} % sure)"


def px(width: float) -> str:
    """Return a width with its unit."""
    return f"{width:.0f} px" if width >= WHOLE_FROM else f"{width:.1f} px"
