"""What a process does to itself before a command begins, for `forked_commands.Start`.

Nothing of deblur is imported here: a command that has been imported is not run without a warning.
"""

import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any


def limit_files(size: int) -> None:
    """Let the files of this process have so many bytes at most."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def watch_changes(folder: str, at: int, counted: Path | None) -> None:
    """Kill this process before one of its changes to the files of a folder, or write a byte for each change.

    Args:
        folder: the folder.
        at: which change, from 1.
        counted: the file with the bytes; nothing is killed.
    """
    log = None if counted is None else os.open(counted, os.O_WRONLY | os.O_CREAT)
    count = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event == "open":
            path, _, flags = arguments
            changes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        else:
            path = arguments[1] if event == "os.rename" else arguments[0] if arguments else None
            changes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
        if not changes or not isinstance(path, str | bytes | os.PathLike):
            return
        if not os.path.abspath(os.fsdecode(path)).startswith(folder):  # noqa: PTH100 # a Path would be slow
            return
        count += 1
        if log is not None:
            os.write(log, b"x")
        elif count == at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
