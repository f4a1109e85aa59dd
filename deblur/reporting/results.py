"""What the files of runs and sweeps hold, and one row per run."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from deblur.config.identity import color_of, flatten, what_matters
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

STATES: tuple[RunState, ...] = ("done", "running", "interrupted", "failed", "missing", "damaged", "paused")
_NEEDED = ("model._target_", "blur._target_", "optimizer.lr", "seed")  # of a configuration


@dataclass(frozen=True, eq=False)
class Run:
    """One run of a sweep. A missing one has no files; a damaged one has a file that cannot be used, and no result."""

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
        """Whether the run has a result."""
        return self.number("test.psnr") is not None or self.number("test.images") is not None

    @property
    def fingerprint(self) -> str | None:
        """The fingerprint of its images, if it is known."""
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
        """The time of all epochs, including those before an interruption [s]."""
        epochs = self.number("seconds.epochs")
        return self.number("seconds.fit") if epochs is None else epochs

    def number(self, key: str) -> float | None:
        """Return a finite number of metrics.json, or None."""
        value = self.metrics.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        return float(value)

    @cached_property
    def images(self) -> dict[str, dict[str, float]]:
        """The test images by name, each with its metrics; nan for an infinite value."""
        with suppress(MissingFile):
            return read_images(self.folder) if self.measured else {}
        return {}

    @property
    def has_undefined(self) -> bool:
        """Whether the PSNR of some restored test image is undefined, as after a training that diverged.

        images.csv leaves such a PSNR as empty as the infinite one of an exact image; metrics.json has the number of
        the latter.
        """
        empty = sum(not math.isfinite(values["psnr"]) for values in self.images.values())
        return empty > (self.number("test.exactly_restored") or 0)

    def exact(self, key: Literal["psnr", "input_psnr"], names: Iterable[str]) -> list[float]:
        """Return a PSNR of test images [dB]: infinite for an exact image, nan if it is undefined."""
        instead = math.nan if key == "psnr" and self.has_undefined else math.inf
        values = (self.images[name][key] for name in names)
        return [value if math.isfinite(value) else instead for value in values]

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """The epochs, each with the values that it has; nan for an infinite one."""
        rows: list[dict[str, int | float | None]] = []
        with suppress(MissingFile):
            rows = [] if self.damage else read_history(self.folder)
        return [
            {key: math.nan if value is None else value for key, value in row.items() if key == "epoch" or "/" in key}
            for row in rows
        ]


@dataclass(frozen=True)
class Sweep:
    """A folder of runs, in the order of its sweep.json, else by name."""

    name: str
    folder: Path
    runs: tuple[Run, ...]
    commands: tuple[str, ...]
    is_ordered: bool  # whether sweep.json has the order
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
    runs = [found.get(name) or Run(folder.name, name, folder / name, "missing") for name in dict.fromkeys(asked)]
    runs += [run for name, run in found.items() if name not in asked]
    return Sweep(folder.name, folder, tuple(runs), commands, bool(asked), damage)


def infos_of(runs: Iterable[Run]) -> list[MetricInfo]:
    """Return the metrics of which at least one run has results, the PSNR first."""
    known = {info.name: info for run in runs for info in run.infos}
    return [PSNR.info, *(info for info in known.values() if info != PSNR.info)]


def run_folders(folder: Path) -> list[Path]:
    """Return the folders of runs below a folder, by path."""
    return sorted(status.parent for status in folder.rglob(STATUS_FILE))


def rows_of(sweep: Sweep, settings: Mapping[Run, Mapping[str, Any]]) -> list[Row]:
    """Return one row per run: what it is, its `settings`, and metrics.json with dotted names."""
    return [
        {
            "run": run.name,
            "state": run.state,
            "model": name_of(run, "model"),
            "blur": name_of(run, "blur"),
            "lr": run.config.get("optimizer.lr"),
            "seed": run.config.get("seed"),
            **settings.get(run, {}),
            **run.metrics,
            **({"error": run.error} if run.error else {}),
        }
        for run in sweep.runs
    ]


def name_of(run: Run, group: str) -> str:
    """Return the short name of a run's model or blur, else its class."""
    return str(run.config.get(f"{group}.name") or run.config.get(f"{group}._target_") or "")


def read_run(path: Path, folder: Path) -> Run:
    """Read a run; the state of one with a damaged file is `damaged`.

    Args:
        path: the run's folder.
        folder: its sweep, in which the run has its name.
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
    flat, settings = flatten(config), what_matters(config)
    if config:
        # Keys that can change the result, and that runs of earlier versions lack.
        settings |= {"data.color": color_of(config), "weights": config.get("weights")}
    run = Run(folder.name, name, path, state, flat, settings, status, flatten(metrics), infos, damage)
    try:
        _ = run.images, run.history
    except UnusableFile as error:
        run = replace(run, damage=str(error))
    return replace(run, state="damaged", metrics={}) if run.damage else run
