"""Where runs and sweeps are, for a folder or a name that is none."""

import difflib
import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from deblur.config.places import CONFIG_FILE
from deblur.errors import UserError
from deblur.runs.records import METRICS_FILE, STATUS_FILE, SWEEP_FILE


def no_run(folder: Path) -> str:
    """Return a sentence for a folder that is given as a run and is none, with what it is instead.

    Args:
        folder: without a config.yaml.
    """
    place = Path(os.path.realpath(folder))
    above = next((parent for parent in place.parents if (parent / CONFIG_FILE).is_file()), None)
    if above is not None:
        return f"{folder} is no run: it lies in the run {above}. Give that folder."
    sweep = next((each for each in (place, place.parent) if (each / SWEEP_FILE).is_file()), None)
    if sweep is not None:
        kind = "is the sweep" if sweep == place else "lies in the sweep"
        runs = _runs_in(sweep)
        example = f", such as {folder if sweep == place else sweep}/{runs[0].name}" if runs else ""
        return (
            f"{folder} is no run: it {kind} {sweep.name}. Give one of its {len(runs)} runs{example}; "
            f"python -m deblur.evaluate sweep={sweep.name} and python -m deblur.report {sweep.name} take all of them."
        )
    runs = _runs_in(place)
    if runs:
        return f"{folder} is no run: it holds {len(runs)}. Give one of them, such as {folder}/{runs[-1].name}."
    if (place / METRICS_FILE).is_file() and not (place / STATUS_FILE).is_file():
        return f"{folder} is no run: it holds the results of an evaluation. Give the folder of the run itself."
    if any(_deeper_runs(place)):
        return f"{folder} is no run: runs lie deeper in it. python -m deblur.report --list shows them."
    return f"{folder} is no run: it has no {CONFIG_FILE}. Give a folder such as outputs/runs/RUN/TIME."


def refuse_no_run(place: Path) -> None:
    """Refuse a place of which no trained network can be loaded, before torch is imported for that.

    Args:
        place: the folder of a run, or a file with a network.

    Raises:
        UserError: if nothing is there, or a folder that is no run.
    """
    if not place.is_dir() and not place.is_file():
        raise UserError(
            f"{place} does not exist: give a run's folder, with its {CONFIG_FILE}, or a checkpoint file."
            f"{near_place(place)}"
        )
    if place.is_dir() and not (place / CONFIG_FILE).is_file():
        raise UserError(no_run(place))


def near_place(place: Path) -> str:
    """Return a question with the path that is there and spelled most like one that is not; nothing if none is near."""
    parent, name = place.parent, place.name
    while not parent.is_dir() and parent != parent.parent:
        parent, name = parent.parent, parent.name
    with suppress(OSError):
        near = difflib.get_close_matches(name, [each.name for each in parent.iterdir()], n=1)
        if near:
            return f" Did you mean {parent / near[0]}?"
    return ""


def refuse_unwritable(folder: Path) -> None:
    """Refuse a folder that cannot be made or written into, without making it.

    Raises:
        OSError: with its name, for a file in its way or a folder above it in which this user may not write.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if os.path.lexists(place))
    if not there.is_dir():
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if not os.access(there, os.W_OK | os.X_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def sweep_folder(root: Path, name: str, setting: str = "paths.output_root=DIR") -> Path:
    """Return the folder of a sweep.

    Args:
        root: the folder of all outputs.
        name: of the sweep.
        setting: what sets `root` on the command line.

    Raises:
        UserError: if there is none of that name.
    """
    sweeps = root / "sweeps"
    known = sorted(path.name for path in sweeps.iterdir() if path.is_dir()) if sweeps.is_dir() else []
    if name in known:
        return sweeps / name
    last = Path(name).name
    near = last if last in known else next(iter(difflib.get_close_matches(name, known, n=1)), None)
    asked = f" Did you mean {near}?" if near else ""
    elsewhere = "" if known else f" Give another folder of outputs with {setting}."
    raise UserError(
        f"There is no sweep {name} in {sweeps}: the sweeps there are {', '.join(known) or 'none'}.{elsewhere}{asked}"
    )


def _runs_in(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(path.parent for path in folder.glob(f"*/{CONFIG_FILE}"))
    return []


def _deeper_runs(folder: Path) -> Iterator[Path]:
    for depth in ("*/*", "*/*/*"):  # of outputs/runs, outputs/sweeps and outputs
        with suppress(OSError):
            yield from folder.glob(f"{depth}/{CONFIG_FILE}")
