"""How a sweep ends: its table, its report, its exit code."""

from deblur.config.command_line import EXIT_INTERRUPTED
from deblur.console import say, say_error
from deblur.errors import UserError
from deblur.runs import state_of
from deblur.sweeps.sweep import Sweep

EXIT_INCOMPLETE = 1


def launcher_failed(error: Exception) -> int:
    """Say that what starts the runs has failed, and return the exit code."""
    say_error(
        f"The launcher failed ({type(error).__name__}: {error}). The same command goes on with the sweep; "
        "HYDRA_FULL_ERROR=1 before it shows where it failed."
    )
    return EXIT_INCOMPLETE


def conclude(sweep: Sweep, code: int) -> int:
    """Show the states of all runs in a sweep's folder and write its report.

    Args:
        sweep: what was started.
        code: the exit code so far.

    Returns:
        The exit code: the one so far, or 1 where that is 0 and a run is neither done nor alive in another process.
    """
    states = [state_of(job.folder) for job in sweep.jobs]
    if code == EXIT_INTERRUPTED:
        say(f"{states.count('done')} of {len(states)} runs are done. The same command goes on with the sweep.")
        return code
    if not any(states):
        return code or EXIT_INCOMPLETE  # no run could start, and why has been said
    from deblur.reporting import state_table, write_report  # drawing is slow to import

    say("")
    say(state_table(sweep.folder))
    try:
        page = write_report([sweep.folder], sweep.folder / "report")
    except (UserError, OSError) as error:
        say_error(f"The report was not written: {error}")
        return code or EXIT_INCOMPLETE
    say(f"\nThe report is {page}\nCurves and pictures: tensorboard --logdir {sweep.folder}")
    is_complete = all(state in ("done", "running") for state in states)
    return code or (0 if is_complete else EXIT_INCOMPLETE)
