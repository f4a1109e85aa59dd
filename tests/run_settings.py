"""A configuration for the tests of run folders, and what they do with it."""

import copy
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from deblur.errors import UserError
from deblur.reading import read_json
from deblur.runs.folder import RunFolder

CONFIG: dict[str, Any] = {
    "model": {"name": "srcnn_915", "kernel_sizes": [9, 1, 5]},
    "optimizer": {"lr": 0.001},
    "data": {"root": "/faces", "num_workers": 0},
    "trainer": {"max_epochs": 20, "accelerator": "auto", "devices": 1},
    "callbacks": {"comparison_grids": {"images": 4}},
    "logger": {"tensorboard": {"_target_": "deblur.training.loggers.TensorBoard"}},
    "paths": {"output_root": "outputs", "cache_root": None},
    "scheduler": None,
    "seed": 0,
    "sweep": None,
    "resume": None,
    "overwrite": False,
    "fail_fast": False,
    "trusted": [],
}


def changed(key: str, value: object) -> dict[str, Any]:
    config = copy.deepcopy(CONFIG)
    *sections, last = key.split(".")
    node = config
    for section in sections:
        node = node[section]
    node[last] = value
    return config


def refusal(call: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(UserError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def enter(folder: Path, config: dict[str, Any] = CONFIG, *, overwrite: bool = False) -> dict[str, Any]:
    """Begin a run in a folder and break off; return the status while it ran."""
    with suppress(KeyboardInterrupt), RunFolder(folder, config, overwrite=overwrite):
        status = read_json(folder / "status.json")
        raise KeyboardInterrupt
    return status
