"""Run identifiers, the folders of runs and sweeps, and errors for paths that hold neither."""

import difflib
import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from deblur.config import TrainConfig
from deblur.config.identity import flatten, is_without_effect
from deblur.config.places import CONFIG_FILE
from deblur.config.sections import Target
from deblur.errors import UserError
from deblur.runs.records import METRICS_FILE, STATUS_FILE, SWEEP_FILE
from deblur.text import as_bytes

LONGEST_RUN_ID = 120  # characters; file systems allow 255 bytes in a name

# A text that is unique in a run id without a hash: neither a number, nor null, nor two parts.
_PLAIN = re.compile(
    r"(?!(?:null|true|false|nan|inf)$)(?:[A-Za-z][A-Za-z0-9._]*|[A-Za-z][A-Za-z0-9.]*(?:-[A-Za-z0-9.]+)+)"
)
_RUNS, _SWEEPS = "runs", "sweeps"  # folders in the output folder
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d")
_DEVICES = {("trainer", name) for name in ("default", "cpu", "gpu")}  # which cannot change the result
_IN_EVERY_ID = ("model", "blur", "optimizer.lr", "seed")


def run_id(config: TrainConfig, overrides: Sequence[str]) -> str:
    """Return the readable name of a run: network, blur, learning rate, other overrides, seed.

    Args:
        config: the checked configuration.
        overrides: of the command, such as `blur.sigma=2`; their values are taken from `config`.

    Returns:
        For example `srcnn_9315-box-lr_0.001-size_9-seed_0`: letters, digits, dots, underscores and hyphens only.
    """
    argv = dict(sorted(word.lstrip("+").partition("=")[::2] for word in overrides))
    flat = flatten(config.plain())
    parts = [
        _label(argv.get("model"), config.model),
        _label(argv.get("blur"), config.blur),
        f"lr_{_slug(config.optimizer.lr)}",
    ]
    for key, text in argv.items():
        is_idle = is_without_effect(key.lstrip("~"), flat.get(key))
        if key in _IN_EVERY_ID or is_idle or (key, text) in _DEVICES:
            continue
        if key.startswith("~"):
            parts.append(f"without_{_slug(key[1:])}")
            continue
        # The configuration has all keys of a chosen group, and the command its name.
        value = flat.get(key) if text == "null" or flat.get(key) is not None else text
        last = key.rpartition(".")[2].rpartition("/")[2]  # of blur.size and of blur/camera
        is_alone = {one for one in (*flat, *argv) if one.rpartition(".")[2] == last} <= {key}
        name = last if is_alone else key
        parts.append(f"{name if re.fullmatch(r'[A-Za-z0-9._]+', name) else _slug(name)}_{_slug(value)}")
    name, seed = "-".join(parts), f"-seed_{config.seed}"
    room = LONGEST_RUN_ID - len(seed)
    if len(name) > room:
        digest = f"-{_digest(name)}"
        name = name[: room - len(digest)].rstrip("-_.") + digest
    return name + seed


def run_folder(config: TrainConfig, overrides: Sequence[str]) -> Path:
    """Return the folder of a new run: with a timestamp, or in a sweep without, so that it can be resumed."""
    root = Path(os.path.realpath(config.paths.output_root))  # Path.resolve raises for links in a circle
    name = run_id(config, overrides)
    if config.sweep is not None:
        return root / _SWEEPS / config.sweep / name
    return root / _RUNS / name / datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")


def run_name(folder: Path) -> str:
    """Return the run id that the folder of a run bears: its name, or that of the folder of a timestamp."""
    return folder.parent.name if _TIMESTAMP.fullmatch(folder.name) else folder.name


def output_root_of(folder: Path) -> Path | None:
    """Return the folder of all runs and sweeps in which a run lies; None if the run was moved elsewhere."""
    above = folder.parent.parent
    return above.parent if above.name in (_RUNS, _SWEEPS) else None


def naming_overrides(overrides: Sequence[str], axes: Mapping[str, Any] | None) -> list[str]:
    """Return the overrides that form the name of a run.

    Args:
        overrides: of the command.
        axes: of a preset's sweep, as in Hydra's `sweeper.params`. Each run has their values as overrides, so the
            name of the preset is left out.
    """
    return [word for word in overrides if not (axes and word.startswith("experiment="))]


def _label(chosen: str | None, section: Target) -> str:
    """Return the option that the command chose, or the name of the group or its class."""
    return _slug(chosen or section.name or section.class_name)


def _slug(value: Any) -> str:
    """Return a value as part of a file name, with a hash if the name does not hold all of it."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        short = f"{value:g}"
        return (short if float(short) == value else str(value)).replace("+", "")
    if isinstance(value, list) and len(value) > 1 and all(type(one) in (int, float) for one in value):
        return "-".join(map(_slug, value))
    text = value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    plain = re.sub(r"[^A-Za-z0-9._]+", "-", text.rstrip("/").rpartition("/")[2]).strip("-.")
    return f"{plain or 'x'}-{_digest(json.dumps(value))}"


def _digest(text: str) -> str:
    return hashlib.sha256(as_bytes(text)).hexdigest()[:6]


def no_run(folder: Path) -> str:
    """Return an error message for a folder without a config.yaml: what it is instead of a run."""
    place = Path(os.path.realpath(folder))
    above = next((parent for parent in place.parents if (parent / CONFIG_FILE).is_file()), None)
    if above is not None:
        return f"{folder} is no run: it lies in the run {above}. Give that folder."
    sweep = next((each for each in (place, place.parent) if (each / SWEEP_FILE).is_file()), None)
    runs = _runs_in(sweep or place)
    if sweep is not None:
        kind = "is the sweep" if sweep == place else "lies in the sweep"
        example = f", such as {folder if sweep == place else sweep}/{runs[0].name}" if runs else ""
        return (
            f"{folder} is no run: it {kind} {sweep.name}. Give one of its {len(runs)} runs{example}; "
            f"python -m deblur.evaluate sweep={sweep.name} and python -m deblur.report {sweep.name} take all of them."
        )
    if runs:
        return f"{folder} is no run: it holds {len(runs)}. Give one of them, such as {folder}/{runs[-1].name}."
    if (place / METRICS_FILE).is_file() and not (place / STATUS_FILE).is_file():
        return f"{folder} is no run: it holds the results of an evaluation. Give the folder of the run itself."
    if any(_deeper_runs(place)):
        return f"{folder} is no run: runs lie deeper in it. python -m deblur.report --list shows them."
    return f"{folder} is no run: it has no {CONFIG_FILE}. Give a folder such as outputs/runs/RUN/TIME."


def _runs_in(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(path.parent for path in folder.glob(f"*/{CONFIG_FILE}"))
    return []


def _deeper_runs(folder: Path) -> Iterator[Path]:
    for depth in ("*/*", "*/*/*"):  # of outputs/runs, outputs/sweeps and outputs
        with suppress(OSError):
            yield from folder.glob(f"{depth}/{CONFIG_FILE}")


def refuse_no_run(place: Path) -> None:
    """Refuse a path without a trained network, before torch is imported.

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
    """Return `Did you mean ...?` with the existing path that is spelled most like a missing one; else nothing."""
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
        OSError: with its name, if a file is in its way or this user may not write into the folder above it.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if os.path.lexists(place))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        code = errno.EACCES if there.is_dir() else errno.ENOTDIR
        raise OSError(code, os.strerror(code), str(folder))


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
