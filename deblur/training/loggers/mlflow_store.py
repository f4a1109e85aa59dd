"""MLflow, with one store for all runs of an output folder."""

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from deblur.blur.images import AnyImage
from deblur.errors import NoRoomError, UserError, disk_error
from deblur.files import write_json
from deblur.reading import read_json
from deblur.training.loggers.run_logger import HeldBackLogger, Settings

STORE_FILE: Final = "mlflow.db"
IMAGES_FOLDER: Final = "mlartifacts"
RUN_FILE: Final = "mlflow.json"
SINGLE_RUNS: Final = "single runs"
CONTINUES: Final = "deblur.continues"
"""Tag of a longer training: the MLflow run of the shorter one. MLflow changes no parameter of a run."""
CONTINUED_AS: Final = "deblur.continued_as"
"""Tag of a training that was made longer: the MLflow run of the longer one."""
_EPOCHS: Final = "epochs"  # the setting that differs between the two
_WAIT: Final = 60  # [s] for another process that writes into the store
_NO_SUCH_RUN: Final = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")  # the second one: not even an id
_FULL_STORE: Final = "database or disk is full"  # SQLite's text
_MOST_AT_ONCE: Final = 1000  # metrics in a request
_MOST_SETTINGS: Final = 100  # in a request
_LONGEST_SETTING: Final = 6000  # characters
_STATUS: Final = {"done": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}


class MLflow(HeldBackLogger):
    """Records each run as a run of MLflow; those of a sweep are an experiment of its name.

    A run that is resumed continues its MLflow run. One that is made longer, or trained again from its start, begins a
    new one: MLflow changes neither the parameters nor the numbers of a run.
    """

    def __init__(self, save_dir: str | Path, tracking_uri: str | None = None) -> None:
        """Describe the store.

        Args:
            save_dir: the run folder.
            tracking_uri: of a server or store; None is a file in the output folder.
        """
        super().__init__(save_dir)
        self._given = tracking_uri
        self._client: Any = None
        self._run_id: str | None = None
        self._known: set[tuple[str, int]] = set()

    @property
    def version(self) -> str | None:
        """MLflow's id of the run; None before it is begun."""
        return self._run_id

    @property
    def experiment(self) -> Any:
        """The client of MLflow; None before the run is begun."""
        return self._client

    def open(self, settings: Settings) -> set[tuple[str, int]]:
        """Continue the run that the run's folder names, or begin one.

        Raises:
            UserError: if the store cannot be used.
        """
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # before its import: it reports its use to a server
        with self._errors_as_user_errors():
            experiment = self._opened_experiment()
            earlier = self._run_of_folder(experiment)
            if earlier is not None and self._continues(earlier, settings):
                self._run_id = earlier.info.run_id
                self._client.update_run(self._run_id, status="RUNNING")
            else:
                self._run_id = self._begun(experiment, earlier)
                write_json(self.folder / RUN_FILE, {"run_id": self._run_id})
            self._log_lacking(settings)
        return self._known

    def write(self, values: Mapping[int, Mapping[str, float]], images: Mapping[tuple[str, int], AnyImage]) -> None:
        """Add what the store does not have yet.

        Raises:
            UserError: if the store cannot be written.
        """
        from mlflow.entities import Metric

        now = round(time.time() * 1000)
        metrics = [
            Metric(name, number, now, step)
            for step, numbers in values.items()
            for name, number in numbers.items()
            if (name, step) not in self._known
        ]
        with self._errors_as_user_errors():
            for start in range(0, len(metrics), _MOST_AT_ONCE):
                self._client.log_batch(self._run_id, metrics=metrics[start : start + _MOST_AT_ONCE])
            stored = (
                [Path(one.path).name for one in self._client.list_artifacts(self._run_id, "images")] if images else []
            )
            for (name, step), image in images.items():
                beginning = f"{name.replace('/', '~')}+step+{step}+"  # as MLflow names the file
                if not any(file.startswith(beginning) for file in stored):
                    self._client.log_image(self._run_id, image, key=name, step=step, synchronous=True)
        self._known |= {(metric.key, metric.step) for metric in metrics}

    def end(self, state: str) -> None:
        """Set the status of the run.

        Raises:
            UserError: if the store cannot be written.
        """
        if self._run_id is not None:
            with self._errors_as_user_errors():
                self._client.set_terminated(self._run_id, _STATUS[state])

    def _opened_experiment(self) -> str:
        """Open the store, made by one process at a time, and return the id of the experiment."""
        from mlflow.tracking import MlflowClient

        for library in ("mlflow", "alembic"):
            logging.getLogger(library).setLevel(logging.WARNING)
        name = self.place.sweep or SINGLE_RUNS
        if self._given is not None:
            self._client = MlflowClient(self._given)
            return self._experiment_of(name, None)
        root = self.place.root
        root.mkdir(parents=True, exist_ok=True)
        lock = root / f"{STORE_FILE}.lock"
        try:
            with FileLock(lock, timeout=_WAIT):
                self._client = MlflowClient(f"sqlite:///{(root / STORE_FILE).as_posix()}?timeout={_WAIT}")
                return self._experiment_of(name, (root / IMAGES_FOLDER / name.replace(" ", "_")).as_uri())
        except Timeout:
            raise UserError(
                f"Another process has held {lock} for {_WAIT} s, as if it were making the MLflow store: end it, or "
                "wait, and issue the command again."
            ) from None

    def _experiment_of(self, name: str, images: str | None) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            return str(self._client.create_experiment(name, artifact_location=images))
        if images is not None and found.artifact_location != images:
            raise UserError(
                f"{self.place.root / STORE_FILE} keeps the images of its experiment {name} in "
                f"{found.artifact_location}, not in its own folder, as if it had been moved: move it back, or give "
                "logger.mlflow.tracking_uri=sqlite:///FILE."
            )
        return str(found.experiment_id)

    def _run_of_folder(self, experiment: str) -> Any:
        """Return the MLflow run that the run's folder names; None if the store does not have it."""
        from mlflow.exceptions import MlflowException

        try:
            found = self._client.get_run(read_json(self.folder / RUN_FILE)["run_id"])
        except (UserError, KeyError, TypeError):
            return None
        except MlflowException as error:
            if error.error_code not in _NO_SUCH_RUN:
                raise
            return None
        is_there = (found.info.experiment_id, found.info.lifecycle_stage) == (experiment, "active")
        return found if is_there else None

    def _continues(self, earlier: Any, settings: Settings) -> bool:
        """Return whether the training continues that of an MLflow run; if it does, its numbers are known then."""
        stored = earlier.data.params.get(_EPOCHS)
        if stored is not None and stored != str(settings.get(_EPOCHS)):
            return False
        histories = (self._client.get_metric_history(earlier.info.run_id, name) for name in earlier.data.metrics)
        numbers = {(metric.key, metric.step) for history in histories for metric in history}
        if numbers and not self.steps:  # from the start again: what it holds is of checkpoints that are lost
            return False
        self._known = numbers
        return True

    def _begun(self, experiment: str, earlier: Any) -> str:
        """Begin an MLflow run, linked with that of the epochs which are finished already, and return its id."""
        is_longer = earlier is not None and self.steps > 0
        tags = {CONTINUES: earlier.info.run_id} if is_longer else None
        run_id: str = self._client.create_run(experiment, run_name=self.place.name, tags=tags).info.run_id
        if is_longer:
            self._client.set_tag(earlier.info.run_id, CONTINUED_AS, run_id)
        if earlier is not None and earlier.info.status == "RUNNING":  # it was killed
            self._client.set_terminated(earlier.info.run_id, _STATUS["stopped"])
        return run_id

    def _log_lacking(self, settings: Settings) -> None:
        from mlflow.entities import Param

        stored = self._client.get_run(self._run_id).data.params
        params = [Param(name, str(value)[:_LONGEST_SETTING]) for name, value in settings.items() if name not in stored]
        for start in range(0, len(params), _MOST_SETTINGS):
            self._client.log_batch(self._run_id, params=params[start : start + _MOST_SETTINGS])

    @contextmanager
    def _errors_as_user_errors(self) -> Iterator[None]:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError) as error:
            kind = NoRoomError if _FULL_STORE in str(error) else UserError
            raise kind(self._sentence(error)) from error
        except OSError as error:
            if self.is_of_run(error):
                raise
            raise disk_error(error, self._sentence(error)) from error

    def _sentence(self, error: Exception) -> str:
        reason = " ".join(str(error).split())[:300].rstrip(".")
        return (
            f"The MLflow store {self._given or self.place.root / STORE_FILE} cannot be used ({reason}): make it usable "
            "and resume the run, or leave out logger=mlflow."
        )
