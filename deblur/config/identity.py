"""What decides a run's result."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

# Keys that cannot change the result of a run: neither its identity nor its hash depends on them.
WITHOUT_EFFECT = (
    "callbacks.comparison_grids",
    "callbacks.lr_monitor",
    "data.cache_memory",
    "data.num_workers",
    "dry_run",
    "fail_fast",
    "logger",
    "model.cpu_ops",  # like the accelerator, it changes the last digits
    "overwrite",
    "paths",
    "resume",
    "search",  # a run is one training; `deblur.sweeps.search` is about many
    "sweep",
    "trainer.accelerator",
    "trainer.log_every_n_steps",
    "trusted",
)
# The classes that are meant by these keys; another one there can change the result.
_MEANT = {
    "callbacks.comparison_grids": "deblur.training.callbacks.ComparisonGrids",
    "callbacks.lr_monitor": "lightning.pytorch.callbacks.LearningRateMonitor",
}
# How many devices share a run: each takes a batch, so that two make it twice as large. One is what a run has that says
# nothing of them, as those of a sweep do.
DEVICES = "trainer.devices"
# Values of keys that runs of earlier versions do not have, and that mean what those runs did.
_AS_BEFORE: Mapping[str, Sequence[Any]] = {
    "blur.camera": (None,),
    "data.color": ("gray",),
    "data.degrade_on": ("cpu",),
    "data.fold": (None,),
    "data.folds": (None,),
    "data.fresh": (False,),
    "model.channels": (None, 1),
    "model.linear_light": (None, False),
    "weights": (None,),
}
# A family of mixtures that those of earlier versions do not have; without a weight it is never drawn.
_ADDED_FAMILY = "blur.families.varying"

_FOLDS = ("data.fold", "data.folds")

# How training images are cut and loaded, how many are validated on, and how many may be unreadable; all other keys of
# the group decide which images are tested on.
_OF_TRAINING = frozenset(
    f"data.{key}"
    for key in (
        "batch_size",
        "cache_memory",
        "degrade_on",
        "eval_batch_size",
        "flips",
        "fresh",
        "max_bad_fraction",
        "max_val_images",
        "num_workers",
        "patch_size",
        "patches_per_image",
    )
)


def config_hash(config: Mapping[str, Any]) -> str:
    """Return a hash of everything in a configuration that can change the result."""
    return hashlib.sha256(json.dumps(what_matters(config), sort_keys=True).encode()).hexdigest()[:16]


def what_matters(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a configuration that can change the result, flat: {"optimizer.lr": 0.001, ...}."""
    flat = flatten(config)
    if flat.get(_ADDED_FAMILY, "") is None or flat.get(f"{_ADDED_FAMILY}.weight") == 0:
        flat = {key: value for key, value in flat.items() if not is_within(key, [_ADDED_FAMILY])}
    others = [key for key, meant in _MEANT.items() if flat.get(f"{key}._target_", meant) != meant]
    return {key: value for key, value in flat.items() if not is_without_effect(key, value) or is_within(key, others)}


def is_without_effect(key: str, value: Any) -> bool:
    """Return whether a dotted key cannot change the result of a run.

    Args:
        key: such as `data.num_workers`.
        value: which matters for the number of devices, and for keys that older runs do not have.
    """
    is_as_before = value in _AS_BEFORE.get(key, ())
    return is_within(key, WITHOUT_EFFECT) or is_as_before or (key == DEVICES and value == 1)


def data_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that decide which images a run is tested on, flat: {"data.seed": 0, ...}."""
    data = flatten(config.get("data") or {}, "data.")
    found = {key: value for key, value in data.items() if is_data_setting(key)}
    folds = {key: data.get(key) for key in _FOLDS}  # runs of earlier versions do not have them
    return found | folds | {"data.color": color_of(config)} if data else found


def unstated_data_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of `data_settings` that the configuration of a run of an earlier version does not state."""
    stated = flatten(config.get("data") or {}, "data.")
    return {key: value for key, value in data_settings(config).items() if key not in stated}


def color_of(config: Mapping[str, Any]) -> str:
    """Return whether the images of a run are `gray` or `rgb`; those of earlier versions, which do not say it, are gray.

    Args:
        config: the run's configuration, nested.
    """
    return str(flatten(config).get("data.color", "gray"))


def is_data_setting(key: str) -> bool:
    """Return whether a dotted key of the group `data` decides which images a run is tested on."""
    return key not in _OF_TRAINING and key != "data.name"


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def config_without_paths(section: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section without the keys that name places on this machine."""
    return {
        key: value
        for key, value in section.items()
        if key not in ("root", "sharp", "blurred", "path") and not (isinstance(value, str) and os.path.isabs(value))  # noqa: PTH117 # of a text
    }


def is_within(key: str, prefixes: Sequence[str]) -> bool:
    """Return whether a dotted key is one of these or lies in one of them."""
    return any(key == prefix or key.startswith(f"{prefix}.") for prefix in prefixes)
