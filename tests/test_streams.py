"""Output on consoles of every kind: it never stops a process."""

import contextlib
import io
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from deblur.streams import guarded_output, output_failure

TALKER = """
    import sys, time
    from deblur.console import say, say_error, table
    from deblur.streams import guarded_output
    with guarded_output():
        say(table("PSNR \u2013 95 %", ["a", "b"], [["gr\\udcf6\\udcdf", "\u65e5\u672c \u00b1 \u2026"]]))
        print("plain \u2500\u2500 \\x1b]0;title\\x07 \\u202e \\udcff", flush=True)
        say_error("wrong \u2192 \\x1b[31m")
        sys.stdout.write("a" * 100_000)
        for _ in range(3):
            print("more")
            sys.stdout.flush()
    open("done", "w").close()
"""


def run(
    script: str, place: Path, redirect: str = "", encoding: str = "utf-8", **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a script of Python through a shell, which redirects its output."""
    (place / "script.py").write_text(textwrap.dedent(script), encoding="utf-8")
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(Path(__file__).parents[1])} | more
    overrides = ["bash", "-c", f'set -o pipefail; "$0" script.py {redirect}', sys.executable]
    return subprocess.run(
        overrides, cwd=place, env=environment, capture_output=True, encoding=encoding, errors="replace"
    )


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "cp932", "cp850", "ascii", "latin-1", "utf-16"])
def test_every_encoding_shows_what_it_can(tmp_path: Path, encoding: str) -> None:
    done = run(TALKER, tmp_path, encoding=encoding)
    assert done.returncode == 0
    assert (tmp_path / "done").exists()
    assert "Traceback" not in done.stderr
    assert "gr\\udcf6\\udcdf" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stdout.count("more") == 3
    assert "error: wrong " in done.stderr


def test_what_an_encoding_lacks_is_readable(tmp_path: Path) -> None:
    shown = run(TALKER, tmp_path, encoding="ascii").stdout.splitlines()
    assert shown[0] == "PSNR - 95 %"
    assert set(shown[3].strip()) == {"-"}
    assert shown[4].split() == ["gr\\udcf6\\udcdf", "\\u65e5\\u672c", "+-", "..."]


@pytest.mark.parametrize(
    "redirect",
    [
        ">&-",
        "2>&-",
        ">&- 2>&-",
        "<&- >&- 2>&-",
        ">/dev/full",
        "2>/dev/full",
        ">/dev/full 2>/dev/full",
        "| true",
        "2>&1 | true",
        "2> >(true)",
        "| head -c 1 >/dev/null",
    ],
)
def test_work_goes_on_whatever_becomes_of_what_is_printed(tmp_path: Path, redirect: str) -> None:
    done = run(TALKER, tmp_path, redirect)
    assert done.returncode == 0
    assert (tmp_path / "done").exists()
    assert "Traceback" not in done.stdout + done.stderr
    assert "Exception ignored" not in done.stdout + done.stderr
    warning = (
        "warning: standard output could not be written (No space left on device): what was printed is not complete."
    )
    assert (warning in done.stderr) == (redirect == ">/dev/full")


def test_a_file_does_not_get_what_is_printed_to_a_closed_stream(tmp_path: Path) -> None:
    script = """
        import os, subprocess, sys
        from deblur.streams import guarded_output
        with guarded_output(), open("file", "w") as file:
            file.write("content")
            file.flush()
            assert file.fileno() > 2
            os.write(1, b"a library talks")
            subprocess.run([sys.executable, "-c", "print('a child talks')"], check=True)
    """
    assert run(script, tmp_path, "<&- >&- 2>&-").returncode == 0
    assert (tmp_path / "file").read_text() == "content"


def test_a_program_without_a_console_prints_to_nobody(tmp_path: Path) -> None:
    script = """
        import sys
        sys.stdout = sys.stderr = None  # as pythonw has it
        from deblur.console import is_terminal, say, say_error
        from deblur.streams import guarded_output
        assert not is_terminal() and not is_terminal(of_errors=True)
        say("to nobody")
        with guarded_output():
            assert not is_terminal() and not is_terminal(of_errors=True)
            say("to nobody")
            say_error("to nobody")
            print("to nobody", flush=True)
        assert sys.stdout is None and sys.stderr is None
        open("done", "w").close()
    """
    assert run(script, tmp_path).returncode == 0
    assert (tmp_path / "done").exists()


def test_a_stream_that_is_closed_meanwhile_is_no_trouble(tmp_path: Path) -> None:
    script = """
        import sys
        from deblur.console import is_terminal, say
        from deblur.streams import guarded_output
        with guarded_output():
            sys.stdout.close()
            say("to nobody")
            assert not is_terminal()
        open("done", "w").close()
    """
    done = run(script, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "done").exists()


def test_an_unexpected_error_is_shown_clean(tmp_path: Path) -> None:
    script = r"""
        from deblur.streams import guarded_output
        with guarded_output():
            raise ValueError("a\x1b[31m\u202e\nname \udcf6")
    """
    for encoding in ("utf-8", "ascii"):
        done = run(script, tmp_path, encoding=encoding)
        assert done.returncode == 1
        assert done.stderr.startswith("Traceback (most recent call last):\n")
        assert done.stderr.endswith("ValueError: a\\x1b[31m\\u202e\nname \\udcf6\n")
    assert run(script, tmp_path, "2>&-").returncode == 1


def test_streams_are_put_back() -> None:
    before = sys.stdout, sys.stderr, sys.excepthook
    with guarded_output():
        guarded = sys.stdout
        assert guarded is not before[0]
        with guarded_output():
            assert sys.stdout is guarded
    assert (sys.stdout, sys.stderr, sys.excepthook) == before


def test_who_collects_the_output_gets_it() -> None:
    with contextlib.redirect_stdout(io.StringIO()) as collected, guarded_output():
        sys.stdout.write("größe \udcf6 \x1b]0;t\x07")
        assert sys.stdout.getvalue() == collected.getvalue()  # type: ignore[attr-defined] # it stands for a StringIO
    assert collected.getvalue() == "größe \\udcf6 \\x1b]0;t\\x07"


def test_errors_of_a_stream_are_put_back(capfd: pytest.CaptureFixture[str]) -> None:
    with os.fdopen(os.dup(1), "w", encoding="ascii") as stream, contextlib.redirect_stdout(stream):
        with guarded_output():
            sys.stdout.write("größe")
        assert (stream.errors, sys.stdout) == ("strict", stream)
        with pytest.raises(UnicodeEncodeError):
            sys.stdout.write("größe")
    assert capfd.readouterr().out == "gr\\xf6\\xdfe"


def test_a_loss_is_told_once() -> None:
    with Path("/dev/full").open("w") as full, contextlib.redirect_stdout(full):
        with contextlib.redirect_stderr(io.StringIO()) as errors, guarded_output():
            sys.stdout.write("lost")
            failure = output_failure()
            assert failure is not None
            assert failure.strerror == "No space left on device"
        assert errors.getvalue() == ""
    assert output_failure() is None


def test_a_bug_of_who_prints_is_no_console_trouble() -> None:
    with guarded_output(), pytest.raises(TypeError):
        sys.stdout.write(3)  # type: ignore[arg-type] # on purpose
