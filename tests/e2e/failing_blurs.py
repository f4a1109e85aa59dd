"""Blurs that fail in loader processes, and a callback that kills one of these."""

import os
import signal
from typing import Any

import numpy as np
from lightning.pytorch import Callback, Trainer
from torch.utils.data import get_worker_info

from deblur.blur import Box, Sampled
from deblur.errors import UserError

ERRORS = {
    "user": UserError("blur.size=5 cannot be drawn: fix it."),
    "memory": MemoryError(),
    "no memory": OSError(12, "Cannot allocate memory"),
    "files": OSError(24, "Too many open files"),
    "bug": ValueError("what nobody thought of"),
}


class FailingBox(Box):
    """Fails in a loader process, not where a sample is drawn."""

    def __init__(self, how: str, **settings: Any) -> None:
        super().__init__(**settings)
        self.how = how

    def sample(self, rng: np.random.Generator) -> Sampled:
        if get_worker_info() is not None:
            if self.how == "exit":
                os._exit(3)
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ERRORS[self.how]
        return super().sample(rng)


class KillLoaderProcess(Callback):
    """Kills one of the loader processes of the given stage as its first batch is there: it has work left.

    Which one was started last says nothing: those of the validation are older than those of the training, which are no
    longer needed after its last epoch.
    """

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.has_killed = False

    def _kill(self, stage: str, trainer: Trainer, loader: Any) -> None:
        if stage == self.stage and not trainer.sanity_checking and not self.has_killed:
            os.kill(loader._iterator._workers[-1].pid, signal.SIGKILL)
            self.has_killed = True

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        self._kill("train", trainer, trainer.train_dataloader)

    def on_validation_batch_start(self, trainer: Trainer, *_: Any) -> None:
        self._kill("validation", trainer, trainer.val_dataloaders)

    def on_test_batch_start(self, trainer: Trainer, *_: Any) -> None:
        self._kill("test", trainer, trainer.test_dataloaders)
