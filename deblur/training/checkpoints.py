"""The two checkpoints of a run: the best epoch's and the last one's."""

import io
from pathlib import Path
from typing import Any, Final

import lightning.pytorch as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from deblur.files import write_bytes
from deblur.inference.checkpoints import CHECKPOINTS

PROGRESS: Final = "progress"
"""Key of what a checkpoint holds of the run's other files: `rows` of history.csv, `events`, the event file's length."""


class CheckpointFiles(TorchCheckpointIO):
    """Writes checkpoints as all files of a run are written: a reader finds the old one or the new one, and whole.

    Lightning writes to the temporary folder and moves. On another file system that is a copy over the old checkpoint,
    and a full disk or a kill leaves half of it.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Raises:
            OSError: if it cannot be written; the old one is intact.
        """
        if storage_options is not None or "://" in str(path):  # of another callback, on no disk
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_bytes(Path(path), content.getbuffer())


class KeptCheckpoint(ModelCheckpoint):
    """Keeps one checkpoint under a fixed name in a run's folder, wherever that folder has been moved to."""

    def __init__(self, run: Path, name: str, monitor: str | None = None) -> None:
        """Choose what is kept.

        Args:
            run: the run's folder.
            name: of the file, without its suffix.
            monitor: keep the epoch in which this metric was highest; None keeps the last epoch.
        """
        super().__init__(
            run / CHECKPOINTS,
            name,
            monitor=monitor,
            mode="max",
            auto_insert_metric_name=False,
            enable_version_counter=False,
            save_on_train_epoch_end=True,
        )
        self._path = str(run.absolute() / CHECKPOINTS / f"{name}.ckpt")

    @property
    def state_key(self) -> str:
        """Tell the two apart; Lightning's own key is made again several times a step."""
        return f"{type(self).__name__}.{self.filename}"

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the epoch; before the first validation there is none to be the best."""
        if self.monitor is None or self.monitor in trainer.callback_metrics:
            super().on_train_epoch_end(trainer, pl_module)

    def state_dict(self) -> dict[str, Any]:
        """Return the best score, None before there is one; Lightning's holds places on this machine."""
        return {"best_model_score": self.best_model_score}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the best score, with the path in this folder."""
        score = state_dict["best_model_score"]
        self.best_model_path = self._path
        if score is not None:
            self.best_model_score = self.kth_value = score
            self.kth_best_model_path = self._path
            self.best_k_models = {self._path: score}
