"""The jobs of a sweep, its folder, and the sweep.json in it."""

import itertools
import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deblur.config import TrainConfig
from deblur.config.identity import data_settings, is_data_setting, unstated_data_settings
from deblur.config.sections import shown
from deblur.config.sweeps import SweepRefused
from deblur.console import say
from deblur.errors import UserError
from deblur.files import remove_partial_files, write_json
from deblur.reading import MissingFile, UnusableFile
from deblur.runs.locking import FolderIsLocked, FolderLock
from deblur.runs.records import STATUS_FILE, SWEEP_FILE, damage_in, read_config, read_status, read_sweep_file
from deblur.runs.states import earlier_status

ISSUED = "DEBLUR_SWEEP_ISSUED"  # the environment variable with the start time of the command
_ADDED = frozenset({"data.color", "data.folds"})  # settings of the images that earlier versions did not have
_LOCK_FILE = ".sweep.lock"
_LONGEST_WAIT = 60.0  # [s] for another command to write sweep.json


@dataclass(frozen=True, eq=False)
class Job:
    """One run that a sweep asks for.

    Attributes:
        overrides: that its configuration is composed of.
        config: the checked configuration.
        folder: of the run.
    """

    overrides: tuple[str, ...]
    config: TrainConfig
    folder: Path

    def refused(self, error: Exception) -> SweepRefused:
        """Return the exception that ends the command because of this job."""
        return SweepRefused(" ".join(self.overrides), error)


@dataclass(frozen=True)
class Sweep:
    """The jobs of one command, which share a folder.

    Attributes:
        folder: of the sweep.
        jobs: in the order in which they start.
    """

    folder: Path
    jobs: tuple[Job, ...]

    def first_conflict(self) -> tuple[Job, UserError] | None:
        """Return the first job that cannot join the runs in the folder, and why; None if all can.

        A job conflicts with a run of another configuration in its place, unless `overwrite` replaces that, and with
        runs on other images: their results could not be compared. A run with damaged files is no conflict: it fails
        when its turn comes, and the others are trained, unless `fail_fast` is set.
        """
        try:
            known = self._complete(read_sweep_file(self.folder).get("data", {}))
        except UnusableFile:
            known = self._settings_of_runs()
        for job in self.jobs:
            try:
                if not job.config.overwrite:
                    self._refuse_other_run(job)
                self._refuse_other_data(job, known)
            except UserError as error:
                return job, error
        return None

    def _refuse_other_run(self, job: Job) -> None:
        with suppress(UnusableFile):
            earlier_status(job.folder, job.config.plain())
        damage = damage_in(job.folder)
        if damage is not None and job.config.fail_fast:
            raise damage

    def _refuse_other_data(self, job: Job, known: Mapping[str, Any]) -> None:
        asked = data_settings(job.config.plain())
        for key, value in known.items():
            if is_data_setting(key) and asked.get(key) != value:
                raise UserError(
                    f"the sweep {self.folder.name} was made with {key}={shown(value)}, and its runs could not be "
                    f"compared with one on {key}={shown(asked.get(key))}: choose another name with sweep=NAME."
                )

    def _complete(self, known: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of the images in a sweep.json, with those that an earlier version did not write.

        A setting that the sweep goes through is lacking as well: a run of an earlier version tells the two apart.
        """
        if known and not _ADDED.issubset(known):
            for name in self._runs_there():
                with suppress(UnusableFile):
                    unstated = unstated_data_settings(read_config(self.folder / name))
                    if unstated:
                        return {**unstated, **known}
        return dict(known)

    def _settings_of_runs(self) -> dict[str, Any]:
        """Return the settings of the images that all runs in the folder share, if there is no usable sweep.json."""
        found = []
        for name in self._runs_there():
            with suppress(UnusableFile):
                found.append(data_settings(read_config(self.folder / name)))
        return _common(found)

    def _runs_there(self) -> list[str]:
        return sorted(path.parent.name for path in self.folder.glob(f"*/{STATUS_FILE}"))

    def write_file(self, command: str) -> None:
        """Add the jobs and the command, as a shell takes it, to sweep.json.

        Raises:
            UserError: if another command holds the file.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FolderLock(self.folder, _LOCK_FILE, patience=_LONGEST_WAIT):
                remove_partial_files(self.folder)
                stored = self._stored()
                asked = [job.folder.name for job in self.jobs]
                content = {
                    "name": self.folder.name,
                    "issued": datetime.now(UTC).isoformat(timespec="seconds"),
                    "commands": list(dict.fromkeys([*stored.get("commands", []), command])),
                    "runs": list(dict.fromkeys([*stored.get("runs", []), *asked])),
                    "data": self._complete(stored.get("data", {}))
                    or _common([data_settings(job.config.plain()) for job in self.jobs]),
                }
                write_json(self.folder / SWEEP_FILE, content)
        except FolderIsLocked:
            raise UserError(
                f"Another command has held {self.folder / _LOCK_FILE} for {_LONGEST_WAIT:.0f} s: end it, or wait."
            ) from None

    def _stored(self) -> dict[str, Any]:
        """Return the content of sweep.json; an unusable one is renamed and made again from the runs."""
        try:
            return read_sweep_file(self.folder)
        except MissingFile:
            return {}
        except UnusableFile as error:
            path = self.folder / SWEEP_FILE
            names = (path.with_name(f"{SWEEP_FILE}.damaged-{number}") for number in itertools.count(1))
            kept = next(name for name in names if not os.path.lexists(name))
            path.rename(kept)
            say(f"{error} This command writes it again, and keeps the old one as {kept.name}.")
            return {"runs": self._runs_there(), "data": self._settings_of_runs()}


def join(config: TrainConfig, folder: Path, overrides: Sequence[str]) -> None:
    """Add a single run to the sweep in whose folder it lies.

    Args:
        config: the checked configuration of the run.
        folder: of the run.
        overrides: of the command.

    Raises:
        UserError: if the run conflicts with others of the sweep.
    """
    job = Job((), config, folder)
    refuse_conflict(job)
    Sweep(folder.parent, (job,)).write_file(f"python -m deblur.train {shlex.join(overrides)}")


def refuse_conflict(job: Job) -> None:
    """Raise the UserError of a single run that conflicts with others of its sweep."""
    conflict = Sweep(job.folder.parent, (job,)).first_conflict()
    if conflict is not None:
        raise conflict[1]


def known_status(folder: Path) -> dict[str, Any]:
    """Return the status.json of a run; empty if it is missing or damaged, which the run itself reports."""
    try:
        return read_status(folder)
    except UnusableFile:
        return {}


def _common(settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the settings that are equal in all: a sweep may vary a setting of the data."""
    first = settings[0] if settings else {}
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in settings)}
