"""A mixture of blurs: the family is drawn for each image, then its parameters."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from deblur.blur.degradation import AfterBlur, Degradation, DrawnKernel
from deblur.blur.registry import FAMILIES


class Mixed(Degradation):
    """A family drawn for each image, with noise and compression that are the same for all families."""

    family = "mixed"

    def __init__(self, families: Mapping[str, Mapping[str, Any] | None], **after: Unpack[AfterBlur]) -> None:
        """Set the families.

        Args:
            families: By name (of a registered family), the arguments of the family's class, and in `weight` how often
                it is drawn in relation to the others, 1 if absent. A family that is None or of weight 0 is left out.
            **after: Noise and compression, as in `Degradation`.

        Raises:
            ValueError: If a family is unknown, its arguments are not allowed, or none is left to draw from.
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
    declared = FAMILIES[name].parameters if name in FAMILIES else {}
    usual = {key: parameter.in_mixture for key, parameter in declared.items() if key not in arguments}
    return {
        key: list(value) if isinstance(value, Sequence) else value for key, value in usual.items() if value is not None
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
