"""The forward model of blur: kernels, how they are drawn, and how an image is degraded by them."""

from deblur.blur.convolution import Kernel, convolve
from deblur.blur.degradation import (
    Box,
    Degradation,
    Disk,
    DrawnKernel,
    Gaussian,
    Motion,
    NoBlur,
    ParametricBlur,
    Sampled,
)
from deblur.blur.kernel_file import KernelFile
from deblur.blur.mixed import Mixed
from deblur.blur.trajectories import Trajectory

__all__ = [
    "Box",
    "Degradation",
    "Disk",
    "DrawnKernel",
    "Gaussian",
    "Kernel",
    "KernelFile",
    "Mixed",
    "Motion",
    "NoBlur",
    "ParametricBlur",
    "Sampled",
    "Trajectory",
    "convolve",
]
