"""Blurs that fail in loader processes, and a callback that ends one of these."""

import multiprocessing
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
    """Fails in a loader process, not where a network is calibrated or a sample is drawn."""

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
    """Sends a signal to the last loader process that was started, once the given stage runs."""

    def __init__(self, stage: str, signal_name: str = "SIGKILL") -> None:
        self.stage = stage
        self.number = signal.Signals[signal_name]

    def _kill(self, stage: str, trainer: Trainer) -> None:
        if stage == self.stage and not trainer.sanity_checking:
            last = max(multiprocessing.active_children(), key=lambda process: process.pid or 0)
            os.kill(last.pid or 0, self.number)

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        self._kill("train", trainer)

    def on_validation_batch_start(self, trainer: Trainer, *_: Any) -> None:
        self._kill("validation", trainer)

    def on_test_batch_start(self, trainer: Trainer, *_: Any) -> None:
        self._kill("test", trainer)
