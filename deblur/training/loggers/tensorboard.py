"""TensorBoard, with a run's event file in the run's own folder."""

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.custom_scalar.metadata import CONFIG_SUMMARY_TAG
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import STATUS_SUCCESS
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

from deblur.blur.images import AnyImage
from deblur.training.events import EventWriter, keep_events, new_event_file, remove_other_event_files
from deblur.training.loggers.run_logger import EACH_EPOCH, RunLogger, Settings

CURVES: Final = "curves/"
"""The group of tags that repeats what is logged each epoch.

TensorBoard opens the first two groups of the alphabet. Without this one that would be `test`, single dots, and `train`,
before `val`.
"""
_CHARTS: Final = "training"
"""Name of the group of charts in the tab Custom Scalars."""


class TensorBoard(RunLogger, TensorBoardLogger):
    """Lightning's TensorBoard logger for one run folder: TensorBoard shows the folder's name as the run's."""

    def __init__(self, save_dir: str | Path) -> None:
        """Describe the event file.

        Args:
            save_dir: the run folder.
        """
        super().__init__(save_dir, name="", version="", default_hp_metric=False)
        self._path: Path | None = None
        self._has_settings = False
        self._has_charts = False
        self._has_emptied = False

    def resume(
        self, size: int | None, steps: int, rows: Sequence[Mapping[str, Any]], *, new_settings: bool = False
    ) -> None:
        """Go back to the events of a checkpoint.

        Args:
            size: what `sync` returned before the checkpoint was written.
            steps: how many steps were taken then.
            rows: of the epochs until then, as History holds them: what the event file lacks of them is written again.
            new_settings: whether the settings of the run, for the HPARAMS tab, are written again.

        Raises:
            OSError: if the event file cannot be written.
        """
        left_out = {metadata.SESSION_START_INFO_TAG} if new_settings else set()
        kept = keep_events(Path(self.log_dir), size, steps, left_out)
        self._path = kept.path
        self._has_emptied = True
        self._has_settings = any(tag == metadata.SESSION_START_INFO_TAG for tag, _ in kept.tags)
        self._has_charts = any(tag == CONFIG_SUMMARY_TAG for tag, _ in kept.tags)
        for row in rows:
            step = row["step"] - 1
            logged = {name: value for name, value in row.items() if name.startswith(EACH_EPOCH) and value is not None}
            lacking = {name: value for name, value in logged.items() if (name, step) not in kept.tags}
            if lacking:
                self.log_metrics(lacking, step)

    @property
    @rank_zero_experiment
    def experiment(self) -> EventWriter:
        """Return what writes events; the file is begun, or continued, when it is first asked for."""
        writer = self._writer
        if writer is None:
            self._path = self._path or new_event_file(Path(self.log_dir))
            self._experiment = writer = EventWriter(self._path)
        return writer

    @property
    def _writer(self) -> EventWriter | None:
        return self._experiment if isinstance(self._experiment, EventWriter) else None

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Write scalars; what is logged each epoch is repeated in the group `curves`.

        The number of the epoch, which Lightning adds, is left out: it is a ramp.
        """
        shown = {name: value for name, value in metrics.items() if name != "epoch"}
        shown |= {f"{CURVES}{name}": value for name, value in shown.items() if name.startswith(EACH_EPOCH)}
        for name, value in shown.items():
            add = self.experiment.add_scalars if isinstance(value, Mapping) else self.experiment.add_scalar
            add(name, value, step)
        self.experiment.flush()

    @rank_zero_only
    def log_settings(self, settings: Settings) -> None:
        """Write the settings of the run for the HPARAMS tab, unless a resumed run has them already.

        No experiment is described besides them: TensorBoard would take the first run's for all runs. Without one it
        collects the settings and values of all runs, and offers a filter for each.
        """
        if self._has_settings:
            return
        info = SessionStartInfo(start_time_secs=time.time())
        for name, value in settings.items():
            kind = "string" if isinstance(value, str) else "bool" if isinstance(value, bool) else "number"
            setattr(info.hparams[name], f"{kind}_value", value)
        self._write_session(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=info), 0)

    @rank_zero_only
    def log_charts(self, metrics: Sequence[str]) -> None:
        """Describe the charts of the tab Custom Scalars, unless a resumed run has them already.

        Each shows one metric of training, validation and test.

        Args:
            metrics: names such as `psnr`, in the order of the charts.
        """
        if self._has_charts:
            return
        parts = ("train", "val", "test")
        charts = {name: ["Multiline", [f"{part}/{re.escape(name)}$" for part in parts]] for name in metrics}
        self.experiment.add_custom_scalars({_CHARTS: charts})

    @rank_zero_only
    def log_image(self, name: str, image: AnyImage, step: int) -> None:
        """Show an image in the tab Images."""
        self.experiment.add_image(name, image, step, dataformats="HW" if image.ndim == 2 else "HWC")

    @rank_zero_only
    def _log_success(self, step: int) -> None:
        info = SessionEndInfo(status=STATUS_SUCCESS, end_time_secs=time.time())
        self._write_session(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=info), step)

    def _write_session(self, tag: str, content: HParamsPluginData, step: int) -> None:
        about = metadata.create_summary_metadata(content)
        summary = Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)])
        self.experiment._get_file_writer().add_summary(summary, step)

    def sync(self) -> int | None:
        """Wait until all events are on the disk.

        Returns:
            How long the event file is [bytes]; None in a process that writes none.

        Raises:
            OSError: if they cannot be written.
        """
        return self._writer.sync() if self._writer is not None else None

    def save(self) -> None:
        """Write no hparams.yaml: config.yaml holds the settings, and the event file the HPARAMS tab."""

    def finalize(self, status: str) -> None:
        """Keep the event file open between training and test; close it when either has failed.

        Lightning calls this while it handles what has failed, which a full disk must not hide.
        """
        if status == "failed":
            with suppress(OSError):
                self.close()

    def close(self) -> None:
        """Close the event file.

        Raises:
            OSError: if the last events cannot be written.
        """
        if self._writer is not None:
            self._writer.sync()
            self._writer.close()

    def finish(self, step: int) -> None:
        """Mark the run as done in the HPARAMS tab, close the event file, and leave no other next to it.

        Args:
            step: of the whole training.

        Raises:
            OSError: if the last events cannot be written.
        """
        self._log_success(step)
        self.close()
        if self._has_emptied and self._path is not None:
            remove_other_event_files(self._path)
