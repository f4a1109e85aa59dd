"""Progress of a sweep: one line per run that ends, and the estimated time of the others."""

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import mean
from typing import TYPE_CHECKING, Any

from deblur.console import duration, say
from deblur.processes import command_environment
from deblur.reading import UnusableFile
from deblur.runs.records import read_history, read_metrics
from deblur.sweeps.sweep import ISSUED, Job, Sweep, known_status
from deblur.text import counted

if TYPE_CHECKING:
    from deblur.sweeps.search import SearchRun

SECONDS_BETWEEN_LOOKS = 1.0
_ENDED = ("done", "failed", "interrupted")
_OPENMP_THREADS = "OMP_NUM_THREADS"
LOCAL_LAUNCHERS = ("JoblibLauncher", "LocalLauncher")  # which train in other processes of this machine


class Watch:
    """Watches the files of a sweep's runs, which are the same for every launcher.

    Attributes:
        argv: of the command.
        sweep: None until it starts.
        search: that the command runs in place of a sweep; it is not watched.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        """Wait for a sweep to start."""
        self.argv = argv
        self.sweep: Sweep | None = None
        self.search: SearchRun | None = None
        self._still: dict[Job, Mapping[str, Any]] = {}  # the last status of each run that has not ended
        self._at_once = 1
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True, name="watch")

    def start(self, sweep: Sweep, launcher: Mapping[str, Any]) -> int:
        """Show the number of finished runs, share the CPU cores among the others, and watch them.

        Args:
            sweep: that starts.
            launcher: Hydra's settings of its launcher.

        Returns:
            How many runs are trained at once on this machine.
        """
        self.sweep = sweep
        seen = {job: known_status(job.folder) for job in sweep.jobs}
        self._still = {job: status for job, status in seen.items() if status.get("state") != "done"}
        done = len(seen) - len(self._still)
        behind = f", {done} done already" if done else ""
        say(f"{counted(len(sweep.jobs), 'run')} in {sweep.folder}{behind}. Each writes its train.log there.")
        self._at_once = max(1, min(processes(launcher, len(self._still)), len(self._still)))
        if self._at_once > 1:
            # Two processes with two threads each on two cores train ten times slower than with one each.
            os.environ.setdefault(_OPENMP_THREADS, str(max(1, _cores() // self._at_once)))
        os.environ |= command_environment()
        os.environ[ISSUED] = datetime.now(UTC).isoformat(timespec="seconds")
        self._thread.start()
        return self._at_once

    def stop(self) -> None:
        """Show the lines of the last runs and end."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _follow(self) -> None:
        while not self._over.wait(SECONDS_BETWEEN_LOOKS):
            self._look()
        self._look()

    def _look(self) -> None:
        before, self._still = self._still, {job: known_status(job.folder) for job in self._still}
        for job, status in list(self._still.items()):
            # An interrupted run that has not been resumed yet ended before.
            if status.get("state") in _ENDED and status.get("ended") != before[job].get("ended"):
                del self._still[job]
                say(self._line(job, status))

    def _line(self, job: Job, status: Mapping[str, Any]) -> str:
        jobs = self.sweep.jobs if self.sweep else ()
        parts = [f"{len(jobs) - len(self._still)}/{len(jobs)}", job.folder.name, _outcome(job, status)]
        if self._still and not self._over.is_set():
            left = seconds_left(jobs, self._still, min(self._at_once, len(self._still)))
            parts.append(f"about {duration(left)} left" if left is not None else "")
        return "  ".join(part for part in parts if part)


def _outcome(job: Job, status: Mapping[str, Any]) -> str:
    if status["state"] == "failed":
        reason = str(status.get("error")).splitlines()  # the other lines are in its train.log
        return f"failed: {reason[0] if reason else ''}"
    if status["state"] != "done":
        return str(status["state"])
    try:
        metrics = read_metrics(job.folder)
    except UnusableFile:
        return "done"
    seconds = sum(metrics.get("seconds", {}).get(part, 0.0) for part in ("data", "fit", "test"))
    before, after, gain = (metrics["test"].get(key) for key in ("input_psnr", "psnr", "gain"))
    if before is None or after is None or gain is None:
        return f"done in {duration(seconds)}"
    return f"{before:.2f} -> {after:.2f} dB ({gain:+.2f}) in {duration(seconds)}"


_watches: list[Watch] = []


@contextmanager
def watching(argv: Sequence[str]) -> Iterator[Watch]:
    """Watch the sweep that the command with these arguments starts meanwhile, if it starts one."""
    found = Watch(argv)
    _watches.append(found)
    before = {name: os.environ.get(name) for name in (_OPENMP_THREADS, ISSUED, *command_environment())}
    try:
        yield found
    finally:
        _watches.remove(found)
        found.stop()
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def current_watch() -> Watch | None:
    """Return the watch of the running command, if there is one."""
    return _watches[-1] if _watches else None


def processes(launcher: Mapping[str, Any], jobs: int) -> int:
    """Return how many runs a launcher trains at once on this machine."""
    kind = str(launcher["_target_"]).rpartition(".")[2]
    if kind == "JoblibLauncher":
        asked = int(launcher["n_jobs"])
        return asked if asked > 0 else max(1, _cores() + 1 + asked)
    return jobs if kind == "LocalLauncher" else 1


def _cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def seconds_left(jobs: Iterable[Job], still: Mapping[Job, Mapping[str, Any]], at_once: int) -> float | None:
    """Return an estimate of the time that the open runs need [s]; None before the first epoch has ended.

    It assumes the mean time of an epoch of the same network, or of all networks if there is none yet.

    Args:
        jobs: all of the sweep.
        still: those that have not ended, with the content of status.json or an empty one.
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
        left += mean(epochs) * max(0, job.config.trainer.max_epochs - (status.get("epoch") or 0))
    return left / at_once


def _network(job: Job) -> str:
    return str(job.config.model.plain())


def _epochs(job: Job) -> list[float]:
    """Return the seconds of each finished epoch of a run; none if its history cannot be used."""
    try:
        return [float(seconds) for row in read_history(job.folder) if (seconds := row.get("seconds")) is not None]
    except UnusableFile:
        return []
