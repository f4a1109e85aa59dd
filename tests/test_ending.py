"""Processes that end with another one."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

CHILD = """
    import os, sys, time
    from deblur import processes
    if sys.argv[2] == "without pidfd":
        del os.pidfd_open
    processes.end_with(int(sys.argv[1]))
    print("watching", flush=True)
    time.sleep(60)
    print("too late", flush=True)
"""


def start(process: int, how: str = "") -> "subprocess.Popen[str]":
    overrides = [sys.executable, "-c", textwrap.dedent(CHILD), str(process), how]
    child = subprocess.Popen(overrides, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    return child


def read(child: "subprocess.Popen[str]") -> str:
    assert child.stdout is not None
    return child.stdout.readline()


@pytest.mark.parametrize("how", ["", "without pidfd"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_ends_with_another(how: str, number: signal.Signals) -> None:
    with subprocess.Popen(["sleep", "60"]) as other, start(other.pid, how) as child:
        assert read(child) == "watching\n"
        assert child.poll() is None
        other.send_signal(number)
        other.wait()
        assert child.wait(timeout=20) == 1
        assert read(child) == ""


@pytest.mark.parametrize("how", ["", "without pidfd"])
def test_a_process_does_not_begin_after_the_other_has_ended(how: str) -> None:
    with subprocess.Popen(["true"]) as other:
        other.wait()
    with start(other.pid, how) as child:
        assert child.wait(timeout=20) == 1


def test_a_process_does_not_wait_for_itself() -> None:
    code = (
        "import os, time; from deblur.processes import end_with; end_with(os.getpid()); time.sleep(0.5); print('here')"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "here\n"


PARENT = """
    import multiprocessing, sys, time
    from deblur.processes import end_with_parent

    def work(place):
        end_with_parent()
        open(place, "w").close()
        time.sleep(60)

    if __name__ == "__main__":
        context = multiprocessing.get_context(sys.argv[1])
        for place in sys.argv[2:]:
            context.Process(target=work, args=(place,)).start()
        time.sleep(60)
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing_end_with_one_that_is_killed(tmp_path: Path, method: str) -> None:
    (tmp_path / "parent.py").write_text(textwrap.dedent(PARENT))
    begun = [tmp_path / "a", tmp_path / "b"]
    overrides = [sys.executable, str(tmp_path / "parent.py"), method, *map(str, begun)]
    with subprocess.Popen(overrides, start_new_session=True) as parent:
        deadline = time.monotonic() + 60
        while not all(place.exists() for place in begun):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 20
    while session(parent.pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def session(number: int) -> list[int]:
    """Return the processes of a session that are alive."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            state, _, _, of, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if int(of) == number and state not in "ZX":
            found.append(int(entry.name))
    return found


def test_a_command_that_is_not_known_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from deblur.processes import command_environment, end_with_command

    for value in (None, "", "x", "-1", str(os.getpid())):
        monkeypatch.delenv("DEBLUR_COMMAND_PROCESS", raising=False)
        if value is not None:
            monkeypatch.setenv("DEBLUR_COMMAND_PROCESS", value)
        end_with_command()
    assert command_environment() == {"DEBLUR_COMMAND_PROCESS": str(os.getpid())}
