"""The text on a blur that is seen."""

from collections.abc import Mapping
from typing import Final

from deblur.estimation.blind import AGREEMENT, KernelEstimate
from deblur.estimation.estimate import BlurEstimate, Kind

KIND_NAMES: Final[Mapping[Kind, str]] = {
    "none": "no blur",
    "defocus": "defocus",
    "motion": "motion blur",
    "shake": "camera shake",
}
WHOLE_FROM: Final = 10  # px, from which on a width is given without decimals
CLOSE_FROM: Final = 0.9  # confidence, from which on estimates of a kernel agree closely


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


def kernel_text(estimate: KernelEstimate) -> str:
    """Return the size of an estimated kernel, or of a field of kernels, and how well its estimates agree.

    Raises:
        ValueError: if no kernel was estimated.
    """
    space = " in linear light" if estimate.is_linear else ""
    agreement = "agree closely" if estimate.confidence >= CLOSE_FROM else "agree roughly"
    if estimate.field is None and estimate.confidence < AGREEMENT:
        agreement = "differ"
    sure = f"{agreement} (confidence {estimate.confidence:.2f})"
    if estimate.field is not None:
        down, across, height, width = estimate.field.psfs.shape
        places = f"at {across}x{down} places"
        return f"The blur varies: kernels of {width}x{height} px{space} {places}, of which neighbors {sure}"
    if estimate.kernel is None:
        raise ValueError("there is no kernel")
    height, width = estimate.kernel.shape
    return f"Kernel of {width}x{height} px{space}, of which several estimates {sure}"


def px(width: float) -> str:
    """Return a width with its unit."""
    return f"{width:.0f} px" if width >= WHOLE_FROM else f"{width:.1f} px"
