"""Which GPU of a machine a run takes, when several runs are there."""

import getpass
import itertools
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from deblur.errors import UserError
from deblur.reading import reason_of


@contextmanager
def claimed(names: Sequence[str], folder: Path | None = None) -> Iterator[int]:
    """Take the GPU with the fewest runs while the block runs, the first of several: a free one, or one to share.

    The claims are locks of the operating system, so they end with the process. They tell of this user's runs alone.

    Args:
        names: one for each GPU, the same in every process.
        folder: where the claims lie; by default a folder of this user's for temporary files.

    Yields:
        The index of the GPU in `names`.

    Raises:
        UserError: if the claims cannot be written.
    """
    place = folder or Path(tempfile.gettempdir()) / f"deblur-gpus-{_user()}"
    try:
        place.mkdir(parents=True, exist_ok=True)
        # One at a time looks at the claims of the others: the first claim of a GPU may have ended before its second.
        with FileLock(place / "choosing"):
            _, index = min((_runs_on(place, name), index) for index, name in enumerate(names))
            claim = _first_free_claim(place, names[index])
    except OSError as error:
        raise UserError(
            f"{place} cannot be used to share the GPUs among runs ({reason_of(error)}): delete it, or show this "
            "command one GPU, such as with CUDA_VISIBLE_DEVICES=0 before it."
        ) from error
    try:
        yield index
    finally:
        claim.release()


def _runs_on(place: Path, name: str) -> int:
    """Count the claims on a GPU that are held."""
    held = 0
    for path in place.glob(f"{name}.*"):
        try:
            with FileLock(path).acquire(timeout=0):
                pass
        except Timeout:
            held += 1
    return held


def _first_free_claim(place: Path, name: str) -> FileLock:
    """Take the first claim on a GPU that nobody holds."""
    for number in itertools.count():
        claim = FileLock(place / f"{name}.{number}")
        with suppress(Timeout):
            claim.acquire(timeout=0)
            break
    return claim


def _user() -> str:
    """Return what tells users apart; in a container a user may have a number and no name."""
    return str(os.getuid()) if hasattr(os, "getuid") else getpass.getuser()
