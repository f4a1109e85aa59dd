"""How the processes of one run, one for each device, find its folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deblur.processes import end_with

# The environment variables by which a run's further processes find its folder, and its first process.
_SHARED_RUN_FOLDER = "DEBLUR_RUN_FOLDER"
_FIRST_PROCESS = "DEBLUR_RUN_PROCESS"


def shared_run_folder() -> Path | None:
    """Return the folder of the run that this process was started to take part in, or None in a run's first process."""
    shared = os.environ.get(_SHARED_RUN_FOLDER)
    return Path(shared) if shared else None


@contextmanager
def sharing(folder: Path) -> Iterator[None]:
    """Let the processes that are started meanwhile, one for each further device, take part in this run."""
    os.environ |= {_SHARED_RUN_FOLDER: str(folder), _FIRST_PROCESS: str(os.getpid())}
    try:
        yield
    finally:
        os.environ.pop(_SHARED_RUN_FOLDER, None)
        os.environ.pop(_FIRST_PROCESS, None)


def end_with_first_process() -> None:
    """Have a further process of a run end with the first: it would wait for the other's results for half an hour."""
    first = os.environ.get(_FIRST_PROCESS, "")
    if first.isdecimal():
        end_with(int(first))
