"""State of a stored run, and whether a command may resume or replace it."""

import os
import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from deblur.config.identity import DEVICES, WITHOUT_EFFECT, config_hash, is_within, what_matters
from deblur.config.places import CONFIG_FILE
from deblur.errors import UserError
from deblur.reading import MissingFile, damaged
from deblur.runs.locking import is_locked
from deblur.runs.records import CURE, State, config_of_run, damage_in, read_config, read_status
from deblur.text import counted

LOCK_FILE = ".lock"
LONGEST_SILENCE = 300.0  # [s] without a heartbeat, after which a run whose lock cannot be seen is dead

# Built from a stored configuration without `trusted`: these write nothing, or into the run's folder, or, as MLflow,
# into a file of the output folder. For each logger, the values that keys with which it would write elsewhere may have.
_LOGGERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "deblur.training.loggers.TensorBoard": {},
    "deblur.training.loggers.CSV": {},
    "deblur.training.loggers.MLflow": {"tracking_uri": None},
    "deblur.training.loggers.WandB": {"mode": "offline"},
}
_LABELS: Final = ("project", "entity")  # of a logger: where the user would upload its files to
_LIGHTNING_CALLBACKS: Final = (
    "DeviceStatsMonitor EMAWeightAveraging EarlyStopping GradientAccumulationScheduler LearningRateMonitor "
    "ModelSummary RichModelSummary StochasticWeightAveraging ThroughputMonitor Timer"
)
_CALLBACKS: Final = (
    "deblur.training.callbacks.ComparisonGrids",
    *(f"lightning.pytorch.callbacks.{name}" for name in _LIGHTNING_CALLBACKS.split()),
)
EPOCHS: Final = "trainer.max_epochs"
# Schedules of torch whose learning rate in an epoch does not depend on how many epochs follow.
_TORCH: Final = "torch.optim.lr_scheduler"
_SCHEDULES_WITHOUT_END: Final = (
    f"{_TORCH}.ConstantLR",
    f"{_TORCH}.CosineAnnealingWarmRestarts",
    f"{_TORCH}.CyclicLR",
    f"{_TORCH}.ExponentialLR",
    f"{_TORCH}.MultiStepLR",
    f"{_TORCH}.ReduceLROnPlateau",
    f"{_TORCH}.StepLR",
)
_AVERAGE_OF_LAST_EPOCHS: Final = "lightning.pytorch.callbacks.StochasticWeightAveraging"
# Arguments of Lightning's trainer with which it writes or sends something outside of the run's folder.
_WRITING: Final = ("default_root_dir", "model_registry", "plugins", "profiler")


def state_of(folder: Path) -> State | None:
    """Return the state of a run, or None if the folder has no status.json.

    A killed run could not store how it ended: it is `interrupted`.

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
    """Return whether a process trains in a folder: by its lock, or if that cannot be seen, by its status.json."""
    held = is_locked(folder, LOCK_FILE) if status.get("host") == socket.gethostname() else None
    return seems_alive(status) if held is None else held


def seems_alive(status: Mapping[str, Any]) -> bool:
    """Return whether a run with this status.json seems to be alive in another process, without its lock.

    It has a heartbeat and, on this host, a process. A lock is more reliable: the process of a killed run may still be
    ending, and a restarted container gives its processes the numbers of earlier ones. Locks of another host may not
    be visible on this one.
    """
    if status.get("state") != "running" or not status.get("heartbeat"):
        return False
    try:
        silence = datetime.now(UTC) - datetime.fromisoformat(status["heartbeat"])
    except (ValueError, TypeError):  # no date, or one without a time zone
        return False
    if silence.total_seconds() >= LONGEST_SILENCE:
        return False
    if status.get("host") != socket.gethostname():
        return True
    process = status.get("process")
    if process in (None, os.getpid()):
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True


def earlier_status(folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the status.json of the run that an earlier process left in a folder; empty if there is none.

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
    """Return the keys that can change the result and differ from the configuration that a run stored.

    Raises:
        UnusableFile: if the stored one is missing, cannot be read, or is damaged.
    """
    stored, asked = what_matters(config_of_run(folder)), what_matters(config)
    return sorted(key for key in stored.keys() | asked.keys() if stored.get(key) != asked.get(key))


def is_lengthened(folder: Path, config: Mapping[str, Any]) -> bool:
    """Return whether a configuration is that of the run in a folder, with more epochs and no other difference.

    Raises:
        UnusableFile: if the stored one is missing, cannot be read, or is damaged.
    """
    return differing_keys(folder, config) == [EPOCHS] and _epochs(config) > _epochs(read_config(folder))


def is_replaceable(folder: Path, config: Mapping[str, Any]) -> bool:
    """Return whether `overwrite=true` replaces a run: one that failed, is damaged, or is configured otherwise."""
    if damage_in(folder) is not None:
        return True
    try:
        return read_status(folder)["state"] == "failed" or bool(differing_keys(folder, config))
    except MissingFile:
        return False


def resumed_config(folder: Path, config: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return the configuration with which `resume=FOLDER` resumes a run: its own, except for where files are written.

    `trainer.max_epochs=N` makes the run longer. The folder may be a stranger's, so files go only there and to the paths
    of this command.

    Args:
        folder: the run's folder.
        config: of the command.
        overrides: of the command; those that change the result are refused, except for more epochs.

    Raises:
        UserError: if the folder is no run, the run is done or cannot be made longer, the command changes its result, or
            its stored configuration would write elsewhere.
    """
    stored = read_config(folder)
    keys = [word.lstrip("+").partition("=")[0] for word in overrides]
    before, epochs = _epochs(stored), _epochs(config) if EPOCHS in keys else _epochs(stored)
    if epochs > before:
        _refuse_to_lengthen(folder, stored, epochs)
    elif epochs < before:
        raise UserError(
            f"{EPOCHS}={epochs} is not allowed: the run {folder} has {counted(before, 'epoch')}, and a run is only "
            "ever made longer. Give more, or leave it out."
        )
    elif state_of(folder) == "done":
        raise UserError(
            f"The run {folder} is done: there is nothing to resume. {EPOCHS}=N, above its {before}, trains it longer."
        )
    for key in keys:
        same_devices = key == DEVICES and _devices(config) == _devices(stored)
        if not same_devices and key != EPOCHS and not is_within(key, WITHOUT_EFFECT):
            raise UserError(f"resume={folder} uses the run's own configuration: leave out {key}, or start a new run.")
        if key != "resume":
            _copy_value(key, config, stored)
    path = folder / CONFIG_FILE
    if any(is_within(key, ("logger",)) for key in keys):
        stored["logger"] = config["logger"]
    elif not all(node is None or _writes_at_home(node) for node in (stored.get("logger") or {}).values()):
        raise UserError(
            f"{path} configures loggers, which can write anywhere: add your own to the command, or logger=none."
        )
    trusted = config.get("trusted", [])
    _refuse_writers(stored, path, trusted)
    # Only the command line can trust modules, and a run that is resumed is not replaced.
    return {**stored, "paths": config["paths"], "trusted": trusted, "overwrite": False}


def _refuse_to_lengthen(folder: Path, stored: Mapping[str, Any], epochs: int) -> None:
    """Refuse more epochs for a run if its result would not be that of so many epochs from the start.

    Raises:
        UserError: if what the run did depends on its number of epochs, it ended before, or it belongs to a sweep.
    """
    before = _epochs(stored)
    instead = f"start a new run of {epochs} epochs, or one that trains its network further with weights={folder}."
    if stored.get("sweep") is not None:
        raise UserError(
            f"{folder} cannot be made longer: it belongs to the sweep {stored['sweep']}, whose runs are compared and "
            f"have the epochs of its command. Issue that command with {EPOCHS}={epochs} and another sweep=NAME, or "
            f"train its network further in a new run with weights={folder}."
        )
    schedule = str((stored.get("scheduler") or {}).get("_target_", ""))
    if schedule and schedule not in _SCHEDULES_WITHOUT_END:
        raise UserError(
            f"{folder} cannot be made longer: its schedule {schedule.rpartition('.')[2]} is laid out over its "
            f"{counted(before, 'epoch')}, and over {epochs} the learning rates would have been others. "
            f"Instead, {instead}"
        )
    callbacks = [node for node in (stored.get("callbacks") or {}).values() if isinstance(node, Mapping)]
    if any(node.get("_target_") == _AVERAGE_OF_LAST_EPOCHS for node in callbacks):
        raise UserError(
            f"{folder} cannot be made longer: its callback StochasticWeightAveraging averages the last of its "
            f"{counted(before, 'epoch')}. Instead, {instead}"
        )
    if state_of(folder) == "done" and read_status(folder).get("epoch") != before:
        raise UserError(
            f"{folder} cannot be made longer: it ended by itself after epoch {read_status(folder).get('epoch')} of "
            f"{before}, and so it would of {epochs}. Instead, {instead}"
        )


def _writes_at_home(logger: Any) -> bool:
    """Return whether a stored logger writes nowhere but into the folder of the run and into that of all runs."""
    if not isinstance(logger, Mapping) or logger.get("_target_") not in _LOGGERS:
        return False
    usual = {"_target_": logger["_target_"], **_LOGGERS[logger["_target_"]]}
    return all(key in _LABELS or (key in usual and value == usual[key]) for key, value in logger.items())


def _refuse_writers(stored: Mapping[str, Any], path: Path, trusted: Sequence[str]) -> None:
    for node in (stored.get("callbacks") or {}).values():
        target = str(node.get("_target_")) if isinstance(node, Mapping) else ""
        if target.startswith(("deblur.", "lightning.")) and target not in _CALLBACKS and not is_within(target, trusted):
            raise UserError(
                f"{path} configures the callback {target}, which can write anywhere: if you trust this folder, add "
                f"trusted=[{target}] to the command."
            )
    for key in _WRITING:
        if stored.get("trainer", {}).get(key):
            raise UserError(f"{path} sets trainer.{key}, which can write anywhere: take that line out of the file.")


def _epochs(config: Mapping[str, Any]) -> int:
    """Return how many epochs a configuration asks for; 0 if it does not say."""
    epochs = (config.get("trainer") or {}).get("max_epochs")
    return epochs if isinstance(epochs, int) else 0


def _devices(config: Mapping[str, Any]) -> Any:
    return config.get("trainer", {}).get("devices", 1)


def _copy_value(key: str, source: Mapping[str, Any], target: dict[str, Any]) -> None:
    *sections, last = key.split(".")
    for section in sections:
        if not isinstance(target.get(section), dict):
            target[section] = {}
        source, target = source[section], target[section]
    target[last] = source[last]
