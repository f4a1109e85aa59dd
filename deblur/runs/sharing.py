"""How the processes of one run, one for each device, find its folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SHARED_RUN_FOLDER = "DEBLUR_RUN_FOLDER"  # the environment variable by which a run's processes find it


def shared_run_folder() -> Path | None:
    """Return the folder of the run that this process was started to take part in, or None in a run's first process."""
    shared = os.environ.get(_SHARED_RUN_FOLDER)
    return Path(shared) if shared else None


@contextmanager
def sharing(folder: Path) -> Iterator[None]:
    """Let the processes that are started meanwhile, one for each further device, take part in this run."""
    os.environ[_SHARED_RUN_FOLDER] = str(folder)
    try:
        yield
    finally:
        os.environ.pop(_SHARED_RUN_FOLDER, None)
