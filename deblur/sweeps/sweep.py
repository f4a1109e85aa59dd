"""What a sweep is: its jobs, its folder, and the sweep.json in it."""

import shlex
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from deblur.config import Config
from deblur.errors import UserError
from deblur.files import write_json
from deblur.runs import SWEEP_FILE, data_settings, earlier_status, read_json

ISSUED = "DEBLUR_SWEEP_ISSUED"  # the environment variable that tells a command's runs when it was given
_LOCK_FILE = ".sweep.lock"
_LONGEST_WAIT = 60.0  # [s] for another command to write sweep.json


@dataclass(frozen=True, eq=False)
class Job:
    """One run that a sweep asks for.

    Attributes:
        overrides: the words that make its configuration.
        config: the checked configuration.
        folder: of the run.
    """

    overrides: tuple[str, ...]
    config: Config
    folder: Path


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
        """Return the first job that cannot join what the folder holds, and why; None where all can.

        A job conflicts with a run of another configuration in its place, unless `overwrite` replaces that, and with
        runs on other images: their results could not be compared.
        """
        known: Mapping[str, Any] = {}
        if (self.folder / SWEEP_FILE).is_file():
            known = read_json(self.folder / SWEEP_FILE).get("data", {})
        for job in self.jobs:
            try:
                if not job.config.get("overwrite"):
                    earlier_status(job.folder, job.config)
                self._refuse_other_data(job, known)
            except UserError as error:
                return job, error
        return None

    def _refuse_other_data(self, job: Job, known: Mapping[str, Any]) -> None:
        asked = data_settings(job.config)
        for key, value in known.items():
            if asked.get(key) != value:
                raise UserError(
                    f"the sweep {self.folder.name} was made with {key}={value}, and its runs could not be compared "
                    f"with one on {key}={asked.get(key)}: choose another name with sweep=NAME."
                )

    def _locked(self) -> AbstractContextManager[object]:
        """Return a lock on sweep.json, which other commands read and write as well."""
        return FileLock(self.folder / _LOCK_FILE, timeout=_LONGEST_WAIT)

    def note(self, command: str) -> None:
        """Write into sweep.json what is asked for, beside what earlier commands asked for.

        Args:
            command: the command, as a shell takes it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked():
            path = self.folder / SWEEP_FILE
            noted = read_json(path) if path.is_file() else {}
            asked = [job.folder.name for job in self.jobs]
            content = {
                "name": self.folder.name,
                "issued": datetime.now(UTC).isoformat(timespec="seconds"),
                "commands": list(dict.fromkeys([*noted.get("commands", []), command])),
                "runs": list(dict.fromkeys([*noted.get("runs", []), *asked])),
                "data": noted.get("data", _common([data_settings(job.config) for job in self.jobs])),
            }
            write_json(path, content)


def join(config: Config, folder: Path, words: Sequence[str]) -> None:
    """Let a single run join what a sweep's folder holds.

    Args:
        config: the checked configuration of the run.
        folder: of the run, in the sweep's.
        words: of the command.

    Raises:
        UserError: where it conflicts with what is there.
    """
    job = Job((), config, folder)
    refuse_conflict(job)
    Sweep(folder.parent, (job,)).note(f"python -m deblur.train {shlex.join(words)}")


def refuse_conflict(job: Job) -> None:
    """Refuse a single run that conflicts with what its sweep's folder holds.

    Raises:
        UserError: if it does.
    """
    conflict = Sweep(job.folder.parent, (job,)).first_conflict()
    if conflict is not None:
        raise conflict[1]


def _common(settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what all of them agree on: a sweep may go through a setting of the data."""
    first = settings[0]
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in settings)}
