"""What a command would train, checked and listed: its runs, how far they are, and what is left to do."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deblur.console import duration, table
from deblur.runs.records import read_status
from deblur.runs.states import is_replaceable, state_of
from deblur.sweeps.estimate import bytes_of_run, seconds_left
from deblur.sweeps.sweep import Job
from deblur.text import Lines, counted, lines, paragraphs

_WITHOUT_PARTS: Final = ("seed", "sweep", "resume", "overwrite", "fail_fast", "dry_run", "logger")
"""The sections of a configuration of which no part is made: runs that differ in these alone are checked once."""


@dataclass(frozen=True)
class PlannedRun:
    """A run that a command asks for, and what its folder tells of it.

    Attributes:
        job: the job.
        state: done, running, or open; an open one that was begun says how it ended.
        epochs: that are finished.
        parameters: of its network.
    """

    job: Job
    state: str
    epochs: int
    parameters: int

    @property
    def all_epochs(self) -> int:
        """How many epochs it has when it is done."""
        return int(self.job.config["trainer"]["max_epochs"])


class JobRefused(Exception):
    """A job that cannot be trained.

    Attributes:
        job: which one.
        usage_error: why.
    """

    def __init__(self, job: Job, usage_error: Exception) -> None:
        """Keep both."""
        super().__init__(str(usage_error))
        self.job = job
        self.usage_error = usage_error


def planned_runs(jobs: Iterable[Job]) -> Iterator[PlannedRun]:
    """Check each job as far as that goes without a training, and yield its run; nothing is written.

    Args:
        jobs: which do not conflict with what is in their folders.

    Raises:
        JobRefused: for one that cannot be trained.
    """
    from deblur.training.rehearsal import rehearse  # seconds of imports

    parameters: dict[str, int] = {}
    for job in jobs:
        parts = {key: value for key, value in job.config.items() if key not in _WITHOUT_PARTS}
        key = json.dumps(parts, sort_keys=True, default=str)
        try:
            if key not in parameters:
                parameters[key] = rehearse(job.config)
            planned = _planned(job, parameters[key])
        except Exception as error:
            raise JobRefused(job, error) from error
        yield planned


def _planned(job: Job, parameters: int) -> PlannedRun:
    state = state_of(job.folder)
    epochs = 0 if state is None else read_status(job.folder).get("epoch") or 0
    if job.config.get("overwrite") and is_replaceable(job.folder, job.config):
        return PlannedRun(job, f"open ({state}, is replaced)", 0, parameters)
    if state in (None, "done", "running"):
        return PlannedRun(job, state or "open", epochs, parameters)
    return PlannedRun(job, f"open ({state})", epochs, parameters)


def listing(folder: Path, runs: Sequence[PlannedRun], at_once: int = 1) -> Lines:
    """Return what to show of the runs of a command.

    Args:
        folder: in which all of them lie.
        runs: in the order in which they start.
        at_once: how many are trained at the same time.
    """
    rows = [
        [
            run.job.folder.relative_to(folder).as_posix(),
            run.state,
            f"{run.epochs}/{run.all_epochs}",
            f"{run.parameters:,}",
        ]
        for run in runs
    ]
    still = [run for run in runs if run.state != "done"]
    parts = [
        f"{counted(len(runs), 'run')} in {folder}: {len(runs) - len(still)} done, {len(still)} open.",
        table("", ("run", "state", "epochs", "parameters"), rows),
        lines(
            *_work(runs, still, at_once),
            "dry_run=true: all but the images was checked, and nothing trained or written.",
        ),
    ]
    return paragraphs(*parts)


def _work(runs: Sequence[PlannedRun], still: Sequence[PlannedRun], at_once: int) -> list[str]:
    """Return a line on how much the open runs amount to; none if there are none."""
    if not still:
        return []
    epochs = sum(max(0, run.all_epochs - run.epochs) for run in still)
    size = sum(bytes_of_run(run.job.config, run.parameters) for run in still) / 1e6
    told = {run.job: {"epoch": run.epochs} for run in still}
    seconds = seconds_left([run.job for run in runs], told, min(at_once, len(still)))
    time = "" if seconds is None else f", about {duration(seconds)} by the epochs that are behind"
    return [f"Left to do: {counted(epochs, 'epoch')}{time}, and about {max(size, 1):,.0f} MB on the disk."]
