"""Lists and reports on consoles of every kind, in processes of their own."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("runs")


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def report(*argv: str, redirect: str = "", encoding: str = "utf-8") -> subprocess.CompletedProcess[str]:
    command = shlex.join([sys.executable, "-m", "deblur.report", *argv])
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} {redirect}"],
        env=environment,
        capture_output=True,
        encoding=encoding,
        errors="replace",
    )


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["cp1252", "cp932", "ascii"])
def test_a_list_is_shown_in_every_encoding(encoding: str) -> None:
    done = report("--list", encoding=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert any(line[:2] == ["grid", "2"] for line in lines)
    assert any(line[:2] == ["grid", "synthetic"] for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("redirect", [">&-", ">&- 2>&-", "| head -1 >/dev/null"])
def test_a_list_that_nobody_reads_ends_quietly(redirect: str) -> None:
    done = report("--list", redirect=redirect)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_list_that_cannot_be_written_is_a_mistake() -> None:
    done = report("--list", redirect=">/dev/full")
    told = "error: The list could not be written to standard output (No space left on device).\n"
    assert (done.returncode, done.stderr) == (2, told)


@pytest.mark.slow
def test_a_report_does_not_depend_on_the_console(sweep: Path) -> None:
    done = report("grid", redirect=">/dev/full", encoding="cp1252")
    told = (
        "warning: standard output could not be written (No space left on device): what was printed is not complete.\n"
    )
    assert (done.returncode, done.stderr) == (0, told)
    assert {"report.html", "report.md", "results.csv"} <= {path.name for path in (sweep / "report").iterdir()}
