"""Numbers of a blur's settings: a scalar is a fixed value, a pair [low, high] is drawn again for each image."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ScalarOrPair = float | Sequence[float]


@dataclass(frozen=True)
class Interval:
    """Real numbers between two bounds, all equally likely.

    Attributes:
        low: Smallest value.
        high: Largest value; equal to `low` for a fixed value.
    """

    low: float
    high: float

    @classmethod
    def of(cls, setting: ScalarOrPair) -> "Interval":
        """Read a scalar or a pair.

        Raises:
            ValueError: If the setting is neither a finite number nor two of them in rising order.
        """
        bounds = (setting, setting) if isinstance(setting, int | float) else tuple(setting)
        if len(bounds) != 2 or not all(isinstance(bound, int | float) and math.isfinite(bound) for bound in bounds):
            raise ValueError(f"{setting!r} must be a finite number or a pair [low, high] of them.")
        if bounds[0] > bounds[1]:
            raise ValueError(f"{setting!r} must be in rising order, [low, high].")
        return cls(float(bounds[0]), float(bounds[1]))

    @property
    def is_fixed(self) -> bool:
        """Tell whether every draw gives the same value."""
        return self.low == self.high

    def draw(self, rng: np.random.Generator) -> float:
        """Draw a value uniformly; a fixed one uses up as much of the generator as a drawn one."""
        return self.low + (self.high - self.low) * rng.random()


@dataclass(frozen=True)
class WholeNumbers(Interval):
    """Whole numbers between two bounds, all equally likely.

    Attributes:
        step: Distance from one to the next: 1, or 2 for the odd ones if `low` is odd.
    """

    step: int = 1

    @classmethod
    def of(cls, setting: ScalarOrPair) -> "WholeNumbers":
        """Read a scalar or a pair of whole numbers.

        Raises:
            ValueError: As in `Interval.of`, or if a number is not whole.
        """
        bounds = Interval.of(setting)
        if not (bounds.low.is_integer() and bounds.high.is_integer()):
            raise ValueError(f"{setting!r} must hold whole numbers.")
        return cls(bounds.low, bounds.high)

    @classmethod
    def odd(cls, setting: ScalarOrPair) -> "WholeNumbers":
        """Read the odd numbers of a scalar or of a pair, whose bounds may be even.

        Raises:
            ValueError: As in `WholeNumbers.of`, or if no number in the range is odd.
        """
        bounds = cls.of(setting)
        low, high = bounds.low + (bounds.low % 2 == 0), bounds.high - (bounds.high % 2 == 0)
        if low > high:
            raise ValueError(f"{setting!r} holds no odd number.")
        return cls(low, high, step=2)

    def draw(self, rng: np.random.Generator) -> float:
        """Draw one of the numbers."""
        return self.low + self.step * int(rng.integers(int(self.high - self.low) // self.step + 1))
