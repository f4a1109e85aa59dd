"""One run of a sweep: whatever happens to it, the others go on."""

import gc
import math
import multiprocessing
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from deblur.config import Config
from deblur.console import is_terminal, say, say_error
from deblur.errors import UserError
from deblur.reading import UnusableFile
from deblur.runs.folder import RunIsAlive
from deblur.runs.records import STATUS_FILE, read_status, read_sweep_file
from deblur.sweeps.sweep import ISSUED


def train_job(config: Config, folder: Path, *, alone: bool) -> float:
    """Train one run of a sweep; what goes wrong is told by its train.log and status.json.

    Args:
        config: the checked configuration.
        folder: the run's folder.
        alone: whether no other run of the sweep is trained at the same time on this terminal.

    Returns:
        The mean PSNR of the restored test images [dB]; nan where there is none.

    Raises:
        KeyboardInterrupt: after Ctrl-C.
    """
    _allow_processes_within_joblib()
    before = _end(folder)
    try:
        if config["fail_fast"] and _has_failed(folder.parent):
            return math.nan
        if alone and is_terminal():
            say(f"training {folder.name}")
        from deblur.training.session import train  # seconds of imports

        psnr = train(config, folder, in_sweep=True, progress_bar=alone)["test"]["psnr"]
    except KeyboardInterrupt:
        raise KeyboardInterrupt from None  # how the sweep goes on is said at its end
    except RunIsAlive as alive:
        say(f"left to another process: {alive}")
        return math.nan
    except Exception as error:
        if _end(folder) == before:  # it could not write how it ended
            say_error(f"{folder.name}: {error if isinstance(error, UserError) else repr(error)}")
        return math.nan
    finally:
        gc.collect()  # trainers and their modules refer to each other; a sweep's memory must not grow with its runs
    return math.nan if psnr is None else float(psnr)


def _allow_processes_within_joblib() -> None:
    """Let a process of joblib's start processes of its own, which do not know its way to start one."""
    if multiprocessing.get_start_method(allow_none=True) == "loky":
        multiprocessing.set_start_method(multiprocessing.get_all_start_methods()[0], force=True)


def _end(folder: Path) -> object:
    """Return when the last attempt at a run ended."""
    try:
        return read_status(folder).get("ended")
    except UnusableFile:
        return None


def _has_failed(sweep: Path) -> bool:
    """Tell whether a run of the sweep has failed since its command was given."""
    issued = _issued(sweep)
    for path in sweep.glob(f"*/{STATUS_FILE}"):
        with suppress(UnusableFile):  # which is that run's failure
            status = read_status(path.parent)
            ended = _time(status.get("ended"))
            if status["state"] == "failed" and issued is not None and ended is not None and ended >= issued:
                return True
    return False


def _issued(sweep: Path) -> datetime | None:
    """Return when the last command was given; a cluster may not hand on the environment, but sweep.json tells."""
    if ISSUED in os.environ:
        return _time(os.environ[ISSUED])
    try:
        return _time(read_sweep_file(sweep).get("issued"))
    except UnusableFile:
        return None


def _time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text or "").astimezone(UTC)
    except ValueError:
        return None
