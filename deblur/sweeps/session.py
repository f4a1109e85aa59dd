"""A sweep from its start to its report: all jobs are checked first, and a failed run does not stop the others."""

import gc
import math
import multiprocessing
import os
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict, read_write

from deblur.cli import EXIT_INTERRUPTED
from deblur.config import TrainConfig
from deblur.config.sweeps import SweepListed, SweepRefused, checked_jobs
from deblur.console import is_terminal, say, say_error, say_stopped
from deblur.errors import UserError
from deblur.reading import UnusableFile
from deblur.runs.folder import RunIsAlive
from deblur.runs.paths import naming_overrides, run_folder
from deblur.runs.records import STATUS_FILE, damage_in, read_sweep_file
from deblur.runs.states import earlier_status, state_of
from deblur.sweeps.checks import refuse_unfit_classes, refuse_untrainable
from deblur.sweeps.dry_run import listing
from deblur.sweeps.progress import current_watch, processes
from deblur.sweeps.sweep import ISSUED, Job, Sweep, known_status
from deblur.text import counted, lines, paragraphs

EXIT_INCOMPLETE = 1


class SweepStart(Callback):
    """Checks all jobs of a sweep before the first one starts, adds them to sweep.json and starts the progress lines."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Start a sweep; or check and list its jobs, if `dry_run=true`.

        Raises:
            SweepRefused: for the first job that is refused, and for all other errors: Hydra would turn any other
                exception into a warning and start the sweep unchecked.
            SweepListed: after a list.
        """
        try:
            self._start(config)
        except Exception as error:  # such as a damaged or unwritable folder
            raise SweepRefused("", error) from error

    def _start(self, config: DictConfig) -> None:
        axes = config.hydra.sweeper.get("params")
        jobs = [
            Job(tuple(overrides), checked, run_folder(checked, naming_overrides(overrides, axes)))
            for overrides, checked in checked_jobs(config)
        ]
        try:
            _refuse_loggers_in_turn(jobs)
        except UserError as error:
            raise SweepRefused("", error) from error
        sweep = Sweep(jobs[0].folder.parent, tuple(jobs))
        refuse_untrainable(sweep.folder, jobs)
        if any(job.config.dry_run for job in jobs):
            say(listing(sweep.folder, jobs, processes(config.hydra.launcher, len(jobs))))
            raise SweepListed
        refuse_unfit_classes(jobs)
        watch = current_watch()
        overrides = sys.argv[1:] if watch is None else watch.argv
        sweep.write_file(f"python -m deblur.train {shlex.join(overrides)}")
        if watch is not None:
            at_once = watch.start(sweep, config.hydra.launcher)
            if str(config.hydra.launcher._target_).endswith(".JoblibLauncher"):
                # By default one process per CPU core: those without a run would wait for minutes.
                with read_write(config), open_dict(config):
                    config.hydra.launcher.n_jobs = at_once


def _refuse_loggers_in_turn(jobs: Sequence[Job]) -> None:
    """Refuse one run per logger: they would be the same run, which is trained once."""
    chosen = list(dict.fromkeys(word for job in jobs for word in job.overrides if word.startswith("logger=")))
    if len(chosen) > 1:
        names = ",".join(word.partition("=")[2] for word in chosen)
        raise UserError(
            f"logger={names} would train each run once per logger, and to the same result: write "
            f'"logger=[{names}]" for all of them at once.'
        )


def train_job(config: TrainConfig, folder: Path, *, alone: bool) -> float:
    """Train one run of a sweep; its train.log and status.json hold its errors.

    Args:
        config: the checked configuration.
        folder: the run's folder.
        alone: whether no other run of the sweep is trained at the same time on this terminal.

    Returns:
        The mean PSNR of the restored test images [dB]; nan if there is none.

    Raises:
        KeyboardInterrupt: after Ctrl-C.
    """
    if multiprocessing.get_start_method(allow_none=True) == "loky":
        # joblib's start method cannot be used within its own processes.
        multiprocessing.set_start_method(multiprocessing.get_all_start_methods()[0], force=True)
    ended = known_status(folder).get("ended")
    try:
        if config.fail_fast and _has_failed(folder.parent):
            return math.nan
        if alone and is_terminal():
            say(f"training {folder.name}")
        from deblur.training.session import train  # seconds of imports

        psnr = train(config, folder, in_sweep=True, progress_bar=alone)["test"]["psnr"]
    except KeyboardInterrupt:
        raise KeyboardInterrupt from None  # without the message of a single run: `conclude` has that of the sweep
    except RunIsAlive as alive:
        say(f"left to another process: {alive}")
        return math.nan
    except Exception as error:
        if known_status(folder).get("ended") == ended:  # the run could not store its error
            say_error(f"{folder.name}: {error if isinstance(error, UserError) else repr(error)}")
        return math.nan
    finally:
        gc.collect()  # trainers and modules are reference cycles, which would fill the memory run by run
    return math.nan if psnr is None else float(psnr)


def _has_failed(sweep: Path) -> bool:
    """Return whether a run of the sweep has failed since its command was given."""
    issued = os.environ.get(ISSUED)
    if issued is None:  # a cluster may not pass on the environment
        with suppress(UnusableFile):
            issued = read_sweep_file(sweep).get("issued")
    start = _time(issued)
    for path in sweep.glob(f"*/{STATUS_FILE}"):
        status = known_status(path.parent)
        ended = _time(status.get("ended"))
        if status.get("state") == "failed" and start is not None and ended is not None and ended >= start:
            return True
    return False


def _time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text or "").astimezone(UTC)
    except ValueError:
        return None


def launcher_failed(error: Exception) -> int:
    """Show an error of Hydra's launcher, and return the exit code."""
    reason = next(iter(str(error).strip().splitlines()), "")
    say_error(
        f"The launcher failed ({type(error).__name__}: {reason}). The same command resumes the sweep; "
        "HYDRA_FULL_ERROR=1 before it shows where it failed."
    )
    return EXIT_INCOMPLETE


def conclude(sweep: Sweep, code: int) -> int:
    """Show the states of all runs in a sweep's folder and write its report.

    Args:
        sweep: the started sweep.
        code: the exit code so far.

    Returns:
        The exit code: the one so far, or 1 if that is 0 and a run is not done.
    """
    states = Counter(_state(job) for job in sweep.jobs)
    if code == EXIT_INTERRUPTED:
        done = f"{states['done']} of {counted(len(sweep.jobs), 'run is', 'runs are')} done"
        say(f"{done}. The same command resumes the sweep.")
        if states["running"]:
            alive = f"{states['running']} {'is' if states['running'] == 1 else 'are'} still alive"
            say(f"{alive}: jobs of a cluster end by themselves, or with scancel.")
        return code
    if states["missing"] < len(sweep.jobs):  # else no run could start, and the reason has been shown
        code = write_report(sweep.folder, code)
    if states["running"]:
        alive = counted(states["running"], "run is alive in another process", "runs are alive in other processes")
        say(f"{alive}; this command did not wait for {'it' if states['running'] == 1 else 'them'}.")
    if any(job.config.fail_fast for job in sweep.jobs) and states["failed"] and states["missing"]:
        say(f"fail_fast=true: after the failure {counted(states['missing'], 'run was', 'runs were')} not started.")
    return code or (0 if states["done"] == len(sweep.jobs) else EXIT_INCOMPLETE)


def _state(job: Job) -> str:
    """Return the state of a run; one with damaged files, or without its results, is not done."""
    try:
        if damage_in(job.folder) is not None:
            return "damaged"
        earlier_status(job.folder, job.config.plain())
    except UnusableFile:
        return "damaged"
    except UserError:  # another configuration in its place, which was refused
        pass
    return state_of(job.folder) or "missing"


def write_report(folder: Path, code: int) -> int:
    """Show the runs of a sweep and write its report.

    Args:
        folder: of the sweep.
        code: the exit code so far.

    Returns:
        The exit code: the one so far, or 1 if that is 0 and the report could not be written; 130 after Ctrl-C.
    """
    from deblur.reporting import findings_of, read_sweep, sweep_table, write_findings  # drawing is slow to import

    try:
        found = read_sweep(folder)
        say(sweep_table(found))
        findings = findings_of([found])
        if findings.answers:
            say(lines("", paragraphs(*(one.sentence for one in findings.answers))))
        page, damages = write_findings(findings, folder / "report", grids=True)
    except KeyboardInterrupt:
        say_stopped(f"Stopped. The report can be made with: python -m deblur.report {folder.name}")
        return EXIT_INTERRUPTED
    except Exception as error:  # which must not hide that the runs are done
        reason = str(error) if isinstance(error, UserError) else repr(error)
        if isinstance(error, OSError) and error.filename is not None:
            reason = f"{error.filename} cannot be written ({error.strerror})."
        say_error(f"The report was not written: {reason}")
        return code or EXIT_INCOMPLETE
    for damage in damages:
        say_error(damage)
    say(lines(f"The report is {page}", f"Curves and images: tensorboard --logdir {folder}"))
    return code
