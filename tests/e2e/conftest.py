"""Where whole trainings leave their runs."""

from pathlib import Path

import pytest
from sweep_processes import Sweeps
from workplaces import SMALL, Workplace


@pytest.fixture
def workplace(tmp_path: Path, cache_root: Path) -> Workplace:
    return Workplace(tmp_path / "outputs", cache_root)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> Workplace:
    """A run of three epochs; tests look at it but do not change it."""
    place = Workplace(tmp_path_factory.mktemp("finished"), cache_root)
    assert place.train(*SMALL) == 0
    return place


@pytest.fixture
def sweeps(tmp_path: Path, cache_root: Path) -> Sweeps:
    return Sweeps(tmp_path, cache_root)
