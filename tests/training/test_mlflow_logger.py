"""Records of MLflow, as its own client reads them."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from deblur.errors import UserError
from deblur.training.loggers import MLflow
from deblur.training.loggers import mlflow_store as store_module
from deblur.training.loggers.run_logger import RunPlace

mlflow = pytest.importorskip("mlflow", reason="needs the extra [mlflow]")

pytestmark = pytest.mark.slow  # MLflow takes seconds to be imported, and so does its store to be made

ROWS = [{"epoch": epoch, "step": epoch * 10, "train/loss": 0.5, "val/psnr": 20.0 + epoch} for epoch in (1, 2)]


@pytest.fixture
def run(tmp_path: Path, empty_store: Path) -> Path:
    """The folder of a run, within that of all runs."""
    shutil.copy(empty_store, tmp_path)
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def begun(run: Path, epochs: int, *, after: int = 0) -> MLflow:
    """Return the logger of a training of so many epochs that resumes after some."""
    logger = MLflow(run)
    logger.enter(RunPlace("box", None, run.parent))
    if after:
        logger.resume(None, after * 10, ROWS[:after])
    logger.log_settings({"lr": 1e-3, "set/epochs": epochs})
    return logger


def train(logger: MLflow, *epochs: int) -> None:
    for epoch in epochs:
        logger.log_metrics({"train/loss": 0.5, "val/psnr": 20.0 + epoch}, epoch * 10 - 1)
        logger.sync()


def in_store(run: Path) -> dict[str, Mapping[str, Any]]:
    """Return the settings, tags, status and PSNR by step of each MLflow run by its id."""
    client = mlflow.MlflowClient(f"sqlite:///{run.parent / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("single runs")
    return {
        one.info.run_id: {
            "settings": one.data.params,
            "tags": {name: text for name, text in one.data.tags.items() if name.startswith("deblur.")},
            "status": one.info.status,
            "psnr": {each.step: each.value for each in client.get_metric_history(one.info.run_id, "val/psnr")},
        }
        for one in client.search_runs([experiment.experiment_id])
    }


@pytest.mark.parametrize("is_finished", [True, False])
def test_a_longer_training_is_a_new_run_linked_with_the_shorter_one(run: Path, is_finished: bool) -> None:
    shorter = begun(run, 2)
    train(shorter, 1, 2)
    if is_finished:
        shorter.finish(20)
    longer = begun(run, 3, after=2)
    train(longer, 3)
    longer.finish(30)
    assert (shorter.version, longer.version) != (None, None)
    found = in_store(run)
    assert found.keys() == {shorter.version, longer.version}
    old, new = found[str(shorter.version)], found[str(longer.version)]
    assert (old["settings"]["epochs"], new["settings"]["epochs"]) == ("2", "3")
    assert (old["psnr"], new["psnr"]) == ({9: 21.0, 19: 22.0}, {9: 21.0, 19: 22.0, 29: 23.0})
    assert old["tags"] == {"deblur.continued_as": longer.version}
    assert new["tags"] == {"deblur.continues": shorter.version}
    assert (old["status"], new["status"]) == ("FINISHED" if is_finished else "KILLED", "FINISHED")
    assert begun(run, 3, after=2).version == longer.version


def test_a_resumed_training_continues_its_run(run: Path) -> None:
    first = begun(run, 2)
    begun_again = begun(run, 2)  # it was killed in its first epoch
    assert begun_again.version == first.version
    train(begun_again, 1)
    resumed = begun(run, 2, after=1)
    train(resumed, 2)
    resumed.finish(20)
    assert in_store(run) == {
        first.version: {
            "settings": {"lr": "0.001", "epochs": "2"},
            "tags": {},
            "status": "FINISHED",
            "psnr": {9: 21.0, 19: 22.0},
        }
    }


def test_a_training_from_the_start_does_not_continue_what_is_lost(run: Path) -> None:
    lost = begun(run, 2)
    train(lost, 1, 2)
    again = begun(run, 2)  # none of its checkpoints could be used
    train(again, 1)
    found = in_store(run)
    assert found.keys() == {lost.version, again.version}
    assert found[str(lost.version)]["status"] == "KILLED"
    assert found[str(again.version)]["psnr"] == {9: 21.0}
    assert found[str(again.version)]["tags"] == {}


def test_a_lock_that_is_held_is_a_sentence(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_WAIT", 0.1)
    lock = run.parent / "mlflow.db.lock"
    with FileLock(lock), pytest.raises(UserError, match=f"Another process has held {lock} for 0.1 s"):
        begun(run, 2)


def test_images_that_cannot_be_written_are_a_sentence(run: Path) -> None:
    (run.parent / "mlartifacts").write_text("a file in the place of the folder of images")
    logger = begun(run, 2)
    logger.log_image("val/comparison", np.zeros((8, 8), np.uint8), 0)
    with pytest.raises(UserError, match=r"The MLflow store .*mlflow.db cannot be used \(.*mlartifacts"):
        logger.sync()
