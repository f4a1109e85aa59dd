"""Tables for the terminal: the runs of a sweep, all runs and sweeps of a folder."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped] # it has no types

from deblur.console import table
from deblur.errors import UserError
from deblur.reporting.results import STATES, Run, read_sweep, read_sweep_file, run_folders
from deblur.reporting.tables import NOTHING, number
from deblur.runs import CONFIG_FILE, METRICS_FILE, STATUS_FILE, flatten, measured_on, read_json, state_of
from deblur.text import Lines, lines, paragraphs

LONGEST_ERROR = 100  # characters of an error in a line

DAMAGED = "damaged"
MOST_KINDS = 3  # of blurs or data sets that a line names


def state_table(folder: Path) -> Lines:
    """Return all runs of a sweep and their states as a text for the terminal.

    Raises:
        UserError: for a damaged file.
    """
    sweep = read_sweep(folder)
    columns = ("run", "state", "blurred [dB]", "restored [dB]", "gain [dB]", "seconds", "error")
    title = lines(f"sweep {sweep.name}", *sweep.measured_on)
    return table(title, columns, [_state_row(run) for run in sweep.runs])


def _state_row(run: Run) -> Sequence[str]:
    error = " ".join(run.error.split())
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

    A damaged one is called so, since a list is where one looks for it.
    """
    runs = [_run_row(folder, root / "runs") for folder in run_folders(root / "runs")]
    sweeps = [_sweep_row(folder) for folder in folders_in(root / "sweeps")]
    parts: list[str] = []
    if runs:
        parts.append(table("single runs", ("run", "state", "restored [dB]", "gain [dB]", "ended (UTC)"), runs))
    if sweeps:
        parts.append(table("sweeps", ("sweep", *STATES, "last ended (UTC)"), sweeps))
    seen = [(run.relative_to(root / "runs").as_posix(), *_data_and_blur([run])) for run in run_folders(root / "runs")]
    seen += [(folder.name, *_data_and_blur(run_folders(folder))) for folder in folders_in(root / "sweeps")]
    if seen:
        parts.append(table("what they are trained and tested on", ("run or sweep", "data", "blur"), seen))
    return paragraphs(*(parts or [f"There are no runs and no sweeps in {root}."]))


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder, by name; none where there is no such folder."""
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _run_row(folder: Path, root: Path) -> Sequence[str]:
    name = folder.relative_to(root).as_posix()
    try:
        state, ended = state_of(folder) or DAMAGED, _ended(folder)
        has_metrics = state == "done" and (folder / METRICS_FILE).is_file()
        metrics = flatten(read_json(folder / METRICS_FILE)) if has_metrics else {}
    except UserError:
        return name, DAMAGED, NOTHING, NOTHING, NOTHING
    run = Run("", name, folder, "done", metrics=metrics)
    return name, state, number(run.number("test.psnr"), ".2f"), number(run.number("test.gain"), "+.2f"), ended


def _sweep_row(folder: Path) -> Sequence[str]:
    try:
        asked, _ = read_sweep_file(folder)
        found = {run.relative_to(folder).as_posix(): run for run in run_folders(folder)}
        states = [state_of(run) for run in found.values()]
        ended = max((end for run in found.values() if (end := _ended(run)) != NOTHING), default=NOTHING)
    except UserError:
        return folder.name, *(DAMAGED for _ in STATES), NOTHING
    missing = len([name for name in asked if name not in found])
    counts = [missing if state == "missing" else states.count(state) for state in STATES]
    return folder.name, *(str(count) if count else NOTHING for count in counts), ended


def _data_and_blur(runs: Sequence[Path]) -> tuple[str, str]:
    """Return in words what some runs see, each kind once; a dash where no configuration tells it."""
    tests = [measured_on(config) for run in runs if (config := _sections(run))]
    data, blur = (list(dict.fromkeys(test[item] for test in tests if item in test)) for item in ("data", "blur"))
    return _few(data, "data sets"), _few(blur, "blurs")


def _few(kinds: Sequence[str], called: str) -> str:
    return f"{len(kinds)} {called}" if len(kinds) > MOST_KINDS else " or ".join(kinds) or NOTHING


def _sections(run: Path) -> Mapping[str, Any]:
    """Return the data and the blur of a run's configuration, as fast as a list of many runs needs it."""
    content: Any = None
    # The fast one is not always there, and reads no name that is no Unicode.
    for loader in (getattr(yaml, "CSafeLoader", yaml.SafeLoader), yaml.SafeLoader):
        with suppress(OSError, ValueError, yaml.YAMLError), (run / CONFIG_FILE).open("rb") as file:
            content = yaml.load(file, Loader=loader)
            break
    # Of a damaged one nothing is told here: a report says what is wrong with it.
    sections = {key: content.get(key) for key in ("data", "blur")} if isinstance(content, Mapping) else {}
    return {key: section for key, section in sections.items() if isinstance(section, Mapping)}


def _ended(folder: Path) -> str:
    """Return when a run ended, in universal time."""
    status: dict[str, Any] = read_json(folder / STATUS_FILE)
    ended = str(status.get("ended") or "")
    return ended[:16].replace("T", " ") if ended else NOTHING
