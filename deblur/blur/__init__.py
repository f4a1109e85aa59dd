"""The forward model of blur: kernels, how they are drawn, and how a picture is degraded by them."""

from deblur.blur.convolution import Kernel, convolve
from deblur.blur.degradation import (
    Box,
    Degradation,
    Disk,
    Gaussian,
    Motion,
    NoBlur,
    ParametricBlur,
    Sampled,
)

__all__ = [
    "Box",
    "Degradation",
    "Disk",
    "Gaussian",
    "Kernel",
    "Motion",
    "NoBlur",
    "ParametricBlur",
    "Sampled",
    "convolve",
]
