"""The parameters of a blur: what a family declares of each one, and the values it is drawn from."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

Numbers = Literal["any", "whole", "odd"]
ScalarOrPair = float | Sequence[float]

_KINDS: Final[Mapping[Numbers, str]] = {"any": "a number", "whole": "a whole number", "odd": "an odd whole number"}


@dataclass(frozen=True)
class Interval:
    """Numbers between two bounds, all equally likely: a scalar is a fixed value, a pair is drawn for each image.

    Attributes:
        low: Smallest value.
        high: Largest value; equal to `low` for a fixed value.
        step: Distance from one value to the next; 0 for real numbers.
    """

    low: float
    high: float
    step: int = 0

    @classmethod
    def of(cls, setting: ScalarOrPair, numbers: Numbers = "any") -> "Interval":
        """Read a scalar or a pair.

        Args:
            setting: A number or a pair [low, high].
            numbers: Which numbers are meant; for odd ones, the bounds may be even.

        Raises:
            ValueError: The setting is neither a finite number nor two of them in rising order, or holds none of the
                numbers.
        """
        bounds = (setting, setting) if isinstance(setting, int | float) else tuple(setting)
        if len(bounds) != 2 or not all(isinstance(bound, int | float) and math.isfinite(bound) for bound in bounds):
            raise ValueError(f"{setting!r} must be a finite number or a pair [low, high] of them.")
        low, high = map(float, bounds)
        if low > high:
            raise ValueError(f"{setting!r} must be in rising order, [low, high].")
        if numbers == "any":
            return cls(low, high)
        if not (low.is_integer() and high.is_integer()):
            raise ValueError(f"{setting!r} must hold whole numbers.")
        if numbers == "whole":
            return cls(low, high, step=1)
        low, high = low + (low % 2 == 0), high - (high % 2 == 0)
        if low > high:
            raise ValueError(f"{setting!r} holds no odd number.")
        return cls(low, high, step=2)

    @property
    def is_fixed(self) -> bool:
        """Whether every draw gives the same value."""
        return self.low == self.high

    def draw(self, rng: np.random.Generator) -> float:
        """Draw a value; a fixed one uses up as much of the generator as a drawn one."""
        if self.step:
            return self.low + self.step * int(rng.integers(int(self.high - self.low) // self.step + 1))
        return self.low + (self.high - self.low) * rng.random()


@dataclass(frozen=True)
class Slider:
    """The values of a parameter in the demo: from `lowest` to `highest` by `step`, at first `start`."""

    lowest: float
    highest: float
    step: float
    start: float


@dataclass(frozen=True)
class Parameter:
    """A number of a family of blurs.

    Attributes:
        label: What it is, without the unit.
        lowest: Smallest allowed value.
        highest: Largest allowed value.
        unit: Such as px; empty for a number without a unit.
        remark: What follows the unit in `title`.
        numbers: Whether any numbers are allowed, whole ones or odd ones.
        may_be_pair: Whether a pair [lo, hi] is allowed, from which a value is drawn for each image.
        optional: Whether None is allowed.
        in_mixture: Value in a mixture that does not set it; None if a mixture must set it.
        factors: By what the cross-degradation matrix multiplies a fixed value; empty for a parameter that it leaves
            alone. Of a pair it takes the ends and the middle.
        slider: Values to choose from in the demo; None for a parameter that cannot be chosen there.
    """

    label: str
    lowest: float
    highest: float
    unit: str = ""
    remark: str = ""
    numbers: Numbers = "any"
    may_be_pair: bool = True
    optional: bool = False
    in_mixture: ScalarOrPair | None = None
    factors: Sequence[float] = ()
    slider: Slider | None = None

    @property
    def title(self) -> str:
        """The label with unit and remark, such as `Side of the square (px, odd)`."""
        added = ", ".join(filter(None, (self.unit, self.remark, "odd" if self.numbers == "odd" else "")))
        return f"{self.label} ({added})" if added else self.label

    @property
    def allowed(self) -> str:
        """What is allowed, to follow `give` or `it must be`."""
        choices = [f"{_KINDS[self.numbers]} from {self.lowest:g} to {self.highest:g}"]
        choices[0] += f" [{self.unit}]" if self.unit else ""
        if self.may_be_pair:
            drawn = "between which the odd numbers are drawn" if self.numbers == "odd" else "of them (lo <= hi)"
            choices.append(f"a pair [lo,hi] {drawn}")
        if self.optional:
            choices.append("null")
        *first, last = choices
        return f"{', '.join(first)}, or {last}" if first else last

    def interval(self, name: str, value: ScalarOrPair) -> Interval:
        """Read a number or a pair of numbers.

        Raises:
            ValueError: The value is not allowed; the text names the parameter by `name`.
        """
        found = Interval.of(value, self.numbers)
        in_range = self.lowest <= found.low <= found.high <= self.highest
        if not in_range or not (self.may_be_pair or found.is_fixed):
            unit = f" {self.unit}" if self.unit else ""
            raise ValueError(f"{name} is {value}{unit}; it must be {self.allowed}.")
        return found

    def check(self, value: Any) -> None:
        """Check a value of any type, as a configuration holds it: here neither 7.0 nor true is a whole number.

        Raises:
            ValueError: The value is not allowed.
        """
        if value is None and self.optional:
            return
        bounds = value if isinstance(value, list | tuple) else [value]
        kinds = int | float if self.numbers == "any" else int
        if not all(isinstance(bound, kinds) and not isinstance(bound, bool) for bound in bounds):
            raise ValueError("of another type")
        if not all(self.lowest <= bound <= self.highest for bound in bounds):
            raise ValueError("out of range")
        self.interval("it", value)


@dataclass(frozen=True)
class Text:
    """A setting that is a text, such as the name of a file.

    Attributes:
        allowed: What is allowed, to follow `give`.
        pattern: Regular expression that the whole text matches.
        optional: Whether None is allowed.
        in_mixture: Value in a mixture that does not set it; None if a mixture must set it.
    """

    allowed: str
    pattern: str
    optional: bool = False
    in_mixture: str | None = None

    def check(self, value: Any) -> None:
        """Check a value of any type.

        Raises:
            ValueError: The value is not allowed.
        """
        is_none = value is None and self.optional
        if not is_none and not (isinstance(value, str) and re.fullmatch(self.pattern, value, re.DOTALL)):
            raise ValueError("no such text")
