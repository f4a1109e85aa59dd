"""A search: trials drawn from ranges, and successive halving, whose rungs are resumed runs."""

import gc
import re
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from hydra.core.hydra_config import HydraConfig

from deblur.config import TrainConfig
from deblur.config.command_line import USAGE_ERRORS, quoted
from deblur.config.explaining import explain
from deblur.config.identity import is_within, what_matters
from deblur.config.search import Choice, Range, Search
from deblur.config.sections import shown
from deblur.config.sweeps import SweepRefused, checked_trial
from deblur.console import duration, is_terminal, say, table
from deblur.errors import UnfitSettings, UserError, disk_errors_as_user_errors
from deblur.files import remove_partial_files, write_json
from deblur.reading import MissingFile
from deblur.runs.locking import FolderIsLocked, FolderLock
from deblur.runs.paths import naming_overrides, run_folder
from deblur.runs.records import HISTORY_FILE, SEARCH_FILE, SEARCH_FOLDER, read_history, read_search_file
from deblur.runs.states import state_of
from deblur.sweeps.checks import refuse_unfit_classes, refuse_untrainable
from deblur.sweeps.progress import current_watch
from deblur.sweeps.sampling import Observation, next_settings, refuse_without_optuna
from deblur.sweeps.session import write_report
from deblur.sweeps.sweep import Job, Sweep, refuse_conflict
from deblur.text import Lines, counted, lines, paragraphs

_LOCK_FILE: Final = ".lock"
_VALUE: Final = "val/psnr"  # which the best epoch of a run is chosen by as well
_VALIDATION_LOSS: Final = "val/loss"
_PLAIN: Final = re.compile(r"[\w./+-]+|\[[\w.,\[\]+-]*\]")  # values that Hydra's grammar takes as they are
_STOPPED: Final = "Stopped. The same command resumes the search."


class _TrialFailed(Exception):
    """A trial has no value to be compared; the text says why."""


@dataclass(eq=False)
class Trial:
    """Settings that a search tries.

    Attributes:
        settings: values by key, as `deblur.sweeps.sampling` returns them.
        run: the name of its run; None of one whose configuration is refused.
        values: the PSNR of its best epoch so far by the epochs of a rung [dB].
        error: why it failed; None of one that did not.
    """

    settings: Mapping[str, Any]
    run: str | None = None
    values: dict[int, float] = field(default_factory=dict)
    error: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return what search.json holds of it."""
        values = {str(epochs): value for epochs, value in sorted(self.values.items())}
        return {"settings": dict(self.settings), "run": self.run, "values": values, "error": self.error}


def promoted(trials: Sequence[Trial], epochs: int, eta: int) -> list[Trial]:
    """Return the best 1/eta of a rung's trials, at least one, the best first; of equal ones the first.

    Args:
        trials: of the rung, with those that failed there.
        epochs: of the rung.
        eta: the reciprocal of the fraction that is kept.
    """
    ranked = sorted(
        (one for one in trials if epochs in one.values and one.error is None), key=lambda one: -one.values[epochs]
    )
    distinct = {one.run: one for one in reversed(ranked)}  # two trials of the same settings share their run
    return [one for one in ranked if distinct[one.run] is one][: max(1, len(trials) // eta)]


def value_after(folder: Path, epochs: int, every: int) -> float | None:
    """Return the validation PSNR of the best of the first epochs of a run [dB]; None if it has not finished them.

    Args:
        folder: of the run.
        epochs: how many.
        every: epochs from one validation to the next.

    Raises:
        _TrialFailed: if what it restores are not numbers.
    """
    try:
        rows = read_history(folder)
        is_over = state_of(folder) == "done"  # by early stopping, if it has fewer epochs
    except MissingFile:
        return None
    if len(rows) < epochs and not is_over:
        return None
    validated = [row for row in rows[:epochs] if (row["epoch"] or 0) % every == 0]
    found = [value for row in validated if (value := row.get(_VALUE)) is not None]
    if not found or validated[-1].get(_VALIDATION_LOSS) is None:
        raise _TrialFailed(f"The validation loss or PSNR is not a finite number after {counted(epochs, 'epoch')}.")
    return float(max(found))


class SearchRun:
    """A search in its folder.

    What is trained next depends on its settings and on what search.json holds of the trials so far, on nothing else.
    """

    def __init__(self, config: TrainConfig, search: Search, overrides: Sequence[str]) -> None:
        """Describe the search; nothing is written yet.

        Args:
            config: the checked configuration of the command.
            search: its section `search`.
            overrides: of the command. A key that they set has that value in all trials.

        Raises:
            UserError: if they set all keys of the search.
        """
        given = {word.lstrip("+").partition("=")[0] for word in overrides}
        self.ranges: Mapping[str, Range] = {key: one for key, one in search.ranges.items() if key not in given}
        if not self.ranges:
            raise UserError(
                f"The command sets {', '.join(search.ranges)}, so that there is nothing left to search: leave one out."
            )
        self.rungs = search.rungs(config.trainer.max_epochs)
        self.trials: list[Trial] = []
        self._search = search
        self._config = config
        self._overrides = overrides
        self.folder = run_folder(config, overrides).parent
        self._is_over = False
        self._common: Mapping[str, Any] = {}

    def check(self) -> list[Job]:
        """Check the settings at the ends of all ranges as far as possible without torch, and return them as jobs.

        Raises:
            SweepRefused: for the first that is refused.
        """
        first = {key: _texts(one)[0] for key, one in self.ranges.items()}
        settings = [first]
        settings += [first | {key: text} for key, one in self.ranges.items() for text in _texts(one)[1:]]
        jobs = []
        for one in settings:
            try:
                jobs.append(self._job(one))
            except Exception as error:
                raise SweepRefused(" ".join(_as_overrides(one)), error) from error
        refuse_untrainable(self.folder, jobs)
        common = what_matters(jobs[0].config.plain())
        self._common = {key: value for key, value in common.items() if not is_within(key, list(self.ranges))}
        return jobs

    def listing(self, jobs: Sequence[Job]) -> Lines:
        """Build all of a training for each of the checked jobs, and return what the search would train.

        Raises:
            SweepRefused: for a job that cannot be trained.
        """
        from deblur.training.parts import rehearse  # seconds of imports

        for job in jobs:
            try:
                rehearse(job.config)
            except Exception as error:
                raise job.refused(error) from error
        self._read()
        done = sum(self.rungs[-1] in trial.values for trial in self.trials[: self._search.trials])
        begun = min(len(self.trials), self._search.trials)
        rows, before, left = [], 0, self._search.trials
        total = 0
        for epochs in self.rungs:
            rows.append([str(epochs), str(left), str(left * (epochs - before))])
            total += left * (epochs - before)
            before, left = epochs, max(1, left // self._search.eta)
        full = self._search.trials * self.rungs[-1]
        return paragraphs(
            f"{counted(self._search.trials, 'trial')} in {self.folder}: {begun} begun, {done} of them at the end, "
            f"{self._search.trials - begun} open.",
            table("", ("rung [epochs]", "trials", "epochs to train"), rows),
            lines(
                f"At most {total} epochs, of {full} of all trials in full length.",
                "dry_run=true: everything but the images was checked; nothing was trained or written.",
            ),
        )

    def train(self, command: str) -> None:
        """Train the trials rung by rung; what is done already is not done again.

        Args:
            command: as a shell takes it, for sweep.json.

        Raises:
            UserError: if another process searches in the folder, another search has been made there, or all trials of
                a rung have failed.
            KeyboardInterrupt: after Ctrl-C.
        """
        place = self.folder / SEARCH_FOLDER
        with disk_errors_as_user_errors():
            place.mkdir(parents=True, exist_ok=True)
            try:
                with FolderLock(place, _LOCK_FILE, patience=0):
                    remove_partial_files(place)
                    self._read()
                    self._train(command)
            except FolderIsLocked:
                raise UserError(
                    f"The search {self.folder.name} is alive in another process: wait until it has ended, or choose "
                    "another name with sweep=NAME."
                ) from None
            except KeyboardInterrupt:
                raise KeyboardInterrupt(_STOPPED) from None

    def conclude(self, code: int) -> int:
        """Write the report of a search that has reached its end, and show its best trial.

        Args:
            code: the exit code so far.

        Returns:
            The exit code: the one so far, or 1 if the report could not be written.
        """
        if code or not self._is_over:
            return code
        code = write_report(self.folder, code)
        best = promoted(self.trials[: self._search.trials], self.rungs[-1], self._search.trials)[0]
        say(
            lines(
                "",
                f"Best of {counted(self._search.trials, 'trial')}: {' '.join(_as_overrides(best.settings))}",
                f"{best.values[self.rungs[-1]]:.2f} dB on the validation images, in {self.folder / str(best.run)}",
            )
        )
        return code

    def _train(self, command: str) -> None:
        wanted, eta = self._search.trials, self._search.eta
        rungs = ", ".join(map(str, self.rungs))
        say(f"{counted(wanted, 'trial')} in {self.folder}. Rungs [epochs]: {rungs}. Each writes its train.log there.")
        for number in range(wanted):
            if number == len(self.trials):
                earlier = [Observation(one.settings, one.values.get(self.rungs[0])) for one in self.trials]
                self.trials.append(Trial(next_settings(self.ranges, self._search.seed, earlier)))
                self._save()
            self._advance(number, self.rungs[0], command)
        trials = self.trials[:wanted]
        for before, epochs in pairwise(self.rungs):
            kept = self._kept(trials, before, eta)
            say(
                f"Rung of {counted(before, 'epoch')}: the best {len(kept)} of {len(trials)} continue to {epochs} "
                "epochs."
            )
            for trial in kept:
                self._advance(self.trials.index(trial), epochs, command)
            trials = kept
        self._kept(trials, self.rungs[-1], eta)
        self._is_over = True

    def _kept(self, trials: Sequence[Trial], epochs: int, eta: int) -> list[Trial]:
        kept = promoted(trials, epochs, eta)
        if not kept:
            errors = next(trial.error for trial in trials if trial.error)
            raise UserError(
                f"All {len(trials)} trials of the rung of {epochs} epochs have failed, the first one: {errors}"
            )
        return kept

    def _advance(self, number: int, epochs: int, command: str) -> None:
        """Train a trial until the end of a rung, unless it has been, and store its value or why it failed."""
        trial = self.trials[number]
        if epochs in trial.values or trial.error is not None:
            return
        start = time.perf_counter()
        try:
            value = self._trained(trial, epochs, command)
        except Exception as error:
            if not isinstance(error, _TrialFailed | UnfitSettings):
                say(
                    f"trial {number + 1}/{self._search.trials} is not finished: the same command resumes the search "
                    "with it."
                )
                raise
            trial.error = " ".join(str(error).split())
            outcome = f"failed: {trial.error}"
        else:
            trial.values[epochs] = value
            outcome = f"{value:.2f} dB in {duration(time.perf_counter() - start)}"
        self._save()
        name = trial.run or " ".join(_as_overrides(trial.settings))
        say(f"trial {number + 1}/{self._search.trials}  {counted(epochs, 'epoch')}  {name}  {outcome}")
        if trial.error is not None and self._config.fail_fast:
            raise UserError(f"fail_fast=true: the search ends after the failure of trial {number + 1}.")

    def _trained(self, trial: Trial, epochs: int, command: str) -> float:
        """Return the value of a trial after some epochs, which are trained if they have not been.

        Raises:
            _TrialFailed, UnfitSettings: if its settings are refused, or its training fails because of them.
            Exception: for all other errors: those of the machine or of files say nothing about the settings.
        """
        job = self._accepted(trial.settings)
        trial.run = job.folder.name
        refuse_conflict(job)
        Sweep(self.folder, (job,)).write_file(command)
        every, is_last = job.config.trainer.check_val_every_n_epoch, epochs == self.rungs[-1]
        try:
            value = value_after(job.folder, epochs, every)
            if value is None or state_of(job.folder) not in (("done",) if is_last else ("done", "paused")):
                if is_terminal():
                    say(f"training {job.folder.name}")
                self._refuse_unbuildable(job)
                from deblur.training.session import train  # seconds of imports

                train(job.config, job.folder, in_sweep=True, until=None if is_last else epochs)
                value = value_after(job.folder, epochs, every)
        finally:
            gc.collect()  # trainers and modules are reference cycles, which would fill the memory run by run
        if value is None:
            raise UserError(
                f"{job.folder / HISTORY_FILE} has fewer than {counted(epochs, 'epoch')}, though they were trained: "
                "leave the files of a search alone while it is alive, and issue its command again."
            )
        return value

    def _accepted(self, settings: Mapping[str, Any]) -> Job:
        """Return the run of a trial, checked.

        Raises:
            _TrialFailed: if its settings are refused.
            SweepRefused: if so are ends of ranges that were accepted before: a file or folder has changed.
        """
        try:
            return self._job(settings)
        except Exception as error:
            try:
                self.check()
            except SweepRefused as refusal:
                raise SweepRefused("", refusal.usage_error) from None
            reason = explain(error, "train", []) if isinstance(error, USAGE_ERRORS) else str(error)
            raise _TrialFailed(reason) from error

    def _refuse_unbuildable(self, job: Job) -> None:
        """Refuse a trial whose parts cannot be built, if those of an end of a range can.

        Raises:
            _TrialFailed: for such a trial.
            Exception: if none can be built.
        """
        from deblur.training.parts import build_parts  # seconds of imports

        try:
            build_parts(job.config)
        except Exception as error:
            if not any(_can_be_built(other.config) for other in self.check()):
                raise
            raise _TrialFailed(str(error) if isinstance(error, UserError) else repr(error)) from error

    def _job(self, settings: Mapping[str, Any]) -> Job:
        """Return the run of a trial, checked.

        Raises:
            Exception: of the user's mistakes; see `checked_trial`.
        """
        overrides = _as_overrides(settings)
        config = checked_trial(overrides)
        folder = run_folder(config, naming_overrides([*self._overrides, *overrides], self.ranges))
        return Job(tuple(overrides), config, folder)

    def _read(self) -> None:
        """Take over the trials of an earlier command.

        Raises:
            UserError: if it was another search, which is not to be replaced, or its file is damaged.
        """
        try:
            stored = read_search_file(self.folder)
        except MissingFile:
            return
        asked = self._plain()
        differing = [key for key in ("rungs", "eta", "seed", "space") if stored[key] != asked[key]]
        differing += sorted(
            key
            for key in stored["common"].keys() | asked["common"].keys()
            if stored["common"].get(key) != asked["common"].get(key)
        )
        if differing and not self._config.overwrite:
            raise UserError(
                f"The search {self.folder.name} was made with other settings ({', '.join(differing)} differ): choose "
                "another name with sweep=NAME, or replace it with overwrite=true."
            )
        if differing:
            return
        if stored["optuna"] != asked["optuna"]:
            say(
                f"The search {self.folder.name} was begun with Optuna {stored['optuna']}, and this is "
                f"{asked['optuna']}: further trials may be others than those of one version."
            )
        self.trials = [
            Trial(
                one["settings"],
                one["run"],
                {int(epochs): value for epochs, value in one["values"].items()},
                None if self._config.overwrite else one["error"],
            )
            for one in stored["trials"]
        ]

    def _save(self) -> None:
        write_json(self.folder / SEARCH_FOLDER / SEARCH_FILE, self._plain())

    def _plain(self) -> dict[str, Any]:
        return {
            "wanted": self._search.trials,
            "rungs": list(self.rungs),
            "eta": self._search.eta,
            "seed": self._search.seed,
            "space": {key: one.plain() for key, one in self.ranges.items()},
            "common": dict(self._common),
            "optuna": version("optuna"),
            "trials": [trial.plain() for trial in self.trials],
        }


def search(config: TrainConfig) -> None:
    """Run the search of the running command, or list it if `dry_run=true`.

    Args:
        config: the checked configuration, with its section `search`.

    Raises:
        SweepRefused: for the first setting that is refused, before anything is trained.
        UserError: as `SearchRun.train` does.
    """
    if config.search is None:
        raise ValueError("the configuration has no search")
    refuse_without_optuna()
    overrides = list(HydraConfig.get().overrides.task)
    found = SearchRun(config, config.search, overrides)
    jobs = found.check()
    if config.dry_run:
        say(found.listing(jobs))
        return
    refuse_unfit_classes(jobs)  # after all that can be refused without torch
    from deblur.device import refuse_absent_device  # seconds of imports

    refuse_absent_device(config.trainer)
    watch = current_watch()
    if watch is not None:
        watch.search = found
    found.train(f"python -m deblur.train {shlex.join(sys.argv[1:] if watch is None else watch.argv)}")


def _can_be_built(config: TrainConfig) -> bool:
    from deblur.training.parts import build_parts  # seconds of imports

    try:
        build_parts(config)
    except Exception:
        return False
    return True


def _texts(one: Range) -> list[Any]:
    """Return the ends of a range, or all of its choices, as the sampler returns them."""
    return [shown(value) for value in one.values] if isinstance(one, Choice) else one.values


def _as_overrides(settings: Mapping[str, Any]) -> list[str]:
    """Return the settings of a trial as overrides of a command."""
    return [f"{key}={_override_text(shown(value))}" for key, value in settings.items()]


def _override_text(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else quoted(text, is_path=False)
