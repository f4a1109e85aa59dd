"""MLflow, with one store for all runs of an output folder."""

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from filelock import FileLock

from deblur.blur.images import AnyImage
from deblur.errors import UserError
from deblur.files import write_json
from deblur.reading import read_json
from deblur.training.loggers.run_logger import HeldBackLogger, Settings

STORE_FILE: Final = "mlflow.db"
IMAGES_FOLDER: Final = "mlartifacts"
RUN_FILE: Final = "mlflow.json"
SINGLE_RUNS: Final = "single runs"
_WAIT: Final = 60  # [s] for another process that writes into the store
_MOST_AT_ONCE: Final = 1000  # metrics in a request
_MOST_SETTINGS: Final = 100  # in a request
_LONGEST_SETTING: Final = 6000  # characters
_STATUS: Final = {"done": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}


class MLflow(HeldBackLogger):
    """Records each run as a run of MLflow; those of a sweep are an experiment of its name."""

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
            self._known = self._continued(experiment)
            if self._run_id is None:
                self._run_id = self._client.create_run(experiment, run_name=self.place.name).info.run_id
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
        with FileLock(root / f"{STORE_FILE}.lock"):
            self._client = MlflowClient(f"sqlite:///{(root / STORE_FILE).as_posix()}?timeout={_WAIT}")
            return self._experiment_of(name, (root / IMAGES_FOLDER / name.replace(" ", "_")).as_uri())

    def _experiment_of(self, name: str, images: str | None) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            return str(self._client.create_experiment(name, artifact_location=images))
        if images is not None and found.artifact_location != images:
            raise UserError(
                f"{self.place.root / STORE_FILE} keeps the images of its experiment {name} in "
                f"{found.artifact_location}, not beside it, as if it had been moved: move it back, or give "
                "logger.mlflow.tracking_uri=sqlite:///FILE."
            )
        return str(found.experiment_id)

    def _continued(self, experiment: str) -> set[tuple[str, int]]:
        """Continue the run that the run's folder names, if the store has it; return what it holds."""
        from mlflow.exceptions import MlflowException

        try:
            run_id = read_json(self.folder / RUN_FILE)["run_id"]
            found = self._client.get_run(run_id)
        except (UserError, KeyError, TypeError, MlflowException):
            return set()
        if (found.info.experiment_id, found.info.lifecycle_stage) != (experiment, "active"):
            return set()
        self._run_id = run_id
        self._client.update_run(run_id, status="RUNNING")
        histories = (self._client.get_metric_history(run_id, name) for name in found.data.metrics)
        return {(metric.key, metric.step) for history in histories for metric in history}

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
            reason = " ".join(str(error).split())[:300].rstrip(".")
            store = self._given or self.place.root / STORE_FILE
            raise UserError(
                f"The MLflow store {store} cannot be used ({reason}): make it usable and resume the run, or leave out "
                "logger=mlflow."
            ) from error
