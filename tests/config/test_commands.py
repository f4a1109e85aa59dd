"""What the commands beside the training take."""

from pathlib import Path
from typing import Any

import pytest

from deblur import evaluate, export, restore


def test_no_file_can_trust_a_module(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder of options of one's own may hold a file that trusts; only the command line counts."""
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "trusting.yaml").write_text("# @package _global_\ntrusted: [evil]\n")
    given = ("--config-dir", str(tmp_path), "+extra=trusting", "baseline=[none]")
    assert evaluate.main(given) == 2
    assert capsys.readouterr().err == (
        "error: A configuration file asks to trust the modules evil: if you do, add trusted=[evil] to the command "
        "line.\n"
    )


@pytest.mark.parametrize(
    "overrides",
    [
        (evaluate, ("run={long}",)),
        (export, ("{long}", "--format=onnx")),
        (restore, ("--network={long}", "a.png")),
        (restore, ("{long}",)),
    ],
)
def test_a_name_that_no_file_can_have_is_a_sentence(
    overrides: tuple[Any, tuple[str, ...]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").touch()
    command, given = overrides
    assert command.main([word.format(long="x" * 300) for word in given]) == 2
    said = capsys.readouterr().err
    assert "cannot be read or written (File name too long)" in said
    assert said.count("\n") == 1
