"""How a sweep ends: its table, its report, its exit code."""

from collections import Counter

from deblur.cli import EXIT_INTERRUPTED
from deblur.console import say, say_error, say_stopped
from deblur.errors import UserError
from deblur.reading import UnusableFile
from deblur.runs.records import damage_in
from deblur.runs.states import earlier_status, state_of
from deblur.sweeps.sweep import Job, Sweep
from deblur.text import counted, lines

EXIT_INCOMPLETE = 1


def launcher_failed(error: Exception) -> int:
    """Say that what starts the runs has failed, and return the exit code."""
    reason = next(iter(str(error).strip().splitlines()), "")
    say_error(
        f"The launcher failed ({type(error).__name__}: {reason}). The same command goes on with the sweep; "
        "HYDRA_FULL_ERROR=1 before it shows where it failed."
    )
    return EXIT_INCOMPLETE


def conclude(sweep: Sweep, code: int) -> int:
    """Show the states of all runs in a sweep's folder and write its report.

    Args:
        sweep: what was started.
        code: the exit code so far.

    Returns:
        The exit code: the one so far, or 1 where that is 0 and a run is not done.
    """
    states = Counter(_state(job) for job in sweep.jobs)
    if code == EXIT_INTERRUPTED:
        done = f"{states['done']} of {counted(len(sweep.jobs), 'run is', 'runs are')} done"
        say(f"{done}. The same command goes on with the sweep.")
        if states["running"]:
            alive = f"{states['running']} {'is' if states['running'] == 1 else 'are'} still alive"
            say(f"{alive}: what a cluster has taken ends by itself, or with scancel.")
        return code
    if states["missing"] < len(sweep.jobs):  # else no run could start, and why has been said
        code = _report(sweep, code)
    if states["running"]:
        alive = counted(states["running"], "run is alive in another process", "runs are alive in other processes")
        say(f"{alive}; this command did not wait for {'it' if states['running'] == 1 else 'them'}.")
    if any(job.config["fail_fast"] for job in sweep.jobs) and states["failed"] and states["missing"]:
        say(f"fail_fast=true: after the failure {counted(states['missing'], 'run was', 'runs were')} not started.")
    return code or (0 if states["done"] == len(sweep.jobs) else EXIT_INCOMPLETE)


def _state(job: Job) -> str:
    """Return the state of a run; one with damaged files, or without its results, is not done."""
    try:
        if damage_in(job.folder) is not None:
            return "damaged"
        earlier_status(job.folder, job.config)
    except UnusableFile:
        return "damaged"
    except UserError:  # another configuration in its place, which was refused
        pass
    return state_of(job.folder) or "missing"


def _report(sweep: Sweep, code: int) -> int:
    from deblur.reporting import findings_of, read_sweep, sweep_table, write_findings  # drawing is slow to import

    try:
        found = read_sweep(sweep.folder)
        say(lines("", sweep_table(found)))
        page, damages = write_findings(findings_of([found]), sweep.folder / "report", grids=True)
    except KeyboardInterrupt:
        say_stopped(f"Stopped. The report can be made with: python -m deblur.report {sweep.folder.name}")
        return EXIT_INTERRUPTED
    except Exception as error:  # the runs are done, and whatever is wrong here must not hide it
        reason = str(error) if isinstance(error, UserError) else repr(error)
        if isinstance(error, OSError) and error.filename is not None:
            reason = f"{error.filename} cannot be written ({error.strerror})."
        say_error(f"The report was not written: {reason}")
        return code or EXIT_INCOMPLETE
    for damage in damages:
        say_error(damage)
    say(lines("", f"The report is {page}", f"Curves and images: tensorboard --logdir {sweep.folder}"))
    return code
