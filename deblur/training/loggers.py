"""TensorBoard, with a run's event file in the run's own folder."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from lightning.pytorch.loggers import TensorBoardLogger


class TensorBoard(TensorBoardLogger):
    """Lightning's TensorBoard logger for one run folder: TensorBoard shows the folder's name as the run's."""

    def __init__(self, save_dir: str | Path, purge_step: int | None = None) -> None:
        """Describe the event file.

        Args:
            save_dir: the run folder.
            purge_step: forget what an interrupted run logged from this step on.
        """
        self._detour: TemporaryDirectory[str] | None = None  # removed with the logger
        try:
            os.fspath(save_dir).encode()
        except UnicodeEncodeError:  # TensorBoard opens no file below a folder whose name is no Unicode
            self._detour = TemporaryDirectory(prefix="deblur-")
            link = Path(self._detour.name) / "run"
            link.symlink_to(save_dir, target_is_directory=True)
            save_dir = link
        super().__init__(save_dir, name="", version="", default_hp_metric=False, purge_step=purge_step)

    def save(self) -> None:
        """Write no hparams.yaml: config.yaml holds the settings, and the event file the HPARAMS tab."""

    def finalize(self, status: str) -> None:  # noqa: ARG002 # Lightning gives it
        """Keep the event file open between training and test, which would each begin another."""
        self.experiment.flush()

    def close(self) -> None:
        """Close the event file."""
        super().finalize("success")
