"""The configuration with which a stopped run resumes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from deblur.config.identity import DEVICES, WITHOUT_EFFECT, is_within
from deblur.config.places import CONFIG_FILE
from deblur.errors import UserError
from deblur.runs.records import read_config
from deblur.runs.states import state_of

# What a stored configuration may have built without the user's word: these write nothing, or into the run's folder.
_LOGGER: Final = {"_target_": "deblur.training.loggers.TensorBoard"}
_CALLBACKS: Final = frozenset(
    {
        "deblur.training.callbacks.ComparisonGrids",
        *(
            f"lightning.pytorch.callbacks.{name}"
            for name in (
                "DeviceStatsMonitor",
                "EMAWeightAveraging",
                "EarlyStopping",
                "GradientAccumulationScheduler",
                "LearningRateMonitor",
                "ModelSummary",
                "RichModelSummary",
                "StochasticWeightAveraging",
                "ThroughputMonitor",
                "Timer",
            )
        ),
    }
)
# Arguments of Lightning's trainer that write, or send, what nobody asked this command for.
_WRITING: Final = ("default_root_dir", "model_registry", "plugins", "profiler")


def resumed_config(folder: Path, config: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return the configuration with which `resume=FOLDER` resumes: the run's own, but for where anything is written.

    The folder may be a stranger's. What is written goes into it, and to the places that this command names.

    Args:
        folder: the run's folder.
        config: what the command line gave.
        overrides: its words; only such as cannot change the result are taken.

    Raises:
        UserError: if the folder is no run, the run is done, the command changes its result, or its stored
            configuration would write elsewhere.
    """
    stored = read_config(folder)
    if state_of(folder) == "done":
        raise UserError(f"The run {folder} is done: there is nothing to resume.")
    keys = [word.lstrip("+").partition("=")[0] for word in overrides]
    for key in keys:
        same_devices = key == DEVICES and _devices(config) == _devices(stored)
        if not same_devices and not is_within(key, WITHOUT_EFFECT):
            raise UserError(
                f"resume={folder} goes on with the run's own configuration: leave out {key}, or start a new run."
            )
        if key != "resume":
            _take(key, config, stored)
    path = folder / CONFIG_FILE
    if any(is_within(key, ("logger",)) for key in keys):
        stored["logger"] = config["logger"]
    elif any(node not in (None, _LOGGER) for node in (stored.get("logger") or {}).values()):
        raise UserError(
            f"{path} has loggers of its own, which can write anywhere: give the command yours again, or logger=none."
        )
    trusted = config.get("trusted", [])
    _refuse_writers(stored, path, trusted)
    # What a configuration file trusts is no word of the user's; and what is resumed is not to be replaced.
    return {**stored, "paths": config["paths"], "trusted": trusted, "overwrite": False}


def _refuse_writers(stored: Mapping[str, Any], path: Path, trusted: Sequence[str]) -> None:
    for node in (stored.get("callbacks") or {}).values():
        target = str(node.get("_target_")) if isinstance(node, Mapping) else ""
        if target.startswith(("deblur.", "lightning.")) and target not in _CALLBACKS and not is_within(target, trusted):
            raise UserError(
                f"{path} asks for the callback {target}, which can write anywhere: if you trust this folder, add "
                f"trusted=[{target}] to the command."
            )
    for key in _WRITING:
        if stored.get("trainer", {}).get(key):
            raise UserError(f"{path} sets trainer.{key}, which can write anywhere: take that line out of the file.")


def _devices(config: Mapping[str, Any]) -> Any:
    return config.get("trainer", {}).get("devices", 1)


def _take(key: str, source: Mapping[str, Any], target: dict[str, Any]) -> None:
    """Copy the value of a dotted key from one configuration into another."""
    *sections, last = key.split(".")
    for section in sections:
        if not isinstance(target.get(section), dict):
            target[section] = {}
        source, target = source[section], target[section]
    target[last] = source[last]
