"""Processes that end with the one that needs them: one that is killed cannot tell those that work for it."""

import multiprocessing
import os
import select
import sys
import threading
import time
from contextlib import suppress
from typing import Final

_SECONDS_BETWEEN_LOOKS: Final = 0.5
_COMMAND: Final = "DEBLUR_COMMAND_PROCESS"  # the environment variable that names the process of a user's command
_EXIT: Final = 1

_watched: set[tuple[int, int]] = set()


def end_with(process: int) -> None:
    """Have this process end as soon as another one has, at once and without a word, as if it had been killed as well.

    Args:
        process: the number of the other one; this one's own does nothing.
    """
    watch = os.getpid(), process  # what a forked process inherits says nothing of its own threads
    if process == os.getpid() or watch in _watched:
        return
    _watched.add(watch)
    threading.Thread(target=_end_after, args=(process,), daemon=True, name=f"end with {process}").start()


def end_with_parent() -> None:
    """Have this process end with the one that started it by means of `multiprocessing`."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        end_with(parent.pid)


def end_with_command() -> None:
    """Have this process end with the command that a user gave, on this machine, if it is known."""
    process = os.environ.get(_COMMAND, "")
    if process.isdecimal():
        end_with(int(process))


def command_environment() -> dict[str, str]:
    """Return the environment variables by which processes know that this one is their command's."""
    return {_COMMAND: str(os.getpid())}


def _end_after(process: int) -> None:
    if sys.platform == "win32":
        parent = multiprocessing.parent_process()
        if parent is None or parent.pid != process:
            return  # there is no way to wait for a process that is not multiprocessing's
        parent.join()
    else:
        _wait_for(process)
    os._exit(_EXIT)


def _wait_for(process: int) -> None:
    """Return when a process has ended."""
    if hasattr(os, "pidfd_open"):  # Linux
        with suppress(OSError):
            descriptor = os.pidfd_open(process)
            ended = select.poll()  # select() takes no descriptor above 1023
            ended.register(descriptor, select.POLLIN)
            ended.poll()
            return
    while _is_there(process):
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True
