"""The two checkpoints of a run: the best epoch's and the last one's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from deblur.errors import UserError

CHECKPOINTS = "checkpoints"


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


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint's plain values and tensors; no code in it can run.

    Raises:
        UserError: where it is missing, damaged, or holds anything else.
    """
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(
            f"{path} is missing: no epoch was validated, so there is nothing to test. Leave out what shortens the "
            "validation or the training, or use debug=fast_dev_run."
        ) from None
    except Exception as error:  # torch raises what its unpickler and its archive reader raise
        raise UserError(
            f"{path} is no checkpoint of this program, or is damaged: {str(error).splitlines()[0]}"
        ) from error
    if not {"epoch", "global_step", "state_dict"} <= content.keys():
        raise UserError(f"{path} is no checkpoint of a training.")
    return content
