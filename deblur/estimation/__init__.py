"""What is seen of the blur of an image: its kind, width and direction, and where it is widest."""

from deblur.estimation.blind import KernelEstimate, estimate_kernel, explained_fraction
from deblur.estimation.detail import most_blurred
from deblur.estimation.estimate import BlurEstimate, Kind, estimate
from deblur.estimation.kernel_field import estimate_kernels
from deblur.estimation.refinement import refined, window_explained
from deblur.estimation.training import trained_widths
from deblur.estimation.visibility import visibility, visible_spread
from deblur.estimation.wording import blur_text, kernel_text

__all__ = [
    "BlurEstimate",
    "KernelEstimate",
    "Kind",
    "blur_text",
    "estimate",
    "estimate_kernel",
    "estimate_kernels",
    "explained_fraction",
    "kernel_text",
    "most_blurred",
    "refined",
    "trained_widths",
    "visibility",
    "visible_spread",
    "window_explained",
]
