"""How long the rest of a sweep takes, from the epochs that are behind it."""

from collections.abc import Iterable, Mapping
from statistics import mean
from typing import Any

from deblur.reading import UnusableFile
from deblur.runs import read_history
from deblur.sweeps.sweep import Job


def seconds_left(jobs: Iterable[Job], still: Mapping[Job, Mapping[str, Any]], at_once: int) -> float | None:
    """Return an estimate of the time that the open runs need [s], or None before the first epoch has ended.

    An epoch is taken to last as long as those of the same network have lasted; networks that have not been trained yet
    are taken for average ones.

    Args:
        jobs: all of the sweep.
        still: those that have not ended, and what status.json says of each; nothing where it has not begun.
        at_once: how many are trained at the same time.
    """
    measured: dict[str, list[float]] = {}
    for job in jobs:
        measured.setdefault(_network(job), []).extend(_epochs(job))
    every = [seconds for epochs in measured.values() for seconds in epochs]
    if not every:
        return None
    left = 0.0
    for job, status in still.items():
        epochs = measured[_network(job)] or every
        left += mean(epochs) * max(0, job.config["trainer"]["max_epochs"] - (status.get("epoch") or 0))
    return left / at_once


def _network(job: Job) -> str:
    return str(job.config["model"])


def _epochs(job: Job) -> list[float]:
    """Return the seconds of each finished epoch of a run; none if its history cannot be used."""
    try:
        return [float(seconds) for row in read_history(job.folder) if (seconds := row.get("seconds")) is not None]
    except UnusableFile:
        return []
