"""Commands that measure by a protocol."""

from collections.abc import Callable
from pathlib import Path

import pytest
from protocol_layouts import Measure, Measured

from deblur import evaluate

LEVIN = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "levin2009"


@pytest.fixture
def levin() -> Path:
    """The folder of the 32 photographs."""
    if not LEVIN.is_dir():
        pytest.skip(f"needs the photographs of Levin et al. in {LEVIN}")
    return LEVIN


@pytest.fixture
def measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Measure:
    """Measure by a protocol with some words; return what is in its folder."""

    def call(*overrides: str) -> Measured:
        output = tmp_path / "out"
        capsys.readouterr()
        assert evaluate.main([*overrides, "accelerator=cpu", f"output={output}"]) == 0
        return Measured(output, capsys.readouterr().out)

    return call


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Measure with words that are refused with one sentence and leave nothing behind; return the sentence."""

    def call(*overrides: str) -> str:
        capsys.readouterr()
        assert evaluate.main([*overrides, "accelerator=cpu", f"output={tmp_path / 'out'}"]) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert said.count("\n") == 1
        assert not (tmp_path / "out").exists()
        return said.removeprefix("error: ").rstrip()

    return call
