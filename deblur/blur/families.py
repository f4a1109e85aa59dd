"""The families of blurs that come with the package: each with all that the rest of the program knows of it."""

import math
from collections.abc import Mapping
from typing import ClassVar, Final, Unpack

import numpy as np

from deblur.blur import kernels
from deblur.blur.convolution import Kernel
from deblur.blur.degradation import AfterBlur, Degradation, DrawnKernel, ParametricBlur
from deblur.blur.intervals import ScalarOrPair
from deblur.blur.parameters import Parameter, Slider
from deblur.blur.registry import register
from deblur.blur.trajectories import rasterize, trajectory

HALF_AND_TWICE: Final = (0.5, 2.0)
"""How much weaker and stronger than in training a blur is in the cross-degradation matrix."""


@register
class Gaussian(ParametricBlur):
    """A round gaussian."""

    family = "gaussian"
    label = "Gaussian"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "sigma": Parameter(
            "Sigma",
            0.05,
            100,
            unit="px",
            in_mixture=(1.0, 3.0),
            factors=HALF_AND_TWICE,
            slider=Slider(0.5, 6, step=0.1, start=2),
        )
    }
    make_psf = staticmethod(kernels.gaussian)

    def __init__(self, sigma: ScalarOrPair, **after: Unpack[AfterBlur]) -> None:
        """Set sigma in px."""
        super().__init__({"sigma": sigma}, **after)


@register
class Box(ParametricBlur):
    """The mean of a square."""

    family = "box"
    label = "Box"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "size": Parameter(
            "Side of the square",
            1,
            501,
            unit="px",
            numbers="odd",
            in_mixture=(3, 9),
            factors=HALF_AND_TWICE,
            slider=Slider(3, 21, step=2, start=7),
        )
    }
    make_psf = staticmethod(kernels.box)

    def __init__(self, size: ScalarOrPair, **after: Unpack[AfterBlur]) -> None:
        """Set the size in px, odd; of a pair, the odd sizes are drawn."""
        super().__init__({"size": size}, **after)


@register
class Motion(ParametricBlur):
    """A straight line, as of a camera or an object that moves evenly."""

    family = "motion"
    label = "Motion"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "length": Parameter(
            "Length",
            1,
            501,
            unit="px",
            in_mixture=(5.0, 25.0),
            factors=HALF_AND_TWICE,
            slider=Slider(1, 41, step=1, start=11),
        ),
        "angle": Parameter(
            "Angle",
            -360,
            360,
            unit="degrees",
            remark="counter-clockwise",
            in_mixture=(0.0, 180.0),
            slider=Slider(0, 180, step=5, start=0),
        ),
    }
    make_psf = staticmethod(kernels.motion)

    def __init__(self, length: ScalarOrPair, angle: ScalarOrPair, **after: Unpack[AfterBlur]) -> None:
        """Set the length in px and the angle in degrees, counter-clockwise."""
        super().__init__({"length": length, "angle": angle}, **after)

    @property
    def max_kernel_size(self) -> tuple[int, int]:
        """The largest height and width among the angles, for the largest length."""
        length, angles = self.intervals["length"].high, self.intervals["angle"]
        high = min(angles.high, angles.low + 180.0)
        # The corner of a line of width 1 reaches farthest when its diagonal, atan(1 / length) off the line, lies on
        # an axis; between these angles and the bounds, height and width only rise or fall.
        diagonal = math.degrees(math.atan(1 / length))
        axes = range(90 * math.floor(angles.low / 90), math.ceil(high) + 91, 90)
        turns = [axis + side * diagonal for axis in axes for side in (-1, 1)]
        candidates = [angles.low, high, *(turn for turn in turns if angles.low < turn < high)]
        heights, widths = zip(*(kernels.motion(length, angle).shape for angle in candidates), strict=True)
        return max(heights), max(widths)


@register
class Disk(ParametricBlur):
    """A disk, as of a lens out of focus."""

    family = "disk"
    label = "Disk"
    cause = "out of focus"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "radius": Parameter(
            "Radius",
            0.5,
            250,
            unit="px",
            in_mixture=(1.0, 5.0),
            factors=HALF_AND_TWICE,
            slider=Slider(0.5, 10, step=0.5, start=3),
        )
    }
    make_psf = staticmethod(kernels.disk)

    def __init__(self, radius: ScalarOrPair, **after: Unpack[AfterBlur]) -> None:
        """Set the radius in px."""
        super().__init__({"radius": radius}, **after)


@register
class Trajectory(Degradation):
    """Camera shake: a random path, another one for each image."""

    family = "trajectory"
    label = "Camera shake"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "extent": Parameter(
            "Extent of the path",
            1,
            250,
            unit="px",
            in_mixture=(5.0, 25.0),
            factors=HALF_AND_TWICE,
            slider=Slider(1, 41, step=1, start=15),
        ),
        "shake": Parameter(
            "Shake",
            0,
            1,
            remark="0 is steady, 1 very unsteady",
            in_mixture=(0.0, 1.0),
            slider=Slider(0, 1, step=0.05, start=0.5),
        ),
    }

    def __init__(self, extent: ScalarOrPair, shake: ScalarOrPair, **after: Unpack[AfterBlur]) -> None:
        """Set how large and how unsteady the paths are.

        Args:
            extent: Largest distance between two points of the path in px.
            shake: How unsteady the camera is: 0 is a straight, even movement in any direction.
            **after: Noise and compression, as in `Degradation`.

        Raises:
            ValueError: If a value is outside what is allowed.
        """
        super().__init__(**after)
        self.extent = self.parameters["extent"].interval("extent", extent)
        self.shake = self.parameters["shake"].interval("shake", shake)

    def draw_kernel(self, rng: np.random.Generator) -> DrawnKernel:
        """Draw the parameters and a path: it differs also where the parameters are fixed."""
        extent, shake = self.extent.draw(rng), self.shake.draw(rng)
        kernel = Kernel(rasterize(trajectory(rng, extent, shake)))
        return DrawnKernel(kernel, self.family, {"extent": extent, "shake": shake})

    @property
    def max_kernel_size(self) -> tuple[int, int]:
        """The size for a camera that rests at one end of its path for nearly all of the exposure."""
        # The center of mass lies within the path, so no point is further from it than the extent.
        size = 2 * math.ceil(self.extent.high) + 1
        return size, size


@register
class NoBlur(ParametricBlur):
    """No blur: noise, rounding and compression alone."""

    family = "none"
    label = "No blur"
    make_psf = staticmethod(kernels.identity)

    def __init__(self, **after: Unpack[AfterBlur]) -> None:
        """Set noise and compression."""
        super().__init__({}, **after)
