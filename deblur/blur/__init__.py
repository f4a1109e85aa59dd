"""The forward model of blur: kernels, how they are drawn, and how an image is degraded by them."""

from deblur.blur.convolution import Kernel, convolve
from deblur.blur.degradation import Degradation, DrawnKernel, ParametricBlur, Sampled, degrade
from deblur.blur.families import Box, Disk, Gaussian, Motion, NoBlur, Trajectory
from deblur.blur.kernel_file import KernelFile
from deblur.blur.mixed import Mixed
from deblur.blur.parameters import Parameter, Slider
from deblur.blur.registry import FAMILIES, register

__all__ = [
    "FAMILIES",
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
    "Parameter",
    "ParametricBlur",
    "Sampled",
    "Slider",
    "Trajectory",
    "convolve",
    "degrade",
    "register",
]
