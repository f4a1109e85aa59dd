"""What watches a training: run files, pictures, the time left."""

import logging
import math
import time
from typing import Any

import lightning.pytorch as L
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint
from lightning.pytorch.loggers import TensorBoardLogger

from deblur.console import duration
from deblur.data.datamodule import DeblurDataModule
from deblur.files import write_csv
from deblur.reading import damaged
from deblur.runs import CURE, HISTORY_FILE, RunFolder, read_history
from deblur.training.pictures import restore_sample, strip

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 1.0  # at the folder of the run


class History(Checkpoint):
    """Writes history.csv, one row an epoch, and the finished epochs into status.json.

    It is a kind of checkpoint callback for its place: Lightning calls these last, when the epoch's means are there.
    """

    def __init__(self, run: RunFolder) -> None:
        """Describe where the files go."""
        self._run = run
        self._path = run.path / HISTORY_FILE
        self._epoch_start = 0.0
        self._rate = 0.0
        self._is_validated = False
        self.rows: list[dict[str, Any]] = []

    def keep(self, epochs: int) -> None:
        """Read the rows of the epochs that a resumed run has behind it; forget what came after them."""
        self.rows = [row for row in read_history(self._run.path) if (row["epoch"] or 0) < epochs]
        if [row["epoch"] for row in self.rows] != list(range(epochs)) or not all("seconds" in row for row in self.rows):
            raise damaged(self._path, f"it does not hold each of the {epochs} finished epochs once", CURE)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock, and note the rate before a scheduler changes it."""
        self._epoch_start = time.perf_counter()
        self._rate = trainer.optimizers[0].param_groups[0]["lr"]
        self._is_validated = False

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note that the epoch has means of its own: Lightning goes on telling those of an earlier one."""
        self._is_validated = True

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the epoch's row."""
        logged = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("train/") or (name.startswith("val/") and self._is_validated)
        }
        row = {
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            "lr": self._rate,
            **{name: value if math.isfinite(value) else None for name, value in logged.items()},
            "seconds": round(time.perf_counter() - self._epoch_start, 3),
        }
        self.rows.append(row)
        if not trainer.is_global_zero:
            return
        write_csv(self._path, self.rows)
        self._run.report_epoch(trainer.current_epoch + 1)
        if not trainer.progress_bar_callback:
            shown = {name: row.get(name) for name in ("train/loss", "val/psnr", "val/gain")}
            numbers = "  ".join(f"{name} {value:.4g}" for name, value in shown.items() if value is not None)
            log.info(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {numbers}  {row['seconds']:.1f} s")


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


class TimeLeft(Callback):
    """Says after the first steps how long the training will take."""

    def __init__(self, after_steps: int = 50) -> None:
        """Choose when to speak.

        Args:
            after_steps: how many steps are measured, over several epochs where those are short. The first ones are
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
                f"{each * 1e3:.0f} ms a step, {left:.0f} steps left: about {duration(each * left)} and validation."
            )


class ImageStrips(Callback):
    """Shows fixed validation images in TensorBoard: blurred | restored | sharp | error, one image a row."""

    def __init__(self, images: int, every_n_epochs: int) -> None:
        """Choose what to show.

        Args:
            images: how many validation images.
            every_n_epochs: how often, besides the start and the end.
        """
        self._images = images
        self._every_n_epochs = every_n_epochs
        self._shown_at = 0  # steps

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show what the untrained network does."""
        if trainer.current_epoch == 0:
            self._show(trainer, pl_module, 0)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the progress."""
        if (trainer.current_epoch + 1) % self._every_n_epochs == 0:
            self._show(trainer, pl_module, trainer.global_step)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the end, wherever that is."""
        if trainer.global_step > self._shown_at:
            self._show(trainer, pl_module, trainer.global_step)

    def _show(self, trainer: L.Trainer, module: L.LightningModule, step: int) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined] # set by fit
        if not isinstance(data, DeblurDataModule) or not trainer.is_global_zero:
            return
        self._shown_at = step
        samples = data.evaluation_dataset(data.splits.val[: self._images])
        shown = strip([restore_sample(module, samples[index]) for index in range(len(samples))], with_error=True)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image("val/blurred, restored, sharp, error", shown, step, dataformats="HW")


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)  # the steps are given to a GPU before it takes them
    return time.perf_counter()
