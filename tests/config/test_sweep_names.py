"""What a sweep may be called, where it may lie, and how it may find its values."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deblur import train
from deblur.runs.paths import refuse_unwritable

Refused = Callable[..., str]
Explained = Callable[..., str]
ALLOWED = "is not allowed: give a name of letters, digits, dots, underscores and hyphens, at most 100, that starts with"
DEVICES = ("con", "CON", "nul.txt", "Aux.tar.gz", "com1", "LPT9")
SIGNS = ("a/b", "/a", "a\\b", "a b", "ä", "a\tb", "a\nb", "a\n", "a\x07", "a:b", "a*", "'", "")
NAMES = (*DEVICES, *SIGNS, ".", "..", "../a", ".hidden", "a.", "-a", "x" * 101)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_no_folder_everywhere_is_refused(explained: Explained, name: str) -> None:
    assert ALLOWED in explained(f"sweep={name}")


@pytest.mark.parametrize("name", ["..", "a/b", "x" * 300, "nul"])
@pytest.mark.parametrize("sweep", [(), ("-m", "seed=1,2")])
def test_it_is_refused_before_anything_is_written(refused: Refused, name: str, sweep: tuple[str, ...]) -> None:
    assert ALLOWED in refused(f"sweep={name}", *sweep)


@pytest.mark.parametrize("name", ["a", "A-1.b_c", "2024", "console", "com10", "x" * 100, "a..b", "1e3"])
def test_other_names_are_taken(accepted: Callable[..., list[dict[str, object]]], name: str) -> None:
    assert [config.sweep for config in accepted(f"sweep={name}")] == [name]


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides", [("-m", "seed=1,2"), ("seed=1",), ("experiment=grid",), ("seed=1", "dry_run=true")]
)
def test_a_file_in_the_way_of_the_outputs_is_a_sentence(
    refused: Refused, workplace: Path, overrides: tuple[str, ...]
) -> None:
    (workplace / "file").touch()
    for root in ("file", "file/deeper"):
        assert "cannot be written (Not a directory): choose another paths.output_root." in refused(
            *overrides, f"paths.output_root={root}"
        )
    (workplace / "loop").symlink_to("loop")
    assert "cannot be written (" in refused(*overrides, "paths.output_root=loop")


@pytest.mark.skipif(not hasattr(os, "setuid") or os.getuid() != 0, reason="only root may become somebody else")
def test_a_folder_of_somebody_else_is_an_error(tmp_path: Path) -> None:
    """In a process that is not root's, which may write anywhere."""
    tmp_path.chmod(0o755)
    child = os.fork()
    if child == 0:
        os.chdir(tmp_path)
        os.setuid(65534)
        try:
            refuse_unwritable(Path("outputs/sweeps/a"))
        except OSError as error:
            os._exit(0 if (error.filename, error.strerror) == ("outputs/sweeps/a", "Permission denied") else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    refuse_unwritable(tmp_path / "outputs")
    assert not (tmp_path / "outputs").exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a Linux file system in which nobody can make a folder")
def test_a_folder_that_cannot_be_made_is_a_sentence(refused: Refused) -> None:
    sentence = refused("-m", "seed=1,2", "paths.output_root=/proc/outputs")
    assert sentence.startswith("/proc/outputs")
    assert sentence.endswith("cannot be written (No such file or directory): choose another paths.output_root.")


@pytest.mark.parametrize(
    "overrides",
    ["-m seed=interval(0,3)", "seed=1,2 -m optimizer.lr=interval(1e-4,1e-3)", "-m blur=interval(1,3) seed=1,2"],
)
def test_a_range_without_values_is_refused_before_job_0(refused: Refused, overrides: str) -> None:
    assert refused(*overrides.split()).startswith(
        "interval(...) is a range without values, and a sweep needs values: list"
    )


@pytest.mark.parametrize("target", ["hydra_plugins.own.Sweeper", "my.Sweeper", "hydra._internal.core_plugins.x.Y"])
def test_another_sweeper_is_refused_before_job_0(refused: Refused, target: str) -> None:
    sentence = refused("-m", "seed=1,2", f"hydra.sweeper._target_={target}")
    assert sentence.startswith(f"hydra/sweeper with the class {target} is not supported: it picks its jobs one after")


def test_a_sweeper_that_is_installed_is_refused(workplace: Path) -> None:
    """A plugin that Hydra finds: without the check it would start runs that nothing has looked at."""
    package = workplace / "hydra_plugins" / "picky"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from hydra.core.config_store import ConfigStore\nfrom hydra.plugins.sweeper import Sweeper\n"
        "class Picky(Sweeper):\n"
        "    def setup(self, *, hydra_context, task_function, config):\n        pass\n"
        "    def sweep(self, arguments):\n        raise SystemExit('it has started')\n"
        "ConfigStore.instance().store('picky', {'_target_': 'hydra_plugins.picky.Picky'}, 'hydra/sweeper')\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{os.environ.get('PYTHONPATH', '')}:{workplace}"}
    overrides = [sys.executable, "-m", "deblur.train", "-m", "seed=1,2", "hydra/sweeper=picky"]
    done = subprocess.run(overrides, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: hydra/sweeper with the class hydra_plugins.picky.Picky is not supported: ")
    assert not (workplace / "outputs").exists()


def test_what_goes_wrong_while_a_sweep_is_checked_ends_it(
    workplace: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    """Hydra makes a warning of an exception in a callback, and starts the jobs."""
    (workplace / "outputs").mkdir()
    (workplace / "outputs" / "sweeps").write_text("no folder")
    assert train.main(["-m", "sweep=a", "seed=1,2"]) == 2
    said = capsys.readouterr()
    assert "outputs/sweeps" in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert not recwarn.list
    assert not list((workplace / "outputs").rglob("status.json"))
