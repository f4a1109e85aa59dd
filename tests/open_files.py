"""A limit on the files that this process may open."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def files_left(count: int) -> Iterator[int]:
    """Let this process open so many more files; yields the limit, below which all their numbers are."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = free = 0
    while free < count:
        free += 1
        with suppress(OSError):
            os.fstat(limit)
            free -= 1
        limit += 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        yield limit
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
