"""The forward model of blur: kernels, how they are drawn, and how an image is degraded by them."""

from deblur.blur.camera import Camera
from deblur.blur.degradation import Degradation, DrawnKernel, ParametricBlur, Sampled, degrade, exposed
from deblur.blur.families import FAMILIES, Box, Disk, Gaussian, Mixed, Motion, NoBlur, Trajectory, register
from deblur.blur.kernel_fields import KernelField
from deblur.blur.kernel_file import KernelFile
from deblur.blur.kernels import Kernel, convolve
from deblur.blur.parameters import Parameter, Slider
from deblur.blur.varying import Varying

__all__ = [
    "FAMILIES",
    "Box",
    "Camera",
    "Degradation",
    "Disk",
    "DrawnKernel",
    "Gaussian",
    "Kernel",
    "KernelField",
    "KernelFile",
    "Mixed",
    "Motion",
    "NoBlur",
    "Parameter",
    "ParametricBlur",
    "Sampled",
    "Slider",
    "Trajectory",
    "Varying",
    "convolve",
    "degrade",
    "exposed",
    "register",
]
