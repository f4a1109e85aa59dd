"""The files of a run, read: its configuration and its state."""

import json
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from filelock import FileLock, Timeout
from omegaconf import OmegaConf
from yaml import YAMLError  # type: ignore[import-untyped] # it has no types

from deblur.errors import UserError
from deblur.runs.identity import what_matters

State = Literal["running", "done", "failed", "interrupted"]

LONGEST_SILENCE = 300.0  # [s] without a heartbeat, after which a run on another host is dead
CONFIG_FILE = "config.yaml"
STATUS_FILE = "status.json"
LOCK_FILE = ".lock"
METRICS_FILE = "metrics.json"
HISTORY_FILE = "history.csv"
IMAGES_FILE = "images.csv"
SWEEP_FILE = "sweep.json"  # in the folder of a sweep
LOG_FILE = "train.log"


def state_of(folder: Path) -> State | None:
    """Return the state that a folder's status.json tells, or None where there is none.

    A run whose process was killed could not write how it ended: it is `interrupted`.

    Raises:
        UserError: where the file is damaged.
    """
    path = folder / STATUS_FILE
    if not path.is_file():
        return None
    status = read_json(path)
    state: State | None = status.get("state")
    if state not in get_args(State):
        raise UserError(f"{path} is damaged: it tells no state.")
    return "interrupted" if state == "running" and not _is_alive(folder, status) else state


def _is_alive(folder: Path, status: Mapping[str, Any]) -> bool:
    """Tell whether a process trains in a folder: by its lock, and on another host by its heartbeat."""
    if lives_elsewhere(status):
        return True
    if status.get("host") != socket.gethostname() or not (folder / LOCK_FILE).exists():
        return False
    try:
        with FileLock(folder / LOCK_FILE, timeout=0):
            return False
    except Timeout:
        return True


def lives_elsewhere(status: Mapping[str, Any]) -> bool:
    """Tell whether a run is alive on another host, whose locks this one may not see: by its heartbeat.

    Args:
        status: what its status.json holds.
    """
    if status.get("state") != "running" or status.get("host") == socket.gethostname() or not status.get("heartbeat"):
        return False
    try:
        silence = datetime.now(UTC) - datetime.fromisoformat(str(status["heartbeat"]))
    except (ValueError, TypeError):  # no date, or one without a time zone
        return False
    return silence.total_seconds() < LONGEST_SILENCE


def earlier_status(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what status.json says of the run that an earlier process left in a folder; nothing where there is none.

    Raises:
        UserError: where that run has another configuration; the text names the keys.
    """
    if not (folder / STATUS_FILE).is_file():
        return {}
    differing = differing_keys(folder, config)
    if differing:
        raise UserError(
            f"The run {folder} was made with another configuration ({', '.join(differing)} differ): choose "
            "another sweep name, or replace it with overwrite=true."
        )
    return read_json(folder / STATUS_FILE)


def differing_keys(folder: Path, config: Mapping[str, Any]) -> list[str]:
    """Return the keys in which the configuration that a run stored differs, of those that can change the result.

    Raises:
        UserError: where the stored one is missing or damaged.
    """
    stored, asked = what_matters(read_config(folder)), what_matters(config)
    return sorted(key for key in stored.keys() | asked.keys() if stored.get(key) != asked.get(key))


def is_replaceable(folder: Path, config: Mapping[str, Any]) -> bool:
    """Tell whether `overwrite=true` replaces the run in a folder: a failed one, or one of another configuration."""
    if not (folder / STATUS_FILE).is_file():
        return False
    return read_json(folder / STATUS_FILE).get("state") == "failed" or bool(differing_keys(folder, config))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file of a run.

    Raises:
        UserError: where it is missing or damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist: give the folder of a run.") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}).") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} is damaged: it holds no mapping.")
    return content


def read_config(folder: Path) -> dict[str, Any]:
    """Read the configuration that a run stored.

    Raises:
        UserError: where there is none, or it is damaged.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        from deblur.runs.whereabouts import no_run  # which looks for the files that are named here

        raise UserError(no_run(folder))
    try:
        container = OmegaConf.to_container(OmegaConf.load(path))
    except (YAMLError, ValueError, OSError) as error:
        raise UserError(f"{path} is damaged ({' '.join(str(error).split())}).") from error
    if not isinstance(container, dict) or not container:
        raise UserError(f"{path} is damaged: it holds no configuration.")
    return {str(key): value for key, value in container.items()}
