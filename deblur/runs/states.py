"""The state of a run, from its files and its lock; and what they say of the run that another command asks for."""

import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deblur.config.identity import config_hash, what_matters
from deblur.config.places import CONFIG_FILE
from deblur.errors import UserError
from deblur.reading import MissingFile, UnusableFile, damaged
from deblur.runs.locking import is_locked
from deblur.runs.records import CURE, State, config_of_run, damage_in, read_status

LOCK_FILE = ".lock"
LONGEST_SILENCE = 300.0  # [s] without a heartbeat, after which a run whose lock cannot be seen is dead


def state_of(folder: Path) -> State | None:
    """Return the state in a folder's status.json, or None if there is none.

    A run whose process was killed could not write how it ended: it is `interrupted`.

    Raises:
        UnusableFile: if the file cannot be read, or is damaged.
    """
    try:
        status = read_status(folder)
    except MissingFile:
        return None
    state: State = status["state"]
    return "interrupted" if state == "running" and not _is_alive(folder, status) else state


def _is_alive(folder: Path, status: Mapping[str, Any]) -> bool:
    """Return whether a process trains in a folder: by its lock, and if that cannot be seen by its heartbeat."""
    if lives_elsewhere(status):
        return True
    if status.get("host") != socket.gethostname():
        return False
    held = is_locked(folder, LOCK_FILE)
    return lives_here(status) if held is None else held


def lives_elsewhere(status: Mapping[str, Any]) -> bool:
    """Return whether a run is alive on another host, whose locks this one may not see: by its heartbeat.

    Args:
        status: what its status.json holds.
    """
    return status.get("host") != socket.gethostname() and _has_heartbeat(status)


def lives_here(status: Mapping[str, Any]) -> bool:
    """Return whether a run is alive in another process of this host, if its lock cannot be relied on.

    A lock is more reliable: the process of a run that was killed may not be gone yet, and a
    container that starts again gives its processes the numbers of those before.

    Args:
        status: what its status.json holds.
    """
    process = status.get("process")
    if status.get("host") != socket.gethostname() or process in (None, os.getpid()) or not _has_heartbeat(status):
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True


def _has_heartbeat(status: Mapping[str, Any]) -> bool:
    if status.get("state") != "running" or not status.get("heartbeat"):
        return False
    try:
        silence = datetime.now(UTC) - datetime.fromisoformat(status["heartbeat"])
    except (ValueError, TypeError):  # no date, or one without a time zone
        return False
    return silence.total_seconds() < LONGEST_SILENCE


def earlier_status(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what status.json says of the run that an earlier process left in a folder; nothing if there is none.

    Raises:
        UnusableFile: if the files of that run cannot be read, or are damaged.
        UserError: if that run has another configuration; the text names the keys.
    """
    try:
        status = read_status(folder)
    except MissingFile:
        return {}
    differing = differing_keys(folder, config)
    if differing:
        if status.get("config_hash") not in (None, config_hash(config_of_run(folder))):
            named = ", ".join(differing[:3]) + (f" and {len(differing) - 3} more" if len(differing) > 3 else "")
            reason = f"it is not what the run was started with: {named} differ"
            raise damaged(folder / CONFIG_FILE, reason, CURE)
        raise UserError(
            f"The run {folder} was made with another configuration ({', '.join(differing)} differ): choose "
            "another sweep name, or replace it with overwrite=true."
        )
    return status


def differing_keys(folder: Path, config: Mapping[str, Any]) -> list[str]:
    """Return the keys in which the configuration that a run stored differs, of those that can change the result.

    Raises:
        UnusableFile: if the stored one is missing, cannot be read, or is damaged.
    """
    stored, asked = what_matters(config_of_run(folder)), what_matters(config)
    return sorted(key for key in stored.keys() | asked.keys() if stored.get(key) != asked.get(key))


def is_replaceable(folder: Path, config: Mapping[str, Any]) -> bool:
    """Return whether `overwrite=true` replaces a run: one that failed, is damaged, or is configured otherwise."""
    if damage_in(folder) is not None:
        return True
    try:
        return read_status(folder)["state"] == "failed" or bool(differing_keys(folder, config))
    except MissingFile:
        return False
    except UnusableFile:
        return True
