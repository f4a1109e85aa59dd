"""Tables for the terminal: the runs of a sweep, all runs and sweeps of a folder."""

from collections.abc import Sequence
from pathlib import Path

from deblur.console import table
from deblur.reporting.results import STATES, Run, RunState, Sweep, read_run, read_sweep, run_folders
from deblur.reporting.tables import NOTHING, number
from deblur.runs.conditions import conditions_of
from deblur.text import Lines, lines, paragraphs

LONGEST_ERROR = 100  # characters of an error in a line

DAMAGED: RunState = "damaged"
MOST_KINDS = 3  # of blurs or data sets that a line names


def state_table(folder: Path) -> Lines:
    """Return all runs of a sweep and their states as a text for the terminal, and what is damaged."""
    return sweep_table(read_sweep(folder), with_damages=True)


def sweep_table(sweep: Sweep, *, with_damages: bool = False) -> Lines:
    """Return the runs of a sweep that has been read as a text for the terminal.

    Args:
        sweep: its runs.
        with_damages: whether a sentence for each file that cannot be used follows, which the table shortens.
    """
    columns = ("run", "state", "blurred [dB]", "restored [dB]", "gain [dB]", "seconds", "error")
    title = lines(f"sweep {sweep.name}", *sweep.measured_on)
    shown = table(title, columns, [_state_row(run) for run in sweep.runs])
    return paragraphs(shown, *(sweep.damages if with_damages else []))


def _state_row(run: Run) -> Sequence[str]:
    error = " ".join(run.error.replace(f"{run.folder}/", "").split())
    return (
        run.name,
        run.state,
        number(run.number("test.input_psnr"), ".2f"),
        number(run.number("test.psnr"), ".2f"),
        number(run.number("test.gain"), "+.2f"),
        number(run.training_seconds, ".0f"),
        error if len(error) <= LONGEST_ERROR else f"{error[: LONGEST_ERROR - 1]}…",
    )


def listing(root: Path) -> Lines:
    """Return all single runs and all sweeps below an output folder, with their states.

    Sentences at the end say what is damaged.
    """
    runs = [read_run(folder, root / "runs") for folder in run_folders(root / "runs")]
    sweeps = [read_sweep(folder) for folder in folders_in(root / "sweeps")]
    parts: list[str] = []
    if runs:
        columns = ("run", "state", "restored [dB]", "gain [dB]", "ended (UTC)")
        parts.append(table("single runs", columns, [_run_row(run) for run in runs]))
    if sweeps:
        states = [state for state in STATES if state != DAMAGED or any(sweep.states[DAMAGED] for sweep in sweeps)]
        rows = [_sweep_row(sweep, states) for sweep in sweeps]
        parts.append(table("sweeps", ("sweep", *states, "last ended (UTC)"), rows))
    seen = [(run.name, *_data_and_blur([run])) for run in runs]
    seen += [(sweep.name, *_data_and_blur(sweep.runs)) for sweep in sweeps]
    if seen:
        parts.append(table("what they are trained and tested on", ("run or sweep", "data", "blur"), seen))
    parts += [run.damage for run in runs if run.damage]
    parts += [damage for sweep in sweeps for damage in sweep.damages]
    return paragraphs(*(parts or [f"There are no runs and no sweeps in {root}."]))


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder, by name; none where there is no such folder."""
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _run_row(run: Run) -> Sequence[str]:
    found = (number(run.number("test.psnr"), ".2f"), number(run.number("test.gain"), "+.2f"))
    return run.name, run.state, *found, _ended(run)


def _sweep_row(sweep: Sweep, states: Sequence[RunState]) -> Sequence[str]:
    ended = max((end for run in sweep.runs if (end := _ended(run)) != NOTHING), default=NOTHING)
    counts = [sweep.states[state] for state in states]
    return sweep.name, *(str(count) if count else NOTHING for count in counts), ended


def _data_and_blur(runs: Sequence[Run]) -> tuple[str, str]:
    """Return in words what some runs see, each kind once; a dash where no configuration tells it."""
    tests = [conditions_of(run.config) for run in runs if run.config]
    data, blur = (list(dict.fromkeys(test[item] for test in tests if item in test)) for item in ("data", "blur"))
    return _few(data, "data sets"), _few(blur, "blurs")


def _few(kinds: Sequence[str], called: str) -> str:
    return f"{len(kinds)} {called}" if len(kinds) > MOST_KINDS else " or ".join(kinds) or NOTHING


def _ended(run: Run) -> str:
    """Return when a run ended, in universal time."""
    ended = run.status.get("ended") or ""
    return ended[:16].replace("T", " ") if ended else NOTHING
