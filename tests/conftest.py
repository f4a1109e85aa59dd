"""Fixtures that several rooms share."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from small_disks import SmallDisk, small_disks

from deblur.config import TrainConfig, check

FACES = os.environ.get("DEBLUR_FACES")

hypothesis.settings.register_profile("no deadline", deadline=None)  # machines are shared: a time decides no test
hypothesis.settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def cache_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of decoded images that the tests of a session share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def faces_root() -> Path:
    """The 800 real faces, which are no part of the repository."""
    if not FACES or not Path(FACES).is_dir():
        pytest.skip("DEBLUR_FACES does not name a folder with the real faces")
    return Path(FACES)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Mount a file system of so many KiB, or skip the test."""
    yield from small_disks(tmp_path)


@pytest.fixture
def compose(tmp_path: Path, cache_root: Path) -> Iterator[Callable[..., TrainConfig]]:
    """Compose and check conf/train.yaml; what it writes goes to a temporary folder."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from prepared import prepare_argv

    from deblur.config.command_line import conf_dir

    def composed(*overrides: str) -> TrainConfig:
        places = (f"paths.output_root={tmp_path / 'outputs'}", f"paths.cache_root={cache_root}")
        return check(hydra_compose("train", prepare_argv([*places, *overrides])))

    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        yield composed


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> None:
    """Hear SIGINT, and let child processes hear it: a shell starts background jobs with it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Small tensors are faster on one thread, and results are the same on every machine."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow store, which takes seconds to make; tests copy it."""
    mlflow = pytest.importorskip("mlflow")
    place = tmp_path_factory.mktemp("store") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{place}").search_experiments()
    return place
