"""What decides a run's result."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

# Keys that cannot change the result of a run: neither its identity nor its hash depends on them.
WITHOUT_EFFECT = (
    "callbacks.image_strips",
    "callbacks.lr_monitor",
    "data.cache_memory",
    "data.num_workers",
    "dry_run",
    "fail_fast",
    "logger",
    "overwrite",
    "paths",
    "resume",
    "sweep",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.log_every_n_steps",
    "trusted",
)


# How training images are cut and loaded; all other keys of the group decide which images are tested on.
_OF_TRAINING = frozenset(
    f"data.{key}"
    for key in (
        "batch_size",
        "cache_memory",
        "eval_batch_size",
        "flips",
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
    return {key: value for key, value in flatten(config).items() if not is_within(key, WITHOUT_EFFECT)}


def data_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that decide which images a run is tested on, flat: {"data.seed": 0, ...}."""
    data = flatten(config["data"], "data.")
    return {key: value for key, value in data.items() if key not in _OF_TRAINING and key != "data.name"}


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
    return {key: value for key, value in section.items() if key not in ("root", "sharp", "blurred", "path")}


def is_within(key: str, prefixes: Sequence[str]) -> bool:
    """Tell whether a dotted key is one of these or lies in one of them."""
    return any(key == prefix or key.startswith(f"{prefix}.") for prefix in prefixes)
