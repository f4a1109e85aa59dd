"""Forked commands behave as those that Python starts."""

import signal
import time
from pathlib import Path

import pytest
from forked_commands import ForkedCommand, Start, run_forked

PROGRAM = """
import os, sys
if __name__ == "__main__":
    print(*sys.argv[1:], os.getcwd(), os.environ["SAID"], "lightning.pytorch" in sys.modules)
    print("complaint", file=sys.stderr)
    sys.exit(int(sys.argv[1]))
"""


@pytest.mark.slow
def test_a_forked_command_has_its_own_folder_environment_and_streams(tmp_path: Path) -> None:
    (tmp_path / "a_program.py").write_text(PROGRAM)
    done = run_forked(Start("a_program", ("3", "b c"), tmp_path, {"SAID": "so"}))
    assert (done.returncode, done.stdout, done.stderr) == (3, f"3 b c {tmp_path} so True\n", "complaint\n")


@pytest.mark.slow
def test_a_forked_command_that_is_killed_says_so(tmp_path: Path) -> None:
    (tmp_path / "sleeps.py").write_text("import time; open('begun', 'w').close(); time.sleep(600)")
    command = ForkedCommand(Start("sleeps", (), tmp_path))
    while not (tmp_path / "begun").exists():
        assert command.returncode is None
        time.sleep(0.05)
    command.send_signal(signal.SIGKILL)
    assert command.communicate(timeout=60) == ("", "")
    assert command.returncode == -signal.SIGKILL
