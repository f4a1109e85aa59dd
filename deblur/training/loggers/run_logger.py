"""What a training asks of its loggers, and what those have in common that follow its checkpoints."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from deblur.blur.images import AnyImage

EACH_EPOCH: Final = ("train/", "val/")
"""Beginnings of the names that are logged each epoch, and that the rows of a checkpoint hold."""

Settings = Mapping[str, bool | int | float | str]


@dataclass(frozen=True)
class RunPlace:
    """What a logger calls a run, and where it keeps the files that runs share.

    Attributes:
        name: of the run.
        sweep: its name; None for a single run.
        root: the folder of all runs and sweeps.
    """

    name: str
    sweep: str | None
    root: Path


class RunLogger(Logger, ABC):
    """A logger that continues its record of a run when the run is resumed."""

    def enter(self, place: RunPlace) -> None:
        """Take what a run is called, before anything is logged; without need of it, do nothing."""

    @abstractmethod
    def resume(
        self, size: int | None, steps: int, rows: Sequence[Mapping[str, Any]], *, new_settings: bool = False
    ) -> None:
        """Go back to what was logged before a checkpoint; called before `log_settings`.

        Args:
            size: what `sync` returned before the checkpoint was written.
            steps: how many steps were taken then.
            rows: of the epochs until then, as History holds them.
            new_settings: whether the settings have changed, since the run is made longer.
        """

    @abstractmethod
    def log_settings(self, settings: Settings) -> None:
        """Record the settings of the run."""

    def log_image(self, name: str, image: AnyImage, step: int) -> None:
        """Show an image; a logger without images does nothing.

        Args:
            name: what it shows.
            image: gray (H, W) or RGB (H, W, 3).
            step: how many steps were taken.
        """

    @abstractmethod
    def sync(self) -> int | None:
        """Store all that was logged; a checkpoint is written next.

        Returns:
            How long the file is that a resumed run cuts back to the checkpoint [bytes]; None without one.
        """

    @abstractmethod
    def finish(self, step: int) -> None:
        """Mark the run as done.

        Args:
            step: of the whole training.
        """

    def abandon(self, *, is_stopped: bool) -> None:
        """Mark the run as failed, or as stopped by the user."""


class HeldBackLogger(RunLogger):
    """Holds back what is logged until the next checkpoint is about to be written.

    What belongs to an epoch that a resumed run trains again is thus not recorded twice.
    """

    def __init__(self, save_dir: str | Path) -> None:
        """Describe the logger; nothing is written yet.

        Args:
            save_dir: the run folder.
        """
        super().__init__()
        self.folder = Path(save_dir)
        self.place = RunPlace(self.folder.name, None, self.folder)
        self.steps = 0
        self._rows: Sequence[Mapping[str, Any]] = ()
        self._values: dict[int, dict[str, float]] = {}
        self._images: dict[tuple[str, int], AnyImage] = {}

    @property
    def name(self) -> str | None:
        """The name of the run."""
        return self.place.name

    @property
    def version(self) -> str | None:
        """None: a run has one record."""
        return None

    @property
    def save_dir(self) -> str | None:
        """The folder of the run."""
        return str(self.folder)

    def enter(self, place: RunPlace) -> None:
        """Take what the run is called."""
        self.place = place

    def resume(
        self, size: int | None, steps: int, rows: Sequence[Mapping[str, Any]], *, new_settings: bool = False
    ) -> None:
        """Note where the run continues; `size` is that of another logger."""
        self.steps, self._rows = steps, rows

    @rank_zero_only
    def log_settings(self, settings: Settings) -> None:
        """Begin the record, or continue it: what it lacks of the finished epochs is added."""
        # The names are grouped for a tab of TensorBoard.
        known = self.open({name.removeprefix("set/"): value for name, value in settings.items()})
        for row in self._rows:
            step = row["step"] - 1
            lacking = {
                name: value
                for name, value in row.items()
                if name.startswith(EACH_EPOCH) and value is not None and (name, step) not in known
            }
            if lacking:
                self._values[step] = lacking

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Hold back numbers; that of the epoch, which Lightning adds and counts from 0, is left out."""
        at = max(self._values, default=self.steps) if step is None else step
        numbers = {name: float(value) for name, value in metrics.items() if name != "epoch"}
        self._values.setdefault(at, {}).update(numbers)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Ignore what Lightning hands on: `log_settings` has it."""

    @rank_zero_only
    def log_image(self, name: str, image: AnyImage, step: int) -> None:
        """Hold back an image."""
        self._images[name, step] = image

    @rank_zero_only
    def sync(self) -> int | None:
        """Store what was held back."""
        values, images = dict(sorted(self._values.items())), dict(self._images)
        if values or images:
            self.write({step: numbers for step, numbers in values.items() if numbers}, images)
        self._values.clear()
        self._images.clear()
        return None

    @rank_zero_only
    def finish(self, step: int) -> None:
        """Store what was held back, and end the record."""
        self.sync()
        self.end("done")

    @rank_zero_only
    def abandon(self, *, is_stopped: bool) -> None:
        """End the record without what was held back, which a resumed run logs again."""
        with suppress(Exception):  # it must not hide why the run ends
            self.end("stopped" if is_stopped else "failed")

    def is_of_run(self, error: OSError) -> bool:
        """Return whether an error of the system is about a file of the run, which the training reports."""
        return isinstance(error.filename, str | bytes) and self.folder in Path(os.fsdecode(error.filename)).parents

    @abstractmethod
    def open(self, settings: Settings) -> set[tuple[str, int]]:
        """Begin or continue the record, and return the names and steps of the numbers in it."""

    @abstractmethod
    def write(self, values: Mapping[int, Mapping[str, float]], images: Mapping[tuple[str, int], AnyImage]) -> None:
        """Add numbers, by step and name, and images, by name and step."""

    @abstractmethod
    def end(self, state: str) -> None:
        """End the record with a state: done, stopped or failed."""
