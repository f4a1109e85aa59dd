"""A trained network in one safetensors file: its weights, and in the header what it is and what it was trained on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from deblur.errors import UserError
from deblur.files import write_bytes

SUFFIX: Final = ".safetensors"
_KEY: Final = "deblur"  # of our JSON in the header
_FORMAT: Final = 1  # raised when the header changes its meaning


def write_weights(path: Path, weights: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
    """Write a network.

    Args:
        path: of the file.
        weights: the network's parameters by name.
        description: plain values; `settings` has the sections `model` and `blur` of the training's configuration.

    Raises:
        OSError: where it cannot be written; nothing is left behind.
    """
    header = json.dumps({"format": _FORMAT, **description}, sort_keys=True)
    write_bytes(path, save({name: weight.contiguous() for name, weight in weights.items()}, {_KEY: header}))


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a network's weights and its description; no code in the file can run.

    Raises:
        UserError: where it is damaged, or of another program.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(_KEY)
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 # it is no mapping
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is no safetensors file, or is damaged ({error}).") from error
    return weights, read_description(header, path)


def read_description(header: str | None, path: Path) -> dict[str, Any]:
    """Return what the header of an exported network says.

    Raises:
        UserError: where it says nothing, or something else than ours.
    """
    try:
        description = json.loads(header or "")
        settings = description["settings"]
        is_ours = isinstance(settings["model"], dict) and isinstance(settings["blur"], dict)
    except (ValueError, KeyError, TypeError):
        is_ours = False
    if not is_ours:
        raise UserError(f"{path} was not exported by this program: it does not tell the settings of its network.")
    if description["format"] != _FORMAT:
        raise UserError(f"{path} is of the format {description['format']}, of another version of this program.")
    return dict(description)
