"""How the C library hands memory to torch."""

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # parameters of glibc's mallopt(3)
_ALL = 2**31 - 1  # bytes; the largest value that it takes
_THRESHOLDS = (2**30, 2**25)  # bytes; glibc before 2.35 takes no more than the second


def keep_freed_memory() -> None:
    """Keep freed memory for what is allocated next, instead of giving it back to the system; glibc only.

    Each training step on a CPU allocates and frees the same tens of megabytes. Given back, their pages are cleared by
    the system and mapped again in the next step, which takes 17 to 30 % of its time (see
    `python -m studies.freed_memory`). The largest amount in use stays as it is.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        if any(library.mallopt(_M_MMAP_THRESHOLD, threshold) for threshold in _THRESHOLDS):
            library.mallopt(_M_TRIM_THRESHOLD, _ALL)
