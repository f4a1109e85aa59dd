"""Confidence intervals over the test images."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
RESAMPLES = 9999
SEED = 0  # of the resampling: a second report says the same
NUMBERS_AT_ONCE = 2_000_000  # resampled values held in memory, 16 MB


class Interval(NamedTuple):
    """Where a mean lies."""

    low: float
    high: float

    def __contains__(self, value: object) -> bool:
        """Tell whether a number lies within."""
        return isinstance(value, int | float) and self.low <= value <= self.high


def mean_interval(values: NDArray[np.float64]) -> Interval | None:
    """Return the 95 % interval of a mean by the bias-corrected and accelerated bootstrap (Efron 1987).

    Args:
        values: one number a test image (N,); those that are not finite are left out.

    Returns:
        None where fewer than two numbers are left: one image tells nothing of the others.
    """
    from scipy.stats import bootstrap  # type: ignore[import-untyped] # it has no types

    values = values[np.isfinite(values)]
    if values.size < 2:
        return None
    if np.ptp(values) == 0:
        return Interval(float(values[0]), float(values[0]))
    for method in ("BCa", "percentile"):  # the first is not defined for some samples of few different values
        found = bootstrap(
            (values,),
            np.mean,
            n_resamples=RESAMPLES,
            batch=max(1, NUMBERS_AT_ONCE // values.size),
            confidence_level=CONFIDENCE,
            method=method,
            rng=np.random.default_rng(SEED),
        ).confidence_interval
        if np.isfinite(found.low) and np.isfinite(found.high):
            break
    return Interval(float(found.low), float(found.high))
