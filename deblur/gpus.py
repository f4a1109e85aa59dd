"""Which GPU of a machine a run takes, when several runs are there."""

import getpass
import itertools
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def claimed(names: Sequence[str], folder: Path | None = None) -> Iterator[int]:
    """Take the first free GPU while the block runs; where none is free, share the first of those with fewest runs.

    The claims are locks of the operating system, so they end with the process. They tell of this user's runs alone.

    Args:
        names: one for each GPU, the same in every process.
        folder: where the claims lie; by default a folder of this user's for temporary files.

    Yields:
        The index of the GPU in `names`.
    """
    place = folder or Path(tempfile.gettempdir()) / f"deblur-gpus-{_user()}"
    place.mkdir(parents=True, exist_ok=True)
    # Claim 0 of every GPU is tried before claim 1 of any.
    for index, claim in (
        (index, f"{name}.{claims}") for claims in itertools.count() for index, name in enumerate(names)
    ):
        lock = FileLock(place / claim)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        try:
            yield index
        finally:
            lock.release()
        return


def _user() -> str:
    """Return what tells users apart; in a container a user may have a number and no name."""
    return str(os.getuid()) if hasattr(os, "getuid") else getpass.getuser()
