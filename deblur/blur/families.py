"""The registry of blur families, the families that come with the package, and mixtures of families."""

import importlib
import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, TypeVar, Unpack

import numpy as np

from deblur.blur import kernels
from deblur.blur.camera import CAMERA_PARAMETERS
from deblur.blur.degradation import SHARED_PARAMETERS, AfterBlur, Degradation, DrawnKernel, ParametricBlur
from deblur.blur.kernels import Kernel
from deblur.blur.parameters import Parameter, ScalarOrPair, Slider, Text
from deblur.blur.trajectories import rasterize, trajectory
from deblur.errors import UserError

Family = TypeVar("Family", bound=type[Degradation])

FAMILIES: Final[dict[str, type[Degradation]]] = {}
"""The registered families by name, those of the package first."""


def register(family: Family) -> Family:
    """Register a family: a decorator of its class.

    Raises:
        ValueError: Another class has the name, or another family has a parameter of the same name and another unit:
            tables name a parameter by its name alone.
    """
    known = FAMILIES.get(family.family)
    if known is not None and import_path(known) != import_path(family):
        raise ValueError(f"The family {family.family} is {import_path(known)} already: give {family} another name.")
    units = parameter_units()
    for name, parameter in family.parameters.items():
        if known is None and units.get(name, parameter.unit) != parameter.unit:
            raise ValueError(
                f"The parameter {name} of the family {family.family} is in {parameter.unit or 'no unit'}, and that of "
                f"another family in {units[name] or 'no unit'}: give it another name."
            )
    FAMILIES[family.family] = family
    return family


def import_families(modules: Iterable[str]) -> None:
    """Import modules that the user trusts, so that the families in them are registered.

    Raises:
        UserError: A module cannot be imported.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise UserError(f"The trusted module {module} cannot be imported: {error}.") from error


def import_path(family: type[Degradation]) -> str:
    """Return the full name of a class, to write behind `_target_`."""
    return f"{family.__module__}.{family.__qualname__}"


def parameter_units() -> dict[str, str]:
    """Return the unit of each parameter of the registered families, and of those that all blurs share, by name."""
    declared: list[tuple[str, Parameter]] = [*SHARED_PARAMETERS.items(), *CAMERA_PARAMETERS.items()]
    for family in FAMILIES.values():
        declared += family.parameters.items()
    return {name: parameter.unit for name, parameter in declared}


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
        """Set the largest distance between two points of a path in px, and the shake, 0 for an even straight line."""
        super().__init__(**after)
        self.extent = self.parameters["extent"].interval("extent", extent)
        self.shake = self.parameters["shake"].interval("shake", shake)

    def draw_kernel(self, rng: np.random.Generator) -> DrawnKernel:
        """Draw the parameters and a path, which differs even if the parameters are fixed."""
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


class Mixed(Degradation):
    """A mixture: the family is drawn for each image, then its parameters. Noise and compression are shared."""

    family = "mixed"

    def __init__(self, families: Mapping[str, Mapping[str, Any] | None], **after: Unpack[AfterBlur]) -> None:
        """Set the families.

        Args:
            families: By name of a registered family, the arguments of its class, and in `weight` how often it is
                drawn in relation to the others, 1 if absent. A family that is None or of weight 0 is left out.
            **after: Noise and compression, as in `Degradation`.

        Raises:
            ValueError: A family is unknown, its arguments are not allowed, or none is left to draw from.
        """
        super().__init__(**after)
        # In the order of their names: the order in which they are written must not change what is drawn.
        given = {name: arguments for name, arguments in sorted(completed(families).items()) if arguments is not None}
        weights = {name: _weight(name, arguments.pop("weight", 1)) for name, arguments in given.items()}
        members = {name: _family(name, arguments) for name, arguments in given.items()}
        total = sum(weights.values())
        if not total > 0:
            raise ValueError("families has nothing to draw from: give at least one family a weight above 0.")
        self.probabilities = {name: weight / total for name, weight in weights.items() if weight > 0}
        self._members = [members[name] for name in self.probabilities]

    def draw_kernel(self, rng: np.random.Generator) -> DrawnKernel:
        """Draw a family, and from it a kernel."""
        drawn = rng.choice(len(self._members), p=list(self.probabilities.values()))
        return self._members[drawn].draw_kernel(rng)

    @property
    def varies_over_image(self) -> bool:
        """Whether one of the families has fields of kernels."""
        return any(member.varies_over_image for member in self._members)

    @property
    def max_kernel_size(self) -> tuple[int, int]:
        """The largest height and the largest width among the families."""
        heights, widths = zip(*(member.max_kernel_size for member in self._members), strict=True)
        return max(heights), max(widths)


def completed(families: Mapping[str, Mapping[str, Any] | None]) -> dict[str, dict[str, Any] | None]:
    """Return families with the parameters that they leave out, as far as these have a value for mixtures."""
    return {
        name: None if arguments is None else {**arguments, **_usual(name, arguments)}
        for name, arguments in families.items()
    }


def _usual(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    declared: dict[str, Parameter | Text] = {}
    if name in FAMILIES:
        declared = {**FAMILIES[name].parameters, **FAMILIES[name].texts}
    usual = {key: parameter.in_mixture for key, parameter in declared.items() if key not in arguments}
    return {
        key: list(value) if isinstance(value, list | tuple) else value
        for key, value in usual.items()
        if value is not None
    }


def _weight(name: str, weight: Any) -> float:
    if not isinstance(weight, int | float) or not (math.isfinite(weight) and weight >= 0):
        raise ValueError(f"families.{name}: weight is {weight!r}; it must be a finite number of at least 0.")
    return float(weight)


def _family(name: str, arguments: Mapping[str, Any]) -> Degradation:
    if name not in FAMILIES:
        raise ValueError(f"families.{name} is unknown; there are {', '.join(FAMILIES)}.")
    if shared := arguments.keys() & AfterBlur.__annotations__:
        raise ValueError(f"families.{name}: {', '.join(sorted(shared))} must be set for the mixture as a whole.")
    try:
        return FAMILIES[name](**arguments)
    except (TypeError, ValueError) as error:
        raise ValueError(f"families.{name}: {error}") from error
