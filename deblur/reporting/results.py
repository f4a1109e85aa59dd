"""Run folders -> what they hold, and one row a run."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from deblur.config.identity import flatten, what_matters
from deblur.config.places import CONFIG_FILE
from deblur.metrics import PSNR, MetricInfo, infos_of_results
from deblur.reading import MissingFile, UnusableFile, damaged
from deblur.runs.conditions import condition_sentences, conditions_of
from deblur.runs.records import (
    CURE,
    STATUS_FILE,
    State,
    config_of_run,
    read_history,
    read_images,
    read_metrics,
    read_status,
    read_sweep_file,
)
from deblur.runs.states import state_of

Row = dict[str, Any]
RunState = State | Literal["missing", "damaged"]

STATES: tuple[RunState, ...] = ("done", "running", "interrupted", "failed", "missing", "damaged")
_NEEDED = ("model._target_", "blur._target_", "optimizer.lr", "seed")  # of a configuration


@dataclass(frozen=True)
class Run:
    """One run of a sweep, as its files tell; a missing one was asked for and has no files.

    A damaged one has a file that cannot be used: it has no result, and of the other files what could be read.
    """

    sweep: str
    name: str
    folder: Path
    state: RunState
    config: Mapping[str, Any] = field(default_factory=dict)  # flat, with everything
    settings: Mapping[str, Any] = field(default_factory=dict)  # flat, what can change the result
    status: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)  # flat; of a run that is done
    infos: tuple[MetricInfo, ...] = ()  # of the metrics that metrics.json has results of
    damage: str = ""  # which file cannot be used, why, and what to do

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
        return conditions_of(self.config, counts, self.fingerprint) if self.config else {}

    @property
    def error(self) -> str:
        """Why the run failed, in its own words, or what is damaged."""
        return self.damage or str(self.status.get("error") or "")

    @property
    def training_seconds(self) -> float | None:
        """How long all epochs took, those before an interruption included [s]."""
        epochs = self.number("seconds.epochs")
        return self.number("seconds.fit") if epochs is None else epochs

    @property
    def is_wiener_guided(self) -> bool:
        """Whether the network has a Wiener estimate of the whole image, so that no size tells how far it sees.

        Older versions did not write it down, and had no such networks.
        """
        return self.metrics.get("model.wiener_guided") is True

    def number(self, key: str) -> float | None:
        """Return a number of metrics.json; None where it is absent or was infinite."""
        return _finite(self.metrics.get(key))

    @cached_property
    def images(self) -> dict[str, dict[str, float]]:
        """The test images by name, each with its metrics; what was infinite is nan."""
        with suppress(MissingFile):
            return read_images(self.folder) if self.measured else {}
        return {}

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
        rows: list[dict[str, int | float | None]] = []
        with suppress(MissingFile):
            rows = [] if self.damage else read_history(self.folder)
        return [
            {key: math.nan if value is None else value for key, value in row.items() if key == "epoch" or "/" in key}
            for row in rows
        ]


@dataclass(frozen=True)
class Sweep:
    """A folder of runs, in the order in which they were asked for, else by name."""

    name: str
    folder: Path
    runs: tuple[Run, ...]
    commands: tuple[str, ...]
    is_ordered: bool  # whether sweep.json told the order
    damage: str = ""  # why sweep.json cannot be used

    @property
    def damages(self) -> list[str]:
        """A sentence for each file that cannot be used."""
        return [text for text in (self.damage, *(run.damage for run in self.runs)) if text]

    @property
    def states(self) -> Counter[RunState]:
        """How many runs there are of each state."""
        return Counter(run.state for run in self.runs)

    @property
    def measured_on(self) -> list[str]:
        """What is known of the images and the blur of its runs, in sentences."""
        return condition_sentences([run.measured_on for run in self.runs])


def read_sweep(folder: Path) -> Sweep:
    """Read every run below a folder; a damaged file keeps no other run from being read."""
    damage, note = "", {}
    try:
        note = read_sweep_file(folder)
    except MissingFile:
        pass
    except UnusableFile as error:
        damage = str(error)
    asked, commands = note.get("runs", []), tuple(note.get("commands", []))
    found = {run.name: run for run in (read_run(path, folder) for path in run_folders(folder))}
    missing = [Run(folder.name, name, folder / name, "missing") for name in asked if name not in found]
    named = found | {run.name: run for run in missing}
    order = dict.fromkeys([*asked, *found])
    return Sweep(folder.name, folder, tuple(named[name] for name in order), commands, bool(asked), damage)


def infos_of(runs: Iterable[Run]) -> list[MetricInfo]:
    """Return the metrics of which at least one run has results, the PSNR first."""
    known = {info.name: info for run in runs for info in run.infos}
    return [PSNR.info, *(info for info in known.values() if info != PSNR.info)]


def run_folders(folder: Path) -> list[Path]:
    """Return the folders of runs below a folder, by path."""
    return sorted(status.parent for status in folder.rglob(STATUS_FILE))


def collect(folder: Path) -> list[Row]:
    """Return one row a run: what it is, its settings that tell it apart, and all of metrics.json, with dotted names."""
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


def read_run(path: Path, folder: Path) -> Run:
    """Read a run; the state of one with a damaged file is `damaged`.

    Args:
        path: the run's folder.
        folder: in which its name is looked for, and which is called its sweep.
    """
    name = path.relative_to(folder).as_posix() if path != folder else path.name
    status: dict[str, Any] = {}
    config: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    state: RunState = "missing"
    damage = ""
    try:
        state, status = state_of(path) or "missing", read_status(path)
        stored = config_of_run(path)
        lacking = [key for key in _NEEDED if key not in flatten(stored)]
        if lacking:
            raise damaged(path / CONFIG_FILE, f"it lacks {', '.join(lacking)}", CURE)
        config = stored
        with suppress(MissingFile):
            metrics = read_metrics(path) if state == "done" else {}
    except UnusableFile as error:
        damage = str(error)
    infos = infos_of_results(metrics.get("test", {}), metrics.pop("metrics", None))
    run = Run(
        folder.name,
        name,
        path,
        state,
        flatten(config),
        what_matters(config),
        status,
        flatten(metrics),
        infos,
        damage,
    )
    try:
        _ = run.images, run.history
    except UnusableFile as error:
        run = replace(run, damage=str(error))
    return replace(run, state="damaged", metrics={}) if run.damage else run


def _finite(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None
