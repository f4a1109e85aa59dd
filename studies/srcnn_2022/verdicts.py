"""The rule by which runs speak for a claim or against it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from deblur.reporting.answers import Interval, mean_interval

SMALLEST = 0.05  # [dB]; a smaller difference is invisible, and no larger than that of another training
LEAST_SEEDS = 2  # one training of each side does not show the variation of others


class Outcome(StrEnum):
    """What one comparison shows."""

    BETTER = "better"
    WORSE = "worse"
    NONE = "no difference that counts"
    UNKNOWN = "not judged"


class Verdict(StrEnum):
    """What all comparisons of a claim show together."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    NO_DIFFERENCE = "no difference that matters"
    BY_BLUR = "depends on the blur"
    BY_SETTING = "depends on the settings"
    UNKNOWN = "not known yet"


@dataclass(frozen=True)
class Comparison:
    """What is claimed to be better against what it is compared with, under equal conditions.

    Attributes:
        blur: on which.
        setting: what else was set.
        seeds: the differences of each seed, in the mean of its test images [dB].
        images: the difference of each test image, averaged over the seeds [dB].
    """

    blur: str
    setting: str
    seeds: Mapping[int, float]
    images: NDArray[np.float64]

    @property
    def mean(self) -> float | None:
        """The mean difference [dB]."""
        return float(np.mean(self.images)) if self.images.size else None

    @cached_property
    def interval(self) -> Interval | None:
        """The 95 % interval of the mean over the choice of test images [dB]."""
        return mean_interval(self.images)

    @property
    def share_better(self) -> float | None:
        """The part of the test images that are better."""
        return float(np.mean(self.images > 0)) if self.images.size else None

    @property
    def excludes_a_gain(self) -> bool:
        """Whether the whole interval lies below the smallest gain that counts."""
        return self.interval is not None and self.interval.high < SMALLEST

    @cached_property
    def judged(self) -> tuple[Outcome, str]:
        """The outcome, and why a difference does not count; see `judge`."""
        return judge(self.mean, self.interval, list(self.seeds.values()))


def judge(mean: float | None, interval: Interval | None, seeds: Sequence[float]) -> tuple[Outcome, str]:
    """Return what a difference shows, and the reason if it does not count.

    It counts if the interval leaves out 0, all seeds agree in sign and the mean is at least `SMALLEST`.

    Args:
        mean: of the differences over the test images [dB].
        interval: of that mean [dB].
        seeds: the mean difference of each seed [dB].
    """
    if mean is None or interval is None:
        return Outcome.UNKNOWN, "fewer than 2 test images"
    if len(seeds) < LEAST_SEEDS:
        return Outcome.UNKNOWN, f"fewer than {LEAST_SEEDS} seeds"
    if 0.0 in interval:
        return Outcome.NONE, "the interval holds 0"
    if len({np.sign(one) for one in seeds}) > 1:
        return Outcome.NONE, "the seeds disagree"
    if abs(mean) < SMALLEST:
        return Outcome.NONE, f"below {SMALLEST} dB"
    return (Outcome.BETTER if mean > 0 else Outcome.WORSE), ""


def general_verdict(comparisons: Sequence[Comparison]) -> Verdict:
    """Return the verdict on "this is better".

    It is supported if every comparison that can be judged is better, and refuted if none is better and some are
    worse.
    """
    outcomes = _judged(comparisons)
    kinds = {outcome for _, outcome in outcomes}
    if kinds == {Outcome.WORSE, Outcome.NONE}:
        return Verdict.REFUTED
    if len(kinds) > 1:
        is_by_blur = all(len({kind for blur, kind in outcomes if blur == one}) == 1 for one, _ in outcomes)
        return Verdict.BY_BLUR if is_by_blur else Verdict.BY_SETTING
    alone = {Outcome.BETTER: Verdict.SUPPORTED, Outcome.WORSE: Verdict.REFUTED, Outcome.NONE: Verdict.NO_DIFFERENCE}
    return alone[kinds.pop()] if kinds else Verdict.UNKNOWN


def existence_verdict(comparisons: Sequence[Comparison]) -> Verdict:
    """Return the verdict on "this is not always better".

    One comparison supports it that is worse, or whose interval excludes a gain that counts. That a gain was not found
    is no support: there may have been too few test images or seeds to find it. It is refuted if all that can be
    judged are better.
    """
    judged = [one for one in comparisons if one.judged[0] is not Outcome.UNKNOWN]
    if any(one.judged[0] is Outcome.WORSE or one.excludes_a_gain for one in judged):
        return Verdict.SUPPORTED
    is_always_better = bool(judged) and all(one.judged[0] is Outcome.BETTER for one in judged)
    return Verdict.REFUTED if is_always_better else Verdict.UNKNOWN


def _judged(comparisons: Sequence[Comparison]) -> list[tuple[str, Outcome]]:
    found = [(one.blur, one.judged[0]) for one in comparisons]
    return [(blur, outcome) for blur, outcome in found if outcome is not Outcome.UNKNOWN]
