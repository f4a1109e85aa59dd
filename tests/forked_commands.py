"""Commands in processes of their own that are forked from one that has imported the libraries.

Such a process differs from one that Python starts in its imports alone, which take longer than a small training.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

# What the commands import inside functions; not the commands, which are run as `python -m` runs them. Last, what this
# module imports.
IMPORTED = ("deblur.training.session", "deblur.sweeps.session", "deblur.reporting.grids", "scipy.stats", "pytest")


@dataclass(frozen=True)
class Start:
    """How a process starts."""

    module: str
    overrides: tuple[str, ...]
    folder: Path = field(default_factory=Path.cwd)
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    first: Callable[[], None] | None = None  # called before the command; can be pickled

    @property
    def encoding(self) -> str:
        """Encoding of what the process prints."""
        return self.environment.get("PYTHONIOENCODING", "utf-8")


class ForkedCommand:
    """A running command, with the methods of `subprocess.Popen` that tests need."""

    def __init__(self, start: Start) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OMP_NUM_THREADS", "1")  # the forked processes have no other number
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(list(IMPORTED))
            forkserver.ensure_running()
        (out, its_out), (err, its_err) = context.Pipe(duplex=False), context.Pipe(duplex=False)
        self._encoding = start.encoding
        self._process = context.Process(target=_run, args=(start, its_out, its_err))
        self._process.start()
        its_out.close()
        its_err.close()
        self._said: list[bytes] = [b"", b""]
        self._readers = [
            threading.Thread(target=self._read, args=(index, end), daemon=True) for index, end in enumerate((out, err))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, index: int, end: Connection) -> None:
        with end, open(end.fileno(), "rb", closefd=False) as stream:
            self._said[index] = stream.read()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Wait until the process has ended; return what it printed.

        Args:
            timeout: after so many seconds the process is killed, and the test fails.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            self._process.kill()
            raise subprocess.TimeoutExpired("forked command", timeout)
        for reader in self._readers:
            reader.join(timeout)
        out, err = (said.decode(self._encoding, "replace") for said in self._said)
        return out, err


def run_forked(start: Start, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; return its exit code and what it printed."""
    command = ForkedCommand(start)
    out, err = command.communicate(timeout)
    assert command.returncode is not None
    return subprocess.CompletedProcess((start.module, *start.overrides), command.returncode, out, err)


def _run(start: Start, out: Connection, err: Connection) -> None:
    for end, descriptor in ((out, 1), (err, 2)):
        os.dup2(end.fileno(), descriptor)
        end.close()
    sys.stdout = open(1, "w", encoding=start.encoding, closefd=False)  # noqa: SIM115 # the command writes to it
    sys.stderr = open(2, "w", encoding=start.encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(start.folder)
    os.environ.clear()
    os.environ.update(start.environment)
    tempfile.tempdir = None  # that of the first process
    sys.path.insert(0, str(start.folder))
    sys.argv = [start.module, *start.overrides]
    if start.first is not None:
        start.first()
    runpy.run_module(start.module, run_name="__main__", alter_sys=True)
