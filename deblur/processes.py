"""Worker processes that end with the process that needs them, also if it is killed."""

import multiprocessing
import os
import select
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_POLLING_INTERVAL: Final = 0.5  # s
_COMMAND: Final = "DEBLUR_COMMAND_PROCESS"  # the environment variable that names the process of a user's command
# Environment variables by which a run's further processes find its folder, and its first process.
_SHARED_RUN_FOLDER: Final = "DEBLUR_RUN_FOLDER"
_FIRST_PROCESS: Final = "DEBLUR_RUN_PROCESS"
_EXIT: Final = 1

_watched: set[tuple[int, int]] = set()


def end_with(process: int) -> None:
    """End this process as soon as another one has ended, as if it had been killed as well; its own id does nothing."""
    watch = os.getpid(), process  # a forked process inherits the set, not the threads
    if process == os.getpid() or watch in _watched:
        return
    _watched.add(watch)
    threading.Thread(target=_end_after, args=(process,), daemon=True, name=f"end with {process}").start()


def end_with_parent() -> None:
    """End this process with the one that started it by `multiprocessing`."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        end_with(parent.pid)


def end_with_command() -> None:
    """End this process with the user's command on this machine, if it is known."""
    process = os.environ.get(_COMMAND, "")
    if process.isdecimal():
        end_with(int(process))


def command_environment() -> dict[str, str]:
    """Return environment variables that name this process as the command's."""
    return {_COMMAND: str(os.getpid())}


def shared_run_folder() -> Path | None:
    """Return the folder of the run that this process, one per further device, belongs to; None in the first one."""
    shared = os.environ.get(_SHARED_RUN_FOLDER)
    return Path(shared) if shared else None


@contextmanager
def sharing(folder: Path) -> Iterator[None]:
    """Let processes that are started meanwhile, one per further device, belong to the run of this folder."""
    os.environ |= {_SHARED_RUN_FOLDER: str(folder), _FIRST_PROCESS: str(os.getpid())}
    try:
        yield
    finally:
        os.environ.pop(_SHARED_RUN_FOLDER, None)
        os.environ.pop(_FIRST_PROCESS, None)


def end_with_first_process() -> None:
    """End this process with the first one of its run; else it would wait for half an hour for that one's results."""
    first = os.environ.get(_FIRST_PROCESS, "")
    if first.isdecimal():
        end_with(int(first))


def _end_after(process: int) -> None:
    if sys.platform == "win32":
        parent = multiprocessing.parent_process()
        if parent is None or parent.pid != process:
            return  # other processes cannot be waited for
        parent.join()
    else:
        _wait_for(process)
    os._exit(_EXIT)


def _wait_for(process: int) -> None:
    """Wait until a process has ended."""
    if hasattr(os, "pidfd_open"):  # Linux
        with suppress(OSError):
            descriptor = os.pidfd_open(process)
            ended = select.poll()  # select() takes no descriptor above 1023
            ended.register(descriptor, select.POLLIN)
            ended.poll()
            return
    with suppress(ProcessLookupError):
        while True:
            with suppress(PermissionError):  # another user's process
                os.kill(process, 0)
            time.sleep(_POLLING_INTERVAL)
