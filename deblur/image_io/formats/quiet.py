"""Keep Pillow from warning of odd metadata, which cannot change a pixel, in several threads."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.RLock()


@contextmanager
def without_warnings() -> Iterator[None]:
    """Ignore warnings in a block, which has to be short.

    Filters of warnings belong to the process: of two threads that change them, the later one would restore those of the
    other, for good.
    """
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
