"""Claims on the GPUs of a machine, which several runs share."""

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
    """Claim the GPU with the fewest runs of this user while the block runs, and yield its index.

    The claims are locks of the operating system: they end with the process.

    Args:
        names: of the GPUs, the same in every process.
        folder: of the claims; by default a temporary folder of this user.

    Raises:
        UserError: if the claims cannot be written.
    """
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()  # in a container, it may have no name
    place = folder or Path(tempfile.gettempdir()) / f"deblur-gpus-{user}"
    try:
        place.mkdir(parents=True, exist_ok=True)
        # One process at a time counts the claims: the first claim of a GPU may have ended before its second.
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
    held = 0
    for path in place.glob(f"{name}.*"):
        try:
            with FileLock(path).acquire(timeout=0):
                pass
        except Timeout:
            held += 1
    return held


def _first_free_claim(place: Path, name: str) -> FileLock:
    for number in itertools.count():
        claim = FileLock(place / f"{name}.{number}")
        with suppress(Timeout):
            claim.acquire(timeout=0)
            break
    return claim
