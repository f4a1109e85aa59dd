"""What the commands beside the training take."""

from pathlib import Path
from typing import Any

import pytest

from deblur import demo, evaluate, export, restore
from deblur.config.commands import check_report
from deblur.errors import UserError


def test_a_report_needs_the_name_of_a_sweep() -> None:
    paths = {"output_root": "outputs", "cache_root": None}
    given = {"sweep": "???", "list": False, "grids": True, "output": None, "paths": paths}
    with pytest.raises(UserError, match=r"^sweep is missing: give the name of a sweep: sweep=NAME.$"):
        check_report(given)
    with pytest.raises(UserError, match=r"^paths.output_root=3 is not allowed: give a folder.$"):
        check_report(given | {"sweep": "grid", "paths": paths | {"output_root": 3}})
    assert check_report(given | {"list": True}) == given | {"list": True, "sweep": []}


@pytest.mark.parametrize(
    ("value", "names"), [("grid", ["grid"]), ("[a,b]", ["a", "b"]), ("[a, b,a]", ["a", "b"]), (["a", "b"], ["a", "b"])]
)
def test_a_report_takes_several_sweeps(value: Any, names: list[str]) -> None:
    paths = {"output_root": "outputs", "cache_root": None}
    given = {"sweep": value, "list": False, "grids": True, "output": None, "paths": paths}
    assert check_report(given)["sweep"] == names


COMMANDS = {
    "demo": (demo, ()),
    "evaluate": (evaluate, ("baseline=[none]",)),
    "export": (export, ("run=mixed", "format=onnx")),
    "restore": (restore, ("input=a.png",)),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_file_can_trust_a_module(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder of options of one's own may hold a file that trusts; only the command line counts."""
    command, overrides = COMMANDS[name]
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "trusting.yaml").write_text("# @package _global_\ntrusted: [evil]\n")
    given = ("--config-dir", str(tmp_path), "+extra=trusting", *overrides)
    assert command.main(given) == 2
    assert capsys.readouterr().err == (
        "error: A configuration file asks to trust the modules evil: if you do, add trusted=[evil] to the command "
        "line.\n"
    )


@pytest.mark.parametrize(
    "overrides",
    [
        (evaluate, ("run={long}",)),
        (export, ("run={long}", "format=onnx")),
        (restore, ("run={long}", "input=a.png")),
        (restore, ("input={long}",)),
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
