"""The two checkpoints of a run: the best epoch's and the last one's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as L
from lightning.pytorch.callbacks import ModelCheckpoint

from deblur.networks.checkpoints import CHECKPOINTS, load_checkpoint


@dataclass(frozen=True)
class LastEpoch:
    """Where a run goes on.

    Attributes:
        path: the checkpoint.
        epochs: how many are finished.
        steps: how many are taken.
    """

    path: Path
    epochs: int
    steps: int


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
        """Tell the two apart; Lightning's own key is made anew several times a step."""
        return f"{type(self).__name__}.{self.filename}"

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the epoch; before the first validation there is none to be the best."""
        if self.monitor is None or self.monitor in trainer.callback_metrics:
            super().on_train_epoch_end(trainer, pl_module)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the best score with this folder's paths: Lightning forgets it where the folder has moved."""
        here = {"dirpath": self.dirpath, "best_model_path": self._path, "kth_best_model_path": self._path}
        scores = dict.fromkeys([self._path] if state_dict["best_k_models"] else [], state_dict["best_model_score"])
        super().load_state_dict({**state_dict, **here, "best_k_models": scores})


def find_last(run: Path) -> LastEpoch | None:
    """Return the last finished epoch of a run, or None where it has none.

    Raises:
        UserError: for a damaged checkpoint.
    """
    path = run / CHECKPOINTS / "last.ckpt"
    if not path.is_file():
        return None
    content = load_checkpoint(path)
    return LastEpoch(path, content["epoch"] + 1, content["global_step"])
