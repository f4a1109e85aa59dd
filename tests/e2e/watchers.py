"""Callbacks that stop trainings, or watch them."""

import os
import signal
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from deblur.models import SRCNN


class StopOnce(Callback):
    """Presses Ctrl-C in the second epoch, as long as the file is there."""

    def __init__(self, flag: str) -> None:
        self.flag = Path(flag)

    def on_train_batch_start(self, trainer: Trainer, _module: LightningModule, _batch: Any, batch_idx: int) -> None:
        if trainer.current_epoch == 1 and batch_idx == 1 and self.flag.exists():
            self.flag.unlink()
            raise KeyboardInterrupt


class NeverWaits(Callback):
    """Has torch raise where the processor waits for the GPU, within an epoch and between two looks at the loss."""

    def on_train_batch_start(self, trainer: Trainer, _module: LightningModule, _batch: Any, batch_idx: int) -> None:
        assert trainer.train_dataloader.pin_memory
        if batch_idx == 2:
            torch.cuda.set_sync_debug_mode("error")

    def on_train_batch_end(
        self, _trainer: Trainer, _module: LightningModule, _outputs: Any, _batch: Any, batch_idx: int
    ) -> None:
        if batch_idx == 40:
            torch.cuda.set_sync_debug_mode("default")

    def on_exception(self, *_: Any) -> None:
        torch.cuda.set_sync_debug_mode("default")


class MoveRun(Callback):
    """Moves the folder of the run away in its second epoch, once; another folder may come in its place."""

    def __init__(self, to: str, replaced: bool = False) -> None:
        self.to = Path(to)
        self.replaced = replaced

    def on_train_batch_start(self, trainer: Trainer, _module: LightningModule, _batch: Any, batch_idx: int) -> None:
        if trainer.current_epoch == 1 and batch_idx == 1 and not self.to.exists():
            place = Path(trainer.default_root_dir)
            place.rename(self.to)
            if self.replaced:
                place.mkdir()
                (place / "theirs").touch()


class KillOnce(Callback):
    """Kills the process in the second epoch, as long as the file is there."""

    def __init__(self, flag: str) -> None:
        self.flag = Path(flag)

    def on_train_batch_start(self, trainer: Trainer, _module: LightningModule, _batch: Any, batch_idx: int) -> None:
        if trainer.current_epoch == 1 and batch_idx == 1 and self.flag.exists():
            self.flag.unlink()
            os.kill(os.getpid(), signal.SIGKILL)


class RenameOnce(Callback):
    """Gives a folder another name when the first epoch ends, as long as the file is there."""

    def __init__(self, flag: str, folder: str, to: str) -> None:
        self.flag = Path(flag)
        self.folder = folder
        self.to = to

    def on_train_epoch_end(self, *_: Any) -> None:
        if self.flag.exists():
            self.flag.unlink()
            Path(self.folder).rename(self.to)


class AskForMemory(Callback):
    """Asks for more memory than there is, as long as the file is there."""

    def __init__(self, flag: str) -> None:
        self.flag = Path(flag)

    def on_train_epoch_start(self, *_: Any) -> None:
        if self.flag.exists():
            torch.empty(2**60)


class Picky(SRCNN):
    """Takes each of two settings, but not both at once."""

    def __init__(self, dropout: float = 0.0, residual: bool = False, **settings: Any) -> None:
        if dropout and residual:
            raise ValueError("dropout and residual are too much for me")
        super().__init__(dropout=dropout, residual=residual, **settings)
