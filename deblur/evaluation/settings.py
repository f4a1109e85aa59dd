"""On which images and with which blur is evaluated: a run's own settings, changed by the command line."""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from deblur.config import EvaluateConfig, TrainConfig, check
from deblur.config.schema import SHARED_DATA_KEYS
from deblur.errors import UserError
from deblur.reporting.labels import plain
from deblur.runs.conditions import value_text

Settings = Mapping[str, Any]


def evaluation_config(base: Settings, defaults: TrainConfig, asked: EvaluateConfig) -> TrainConfig:
    """Return a whole configuration for an evaluation.

    Args:
        base: the configuration of the run, or the part of it that a checkpoint holds.
        defaults: a training's configuration, for what `base` does not hold.
        asked: what the command line gave. Its `data` and `blur` replace those of `base` if they name an option
            (`blur=motion`), and change keys in them if they do not (`blur.size=9`).

    Raises:
        UserError: for what is missing, unknown or out of range.
    """
    usual = defaults.plain()
    config = {key: deepcopy(base.get(key, value)) for key, value in usual.items()}
    config["data"] = {**{key: usual["data"][key] for key in SHARED_DATA_KEYS}, **config["data"]}
    for group, change in {"data": asked.data, "blur": asked.blur}.items():
        if "_target_" in change:
            shared = {key: config["data"][key] for key in SHARED_DATA_KEYS} if group == "data" else {}
            config[group] = shared | change
        else:
            if "path" in change:
                config[group].pop("sha256", None)  # of the file that was trained with
            if isinstance(change.get("camera"), Mapping):
                config[group] = {"camera": {}} | config[group]  # of a run without a camera, all stages are off
            config[group] = merged(config[group], change, group)
    if asked.metrics:
        config["metrics"] = asked.metrics
    config |= {"paths": asked.paths.plain(), "trusted": asked.trusted, "sweep": None, "weights": None, "resume": None}
    return check(config, for_training=False, stored=True)


def different_values(variants: Sequence[Settings]) -> str:
    """Return in words in which keys some flat settings differ, with their values; nothing if they are the same."""
    keys = dict.fromkeys(key for variant in variants for key in variant)
    differing = []
    for key in keys:
        values = dict.fromkeys(json.dumps(plain(variant.get(key)), sort_keys=True) for variant in variants)
        if len(values) > 1:
            differing.append(f"{key} ({' or '.join(value_text(json.loads(value)) for value in values)})")
    return " and ".join(differing)


def merged(settings: Settings, change: Settings, place: str) -> dict[str, Any]:
    """Return a section with some of its keys changed.

    Args:
        settings: the section.
        change: the keys to change, nested as they are.
        place: what the section is called.

    Raises:
        UserError: for a section within it that is not there.
    """
    changed = dict(settings)
    for key, value in change.items():
        if isinstance(value, Mapping) and not isinstance(changed.get(key), Mapping):
            raise UserError(f"{place}.{key} is unknown: {place} has no such section.")
        changed[key] = merged(changed[key], value, f"{place}.{key}") if isinstance(value, Mapping) else value
    return changed
