"""What a family of blurs declares of each of its settings: meaning, unit, allowed values, and where it is used."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from deblur.blur.intervals import Interval, ScalarOrPair, WholeNumbers

Numbers = Literal["any", "whole", "odd"]

_READERS: Final = {"any": Interval.of, "whole": WholeNumbers.of, "odd": WholeNumbers.odd}
_ARTICLES: Final[Mapping[Numbers, str]] = {"any": "a number", "whole": "a whole number", "odd": "an odd whole number"}


@dataclass(frozen=True)
class Slider:
    """The values of a parameter that can be chosen in the demo.

    Attributes:
        lowest: Smallest value.
        highest: Largest value.
        step: Distance from one value to the next.
        start: Value that is chosen first.
    """

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
        remark: What stands beside the unit in `title`.
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
        beside = ", ".join(filter(None, (self.unit, self.remark, "odd" if self.numbers == "odd" else "")))
        return f"{self.label} ({beside})" if beside else self.label

    @property
    def allowed(self) -> str:
        """What is allowed, to follow `give` or `it must be`."""
        choices = [f"{_ARTICLES[self.numbers]} from {self.lowest:g} to {self.highest:g}"]
        choices[0] += f" [{self.unit}]" if self.unit else ""
        if self.may_be_pair:
            is_odd = self.numbers == "odd"
            choices.append(f"a pair [lo,hi] {'between which the odd numbers are drawn' if is_odd else 'of them'}")
        if self.optional:
            choices.append("null")
        *first, last = choices
        return f"{', '.join(first)}, or {last}" if first else last

    def interval(self, name: str, value: ScalarOrPair) -> Interval:
        """Read a value.

        Args:
            name: Of the parameter.
            value: A number, or a pair of numbers.

        Raises:
            ValueError: If the value is not allowed.
        """
        found = _READERS[self.numbers](value)
        in_range = self.lowest <= found.low <= found.high <= self.highest
        if not in_range or not (self.may_be_pair or found.is_fixed):
            unit = f" {self.unit}" if self.unit else ""
            raise ValueError(f"{name} is {value}{unit}; it must be {self.allowed}.")
        return found

    def check(self, value: Any) -> None:
        """Check a value of any type, as a configuration holds it: here neither 7.0 nor true is a whole number.

        Raises:
            ValueError: If the value is not allowed.
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
    """

    allowed: str
    pattern: str
    optional: bool = False

    def check(self, value: Any) -> None:
        """Check a value of any type.

        Raises:
            ValueError: If the value is not allowed.
        """
        if value is None and self.optional:
            return
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value, re.DOTALL):
            raise ValueError("no such text")
