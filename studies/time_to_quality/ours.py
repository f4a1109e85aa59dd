"""Our contender: `python -m deblur.train`, watched by a callback."""

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from studies.srcnn_2022.ours import MODELS
from studies.srcnn_2022.restated import SHARP
from studies.time_to_quality.recording import Recorder, Task

EPOCHS = 100_000  # the time ends a training, not the number of epochs


class Recording(Callback):
    """Writes the validation of each epoch, and ends the training."""

    def __init__(self, task: str) -> None:
        """Read the task from a file."""
        self._recorder = Recorder(Task.read(Path(task)))
        self._validated = 0.0

    def on_train_batch_start(self, *_: Any) -> None:
        """Note the first step."""
        if not self._recorder.has_started:
            self._recorder.start()

    def on_validation_end(self, *_: Any) -> None:
        """Note when the validation has ended."""
        self._validated = self._recorder.seconds()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002 # Lightning's
        """Write the point: the means are there now."""
        psnr, mse = (float(trainer.callback_metrics[f"val/{name}"]) for name in ("psnr", "mse"))
        if self._recorder.add(self._validated, trainer.current_epoch + 1, psnr, mse):
            trainer.should_stop = True


def overrides(task: Task, path: Path, folder: Path) -> list[str]:
    """Return the overrides of a training.

    Args:
        task: that the training is for.
        path: of the task's file.
        folder: for the run and the cached images.
    """
    return [
        f"model={MODELS[task.network]}",
        f"blur={task.blur}",
        "data=folder",
        f"data.root={task.images / SHARP}",
        f"seed={task.seed}",
        f"trainer.max_epochs={EPOCHS}",
        f"paths.output_root={folder / 'outputs'}",
        f"paths.cache_root={folder / 'cache'}",
        f"+callbacks.recording._target_={__name__}.Recording",
        f"+callbacks.recording.task={path}",
        f"trusted=[{__name__}]",
    ]
