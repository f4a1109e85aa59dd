"""What is seen of the blur of an image: its kind, width and direction, and where it is widest."""

from deblur.estimation.blind import KernelEstimate, estimate_kernel, explained_fraction
from deblur.estimation.detail import most_blurred
from deblur.estimation.estimate import BlurEstimate, Kind, estimate
from deblur.estimation.training import trained_widths
from deblur.estimation.wording import blur_text, kernel_text

__all__ = [
    "BlurEstimate",
    "KernelEstimate",
    "Kind",
    "blur_text",
    "estimate",
    "estimate_kernel",
    "explained_fraction",
    "kernel_text",
    "most_blurred",
    "trained_widths",
]
