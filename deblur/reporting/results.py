"""Run folders -> what they hold, and one row a run."""

import csv
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from deblur.errors import UserError
from deblur.runs import (
    CONFIG_FILE,
    HISTORY_FILE,
    IMAGES_FILE,
    METRICS_FILE,
    STATUS_FILE,
    SWEEP_FILE,
    State,
    flatten,
    in_sentences,
    measured_on,
    read_config,
    read_json,
    state_of,
    what_matters,
)

Row = dict[str, Any]
RunState = State | Literal["missing"]

STATES: tuple[RunState, ...] = ("done", "running", "interrupted", "failed", "missing")
TEXT_COLUMNS = frozenset({"name", "blur"})  # of images.csv; the others that are read are numbers
NUMBERS = ("input_psnr", "psnr", "gain", "input_ssim", "ssim")


@dataclass(frozen=True)
class Run:
    """One run of a sweep, as its files tell; a missing one was asked for and has no files."""

    sweep: str
    name: str
    folder: Path
    state: RunState
    config: Mapping[str, Any] = field(default_factory=dict)  # flat, with everything
    settings: Mapping[str, Any] = field(default_factory=dict)  # flat, what can change the result
    status: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)  # flat; of a run that is done

    @property
    def measured(self) -> bool:
        """Tell whether the run has a result."""
        return self.number("test.psnr") is not None or self.number("test.images") is not None

    @property
    def fingerprint(self) -> str | None:
        """The fingerprint of the images that the run saw, where it is known."""
        found = self.metrics.get("data.fingerprint") or self.status.get("data")
        return str(found) if found else None

    @cached_property
    def measured_on(self) -> dict[str, str]:
        """What is known of its images and their blur, in words; nothing of a run that is missing."""
        counts = {split: self.metrics.get(f"data.counts.{split}") for split in ("train", "val", "test")}
        return measured_on(self.config, counts, self.fingerprint) if self.config else {}

    @property
    def error(self) -> str:
        """Why the run failed, in its own words."""
        return str(self.status.get("error") or "")

    @property
    def training_seconds(self) -> float | None:
        """How long all epochs took, those before an interruption included [s]."""
        epochs = self.number("seconds.epochs")
        return self.number("seconds.fit") if epochs is None else epochs

    @property
    def is_guided(self) -> bool:
        """Whether the network has a guide of the whole picture, so that no size tells how far it sees.

        Older versions did not write it down, and had no such networks.
        """
        return self.metrics.get("model.guided") is True

    def number(self, key: str) -> float | None:
        """Return a number of metrics.json; None where it is absent or was infinite."""
        return _finite(self.metrics.get(key))

    @cached_property
    def images(self) -> dict[str, dict[str, float]]:
        """The test images by name, each with NUMBERS; what was infinite is nan."""
        if not self.measured:
            return {}
        rows = list(_read_rows(self.folder / IMAGES_FILE, ("name", *NUMBERS)))
        return {str(row["name"]): {key: row[key] for key in NUMBERS} for row in rows}

    @property
    def has_undefined(self) -> bool:
        """Whether the PSNR of some restored test image is not defined, as a network that diverged leaves behind.

        In images.csv such a PSNR is as empty as the infinite one of an image that is restored exactly; metrics.json
        tells how many of those there are.
        """
        empty = sum(not math.isfinite(values["psnr"]) for values in self.images.values())
        return empty > (self.number("test.exactly_restored") or 0)

    def exact(self, key: Literal["psnr", "input_psnr"], names: Iterable[str]) -> list[float]:
        """Return a PSNR of test images [dB]: infinite where the image is exact, nan where it is not defined."""
        instead = math.nan if key == "psnr" and self.has_undefined else math.inf
        values = (self.images[name][key] for name in names)
        return [value if math.isfinite(value) else instead for value in values]

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """The epochs; what was infinite is nan, what is absent is left out."""
        return list(_read_rows(self.folder / HISTORY_FILE, ("epoch",)))


@dataclass(frozen=True)
class Sweep:
    """A folder of runs, in the order in which they were asked for, else by name."""

    name: str
    folder: Path
    runs: tuple[Run, ...]
    commands: tuple[str, ...]
    is_ordered: bool  # whether sweep.json told the order

    @property
    def states(self) -> Counter[RunState]:
        """How many runs there are of each state."""
        return Counter(run.state for run in self.runs)

    @property
    def measured_on(self) -> list[str]:
        """What is known of the images and the blur of its runs, in sentences."""
        return in_sentences([run.measured_on for run in self.runs])


def read_sweep(folder: Path) -> Sweep:
    """Read every run below a folder.

    Raises:
        UserError: for a damaged file.
    """
    asked, commands = read_sweep_file(folder)
    found = {run.name: run for run in (_read_run(path, folder) for path in run_folders(folder))}
    missing = [Run(folder.name, name, folder / name, "missing") for name in asked if name not in found]
    named = found | {run.name: run for run in missing}
    order = dict.fromkeys([*asked, *found])
    return Sweep(folder.name, folder, tuple(named[name] for name in order), commands, bool(asked))


def read_sweep_file(folder: Path) -> tuple[list[str], tuple[str, ...]]:
    """Return the names of the runs that were asked for and the commands; nothing where there is no sweep.json.

    Raises:
        UserError: where the file is damaged.
    """
    path = folder / SWEEP_FILE
    if not path.is_file():
        return [], ()
    content = read_json(path)
    runs, commands = content.get("runs", []), content.get("commands", [])
    for key, value in (("runs", runs), ("commands", commands)):
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise UserError(f"{path} is damaged: {key} is no list of texts.")
    return runs, tuple(commands)


def run_folders(folder: Path) -> list[Path]:
    """Return the folders of runs below a folder, by path."""
    return sorted(status.parent for status in folder.rglob(STATUS_FILE))


def collect(folder: Path) -> list[Row]:
    """Return one row a run: what it is, its settings that tell it apart, and all of metrics.json, with dotted names.

    Raises:
        UserError: for a damaged file of a run.
    """
    return rows_of(read_sweep(folder))


def rows_of(sweep: Sweep, told: Mapping[str, Mapping[str, Any]] | None = None) -> list[Row]:
    """Return one row a run; `told` holds the further settings to show, by the name of the run."""
    return [_row(run, (told or {}).get(run.name, {})) for run in sweep.runs]


def name_of(run: Run, group: str) -> str:
    """Return the short name of a run's model or blur: its name, or else its class."""
    return str(run.config.get(f"{group}.name") or run.config.get(f"{group}._target_") or "")


def _row(run: Run, told: Mapping[str, Any]) -> Row:
    row: Row = {
        "run": run.name,
        "state": run.state,
        "model": name_of(run, "model"),
        "blur": name_of(run, "blur"),
        "lr": run.config.get("optimizer.lr"),
        "seed": run.config.get("seed"),
    }
    return row | dict(told) | dict(run.metrics) | ({"error": run.error} if run.error else {})


def _read_run(path: Path, folder: Path) -> Run:
    config = read_config(path)
    flat = flatten(config)
    lacking = [key for key in ("model._target_", "blur._target_", "optimizer.lr", "seed") if key not in flat]
    if lacking:
        raise UserError(f"{path / CONFIG_FILE} is damaged: it lacks {', '.join(lacking)}.")
    state = state_of(path) or "missing"
    is_done = state == "done" and (path / METRICS_FILE).is_file()
    return Run(
        sweep=folder.name,
        name=path.relative_to(folder).as_posix() if path != folder else path.name,
        folder=path,
        state=state,
        config=flat,
        settings=what_matters(config),
        status=read_json(path / STATUS_FILE),
        metrics=flatten(read_json(path / METRICS_FILE)) if is_done else {},
    )


def _read_rows(path: Path, needed: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Read a CSV file of numbers; there are no rows where there is no file.

    Raises:
        UserError: where the file is damaged.
    """
    if not path.is_file():
        return
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            lacking = [column for column in needed if column not in (reader.fieldnames or ())]
            if lacking:
                raise UserError(f"{path} is damaged: it lacks the columns {', '.join(lacking)}.")
            for row in reader:
                yield {key: _value(key, text) for key, text in row.items() if key in needed or "/" in key}
    except (ValueError, TypeError, csv.Error) as error:
        raise UserError(f"{path} is damaged ({error}).") from error


def _value(column: str, text: str) -> str | float:
    if column in TEXT_COLUMNS:
        return text
    number = float(text) if text != "" else math.nan
    return number if math.isfinite(number) else math.nan


def _finite(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None
