"""Tables for the terminal: the runs of a sweep, all runs and sweeps of a folder."""

from collections.abc import Sequence
from pathlib import Path

from deblur.console import fitted_table, table, wrapped
from deblur.reporting.results import STATES, Run, Sweep, read_run, read_sweep, run_folders
from deblur.reporting.tables import NOTHING, number
from deblur.runs.conditions import conditions_of
from deblur.text import Lines, lines, paragraphs

LONGEST_ERROR = 100  # characters of an error in a line
MOST_KINDS = 3  # of blurs or data sets that a line names


def state_table(folder: Path) -> Lines:
    """Return all runs of a sweep and their states, and a sentence for each file that cannot be used."""
    sweep = read_sweep(folder)
    return paragraphs(sweep_table(sweep), *sweep.damages)


def sweep_table(sweep: Sweep) -> Lines:
    """Return all runs of a sweep that has been read, and their states."""
    columns = ("run", "state", "blurred", "restored", "gain", "seconds")
    title = lines(f"sweep {sweep.name}, PSNR in dB", *sweep.measured_on)
    shown = fitted_table(title, columns, [_state_row(run) for run in sweep.runs])
    return lines(shown, *(wrapped(f"{run.name}: {_error(run)}") for run in sweep.runs if run.error))


def _error(run: Run) -> str:
    error = " ".join(run.error.replace(f"{run.folder}/", "").split())
    return error if len(error) <= LONGEST_ERROR else f"{error[: LONGEST_ERROR - 1]}…"


def _state_row(run: Run) -> Sequence[str]:
    return (
        run.name,
        run.state,
        number(run.number("test.input_psnr"), ".2f"),
        number(run.number("test.psnr"), ".2f"),
        number(run.number("test.gain"), "+.2f"),
        number(run.training_seconds, ".0f"),
    )


def listing(root: Path) -> Lines:
    """Return all single runs and sweeps below an output folder, and a sentence for each file that cannot be used."""
    runs = [read_run(folder, root / "runs") for folder in run_folders(root / "runs")]
    folders = (root / "sweeps").iterdir() if (root / "sweeps").is_dir() else ()
    sweeps = [read_sweep(folder) for folder in sorted(folders) if folder.is_dir()]
    parts: list[str] = []
    if runs:
        columns = ("run", "state", "restored [dB]", "gain [dB]", "ended (UTC)")
        parts.append(fitted_table("single runs", columns, [_run_row(run) for run in runs]))
    if sweeps:
        rare = ("damaged", "paused")
        states = [state for state in STATES if state not in rare or any(sweep.states[state] for sweep in sweeps)]
        rows = [
            (sweep.name, *(str(sweep.states[state] or NOTHING) for state in states), _ended(sweep.runs))
            for sweep in sweeps
        ]
        parts.append(table("sweeps", ("sweep", *states, "last ended (UTC)"), rows))
    seen = [(run.name, *_data_and_blur([run])) for run in runs]
    seen += [(sweep.name, *_data_and_blur(sweep.runs)) for sweep in sweeps]
    if seen:
        parts.append(table("what they are trained and tested on", ("run or sweep", "data", "blur"), seen))
    parts += [run.damage for run in runs if run.damage]
    parts += [damage for sweep in sweeps for damage in sweep.damages]
    return paragraphs(*(parts or [f"There are no runs and no sweeps in {root}."]))


def _run_row(run: Run) -> Sequence[str]:
    found = (number(run.number("test.psnr"), ".2f"), number(run.number("test.gain"), "+.2f"))
    return run.name, run.state, *found, _ended([run])


def _data_and_blur(runs: Sequence[Run]) -> tuple[str, str]:
    """Return the data sets and the blurs of some runs in words, each once; a dash if no configuration has them."""
    tests = [conditions_of(run.config) for run in runs if run.config]
    data, blur = (list(dict.fromkeys(test[item] for test in tests if item in test)) for item in ("data", "blur"))
    return _few(data, "data sets"), _few(blur, "blurs")


def _few(kinds: Sequence[str], called: str) -> str:
    return f"{len(kinds)} {called}" if len(kinds) > MOST_KINDS else " or ".join(kinds) or NOTHING


def _ended(runs: Sequence[Run]) -> str:
    """Return when the last of some runs ended, in universal time."""
    ended: str = max((run.status.get("ended") or "" for run in runs), default="")
    return ended[:16].replace("T", " ") or NOTHING
