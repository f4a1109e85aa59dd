"""What watches a training: run files, images, the time left."""

import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import lightning.pytorch as L
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint, RichProgressBar, WeightAveraging
from lightning.pytorch.loggers import TensorBoardLogger

from deblur.console import duration
from deblur.data.datamodule import DeblurDataModule
from deblur.files import write_csv
from deblur.runs.folder import RunFolder, RunIsPaused
from deblur.runs.records import HISTORY_FILE
from deblur.text import counted
from deblur.training.checkpoints import PROGRESS
from deblur.training.images import detailed_grid, restore_sample
from deblur.training.loggers import RunLogger
from deblur.training.module import DeblurModule

TRAIN_LOSS: Final = "train/loss"
_SHOWN: Final = {
    TRAIN_LOSS: ("loss", ".4g"),
    "val/psnr": ("val PSNR", ".2f"),
    "val/ssim": ("SSIM", ".4f"),
    "val/gain": ("gain", "+.2f"),
}
"""Columns of history.csv in the line of an epoch: label and format."""
COMPARISON: Final = "val/comparison"

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 1.0  # at the folder of the run


class History(Checkpoint):
    """Holds a row for each epoch, which the checkpoints keep: history.csv and status.json are views of it.

    It is a kind of checkpoint callback for its place: Lightning calls these last, when the epoch's means are there. It
    comes before those that write checkpoints.

    Attributes:
        rows: one mapping an epoch, of names to numbers.
    """

    def __init__(self, run: RunFolder) -> None:
        """Describe where the files go."""
        self._run = run
        self._path = run.path / HISTORY_FILE
        self._epoch_start = 0.0
        self._rate = 0.0
        self._is_validated = False
        self.rows: list[dict[str, Any]] = []

    def resume(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take over the rows of the epochs that a resumed run has behind it, and write the files by them."""
        self.rows = [dict(row) for row in rows]
        if self._run.is_held:
            self._write()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock, and note the rate before a scheduler changes it."""
        self._epoch_start = time.perf_counter()
        self._rate = trainer.optimizers[0].param_groups[0]["lr"]
        self._is_validated = False

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note that the epoch has means of its own: Lightning keeps logging those of an earlier one."""
        self._is_validated = True

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Add the epoch's row, and log the mean loss, which Lightning would log after the checkpoint is written."""
        logged = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("train/") or (name.startswith("val/") and self._is_validated)
        }
        row = {
            "epoch": trainer.current_epoch + 1,
            "step": trainer.global_step,
            "lr": self._rate,
            **{name: value if math.isfinite(value) else None for name, value in logged.items()},
            "seconds": round(time.perf_counter() - self._epoch_start, 3),
        }
        self.rows.append(row)
        for logger in trainer.loggers:
            # At the step of the last batch, as Lightning does.
            metrics = {TRAIN_LOSS: logged[TRAIN_LOSS], "epoch": float(trainer.current_epoch + 1)}
            logger.log_metrics(metrics, trainer.global_step - 1)

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Store the rows, and how long the event file is once all that was logged is on the disk."""
        lengths = [logger.sync() for logger in trainer.loggers if isinstance(logger, RunLogger)]
        checkpoint[PROGRESS] = {"rows": self.rows, "events": next(filter(None, lengths), None)}

    def publish(self, trainer: L.Trainer) -> None:
        """Write history.csv and the finished epochs in status.json; log how the last one went."""
        if not trainer.is_global_zero:
            return
        self._write()
        log.info(epoch_line(self.rows[-1], trainer.max_epochs))

    def _write(self) -> None:
        write_csv(self._path, self.rows)
        self._run.report_epoch(len(self.rows))


def epoch_line(row: Mapping[str, Any], epochs: int | None) -> str:
    """Return a finished epoch as a line of at most 80 characters; an epoch without validation has no figures of one.

    Args:
        row: of history.csv; a value that is not finite is None.
        epochs: of the whole training; None if it has no such limit.
    """
    limit = "" if epochs is None or epochs < 0 else f"/{epochs}"
    parts = [f"epoch {row['epoch']:>{len(limit) - 1 if limit else 1}}{limit}"]
    for name, (label, form) in _SHOWN.items():
        if name in row:
            value = row[name]
            parts.append(f"{label} -" if value is None else f"{label} {value:{form}}")
    return "  ".join([*parts, f"{row['seconds']:.1f} s"])


class PublishedHistory(Checkpoint):
    """Writes the files of a `History`. It comes after those that write checkpoints, which these files never precede."""

    def __init__(self, history: History) -> None:
        """Choose whose."""
        self._history = history

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write them."""
        self._history.publish(trainer)


class Pause(Checkpoint):
    """Pauses a run after some of its epochs. It comes last: the epoch's checkpoints and files are written by then.

    The trainer knows nothing of it, so that learning-rate schedules are laid out for the full length.
    """

    def __init__(self, epochs: int) -> None:
        """Choose after how many epochs."""
        self._epochs = epochs

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """End a resumed training that has these epochs already: it was killed before it could say so.

        Raises:
            RunIsPaused: if it has them.
        """
        self._pause_after(trainer.current_epoch, trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """End the training, unless it ends with this epoch by itself.

        Raises:
            RunIsPaused: after the last of these epochs.
        """
        self._pause_after(trainer.current_epoch + 1, trainer)

    def _pause_after(self, finished: int, trainer: L.Trainer) -> None:
        if finished >= self._epochs and not trainer.should_stop:
            log.info(f"Paused after epoch {finished} of {trainer.max_epochs}.")
            raise RunIsPaused


class StaysStopped(Callback):
    """Ends a resumed training that early stopping had ended: it was killed before its test.

    Lightning's `EarlyStopping` would let it train another epoch.
    """

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """End the training if its last finished epoch is the one after which it was stopped."""
        stopped = [one.stopped_epoch for one in trainer.early_stopping_callbacks]
        if trainer.current_epoch > 0 and any(0 < epoch == trainer.current_epoch - 1 for epoch in stopped):
            trainer.should_stop = True


class FolderGuard(Callback):
    """Ends a training whose folder was moved, deleted or replaced, before anything is written into another's."""

    def __init__(self, run: RunFolder) -> None:
        """Choose the folder."""
        self._run = run
        self._next_look = 0.0

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Look from time to time: an epoch may last for hours."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + SECONDS_BETWEEN_LOOKS
            self._run.refuse_if_lost()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Look before the checkpoints of the epoch are written, which Lightning does last."""
        self._run.refuse_if_lost()


class EpochBar(RichProgressBar):
    """Lightning's progress bar for the running epoch, with epochs counted from 1; at its end it disappears."""

    def _init_progress(self, trainer: L.Trainer) -> None:
        super()._init_progress(trainer)
        if self.progress is not None:
            self.progress.live.transient = True  # the line of each epoch stays

    def _get_train_description(self, current_epoch: int) -> str:
        epochs = self.trainer.max_epochs
        shown = f"Epoch {current_epoch + 1}" if epochs is None or epochs < 0 else f"Epoch {current_epoch + 1}/{epochs}"
        return shown.ljust(len(self.validation_description))


class TimeLeft(Callback):
    """Says after the first steps how long the training will take."""

    def __init__(self, after_steps: int = 50) -> None:
        """Choose when to speak.

        Args:
            after_steps: how many steps are measured, over several epochs if those are short. The first ones are
                slow and left out, and so is what happens between two epochs.
        """
        self._after_steps = after_steps
        self._warm_up = after_steps // 5
        self._steps = 0
        self._seconds = 0.0
        self._start = 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        if self._steps < self._after_steps:
            self._start = _now(pl_module.device)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Count steps; speak once."""
        self._steps += 1
        if self._steps == self._warm_up:
            self._start = _now(pl_module.device)
        elif self._steps == self._after_steps or (self._steps < self._after_steps and trainer.is_last_batch):
            measured = self._steps > self._warm_up
            self._seconds += _now(pl_module.device) - self._start if measured else 0.0
        if self._steps == self._after_steps:
            each = self._seconds / (self._after_steps - self._warm_up)
            left = trainer.estimated_stepping_batches - trainer.global_step
            log.info(
                f"{each * 1e3:.0f} ms per step, {counted(round(left), 'step')} left: about {duration(each * left)} and "
                "validation."
            )


class ComparisonGrids(Checkpoint):
    """Shows fixed validation images in each logger that can: blurred, restored, sharp, error, and a detail of each.

    It is a kind of checkpoint callback for its place: before the checkpoints are written, and after what may end the
    training with this epoch.
    """

    def __init__(self, images: int, every_n_epochs: int) -> None:
        """Choose what to show.

        Args:
            images: how many validation images.
            every_n_epochs: how often, besides the start and the end.
        """
        self._images = images
        self._every_n_epochs = every_n_epochs

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show what the untrained network does."""
        if trainer.current_epoch == 0:
            self._show(trainer, pl_module, 0)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the progress, and the end, wherever that is."""
        if (trainer.current_epoch + 1) % self._every_n_epochs == 0 or _is_last_epoch(trainer):
            self._show(trainer, pl_module, trainer.global_step)

    def _show(self, trainer: L.Trainer, module: L.LightningModule, step: int) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined] # set by fit
        if not isinstance(data, DeblurDataModule) or not isinstance(module, DeblurModule) or not trainer.is_global_zero:
            return
        samples = data.evaluation_dataset(data.splits.val[: self._images])
        with _validated_weights(trainer, module):
            restored = [restore_sample(module, samples[index]) for index in range(len(samples))]
        shown = detailed_grid(restored)
        for logger in trainer.loggers:
            if isinstance(logger, RunLogger):
                logger.log_image(COMPARISON, shown, step)
            elif isinstance(logger, TensorBoardLogger):  # the user's own
                layout = "HW" if shown.ndim == 2 else "HWC"
                logger.experiment.add_image(COMPARISON, shown, step, dataformats=layout)


@contextmanager
def _validated_weights(trainer: L.Trainer, module: L.LightningModule) -> Iterator[None]:
    """Give the module the weights that are validated and stored: callbacks may average those that are trained."""
    averages = [callback for callback in trainer.callbacks if isinstance(callback, WeightAveraging)]  # type: ignore[attr-defined] # missing in its stub
    for callback in averages:
        callback.on_validation_epoch_start(trainer, module)
    try:
        yield
    finally:
        for callback in averages:
            callback.on_validation_epoch_end(trainer, module)


def _is_last_epoch(trainer: L.Trainer) -> bool:
    steps = trainer.max_steps  # -1 is no limit
    return (
        trainer.should_stop
        or trainer.current_epoch + 1 == trainer.max_epochs
        or (steps >= 0 and trainer.global_step >= steps)
    )


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)  # the steps are given to a GPU before it takes them
    return time.perf_counter()
