"""What the measurements share."""

import statistics
import time
from collections.abc import Callable, Sequence

from benchmarks.results import median_ratio


def seconds(work: Callable[[], object]) -> float:
    """Return how long a piece of work takes [s]."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interleaved(ways: Sequence[Callable[[], object]], count: int, repeats: int = 7) -> list[tuple[float, float]]:
    """Time ways of doing the same in turn.

    Args:
        ways: what is timed, after a warm-up.
        count: how many images each of them takes.
        repeats: how often each is timed.

    Returns:
        For each way its median rate [images/s], and the median of its rate over that of the first.
    """
    for way in ways:
        way()
    rounds = [[seconds(way) for way in ways] for _ in range(repeats)]
    return [
        (count / statistics.median(times), median_ratio([(each[0], each[place]) for each in rounds]))
        for place, times in enumerate(zip(*rounds, strict=True))
    ]
