from collections.abc import Sequence

import numpy as np
import pytest

from deblur.reporting.answers import Interval
from studies.srcnn_2022.verdicts import (
    SMALLEST,
    Comparison,
    Outcome,
    Verdict,
    existence_verdict,
    general_verdict,
    judge,
)

BETTER, WORSE, NONE, UNKNOWN = (0.2, 0.3), (-0.2, -0.3), (0.01, 0.02), (0.5,)  # the differences of each seed [dB]
OPEN = (-0.05, 0.15)  # [dB]: neither a gain nor its lack


def comparison(seeds: Sequence[float], blur: str = "box") -> Comparison:
    """Return a comparison whose test images scatter little around the mean of the seeds."""
    images = np.mean(seeds) + np.linspace(-0.005, 0.005, 11)
    return Comparison(blur, "", dict(enumerate(seeds)), images)


@pytest.mark.parametrize(
    ("mean", "interval", "seeds", "outcome", "why"),
    [
        (0.2, (0.1, 0.3), (0.1, 0.3), Outcome.BETTER, ""),
        (-0.2, (-0.3, -0.1), (-0.1, -0.3), Outcome.WORSE, ""),
        (SMALLEST, (0.01, 0.1), (0.04, 0.06), Outcome.BETTER, ""),
        (0.04, (0.03, 0.05), (0.04, 0.04), Outcome.NONE, "below 0.05 dB"),
        (-0.04, (-0.05, -0.03), (-0.04, -0.04), Outcome.NONE, "below 0.05 dB"),
        (0.2, (-0.1, 0.5), (0.1, 0.3), Outcome.NONE, "the interval holds 0"),
        (0.2, (0.0, 0.5), (0.1, 0.3), Outcome.NONE, "the interval holds 0"),
        (0.2, (0.1, 0.3), (-0.1, 0.5), Outcome.NONE, "the seeds disagree"),
        (0.2, (0.1, 0.3), (0.0, 0.4), Outcome.NONE, "the seeds disagree"),
        (0.2, (0.1, 0.3), (0.2,), Outcome.UNKNOWN, "fewer than 2 seeds"),
        (0.2, None, (0.1, 0.3), Outcome.UNKNOWN, "fewer than 2 test images"),
        (None, None, (), Outcome.UNKNOWN, "fewer than 2 test images"),
    ],
)
def test_a_difference_counts_by_the_rule(
    mean: float | None, interval: tuple[float, float] | None, seeds: Sequence[float], outcome: Outcome, why: str
) -> None:
    assert judge(mean, None if interval is None else Interval(*interval), seeds) == (outcome, why)


def test_a_comparison_tells_its_numbers() -> None:
    found = Comparison("box", "", {0: 0.25, 1: 0.75}, np.array([1.0, 1.0, -0.5, 0.5]))
    assert found.mean == 0.5
    assert found.share_better == 0.75
    assert found.interval is not None
    assert found.interval.low < 0.5 < found.interval.high


@pytest.mark.parametrize(
    ("box", "motion", "verdict"),
    [
        ([BETTER, BETTER], [BETTER], Verdict.SUPPORTED),
        ([WORSE], [WORSE], Verdict.REFUTED),
        ([WORSE], [NONE], Verdict.REFUTED),
        ([NONE], [NONE, NONE], Verdict.NO_DIFFERENCE),
        ([BETTER], [WORSE], Verdict.BY_BLUR),
        ([BETTER, BETTER], [NONE, NONE], Verdict.BY_BLUR),
        ([BETTER, NONE], [BETTER, NONE], Verdict.BY_SETTING),
        ([BETTER, WORSE], [], Verdict.BY_SETTING),
        ([BETTER, WORSE], [NONE], Verdict.BY_SETTING),
        ([UNKNOWN], [], Verdict.UNKNOWN),
        ([], [], Verdict.UNKNOWN),
        ([BETTER, UNKNOWN], [BETTER], Verdict.SUPPORTED),
    ],
)
def test_the_verdict_on_what_is_said_to_be_better(
    box: list[Sequence[float]], motion: list[Sequence[float]], verdict: Verdict
) -> None:
    shown = [*map(comparison, box), *(comparison(seeds, "motion") for seeds in motion)]
    assert general_verdict(shown) is verdict


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        ([BETTER, BETTER, NONE], Verdict.SUPPORTED),
        ([BETTER, WORSE], Verdict.SUPPORTED),
        ([NONE], Verdict.SUPPORTED),
        ([OPEN], Verdict.UNKNOWN),
        ([OPEN, BETTER], Verdict.UNKNOWN),
        ([OPEN, WORSE], Verdict.SUPPORTED),
        ([OPEN, NONE], Verdict.SUPPORTED),
        ([UNKNOWN, OPEN], Verdict.UNKNOWN),
        ([BETTER, BETTER], Verdict.REFUTED),
        ([BETTER, UNKNOWN], Verdict.REFUTED),
        ([UNKNOWN], Verdict.UNKNOWN),
        ([], Verdict.UNKNOWN),
    ],
)
def test_the_verdict_on_what_is_said_to_be_not_always_better(
    differences: list[Sequence[float]], verdict: Verdict
) -> None:
    assert existence_verdict(list(map(comparison, differences))) is verdict
