"""What the measurements share."""

import time
from collections.abc import Callable


def seconds(work: Callable[[], object]) -> float:
    """Return how long a piece of work takes [s]."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
