from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from deblur.reporting.results import Run, read_sweep


@pytest.fixture
def runs_of() -> Callable[..., list[Run]]:
    """Read the runs of sweeps."""

    def read(*sweeps: Path) -> list[Run]:
        return [run for sweep in sweeps for run in read_sweep(sweep).runs]

    return read


@pytest.fixture
def lines_of() -> Callable[[Path], Sequence[str]]:
    """Read the lines of a page."""
    return lambda page: page.read_text(encoding="utf-8").splitlines()
