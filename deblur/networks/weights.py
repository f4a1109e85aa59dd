"""A trained network in one safetensors file: its weights, and in the header what it is and what it was trained on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from deblur.errors import UserError
from deblur.files import write_output
from deblur.networks.description import KEY, read_description, write_description

SUFFIX: Final = ".safetensors"


def write_weights(path: Path, weights: Mapping[str, Tensor], description: Mapping[str, Any]) -> None:
    """Write a network.

    Args:
        path: of the file.
        weights: the network's parameters by name.
        description: plain values; `settings` has the sections `model` and `blur` of the training's configuration.

    Raises:
        OSError: where it cannot be written; nothing is left behind.
    """
    # Copies: the format refuses parameters that share their memory.
    copies = {name: weight.detach().clone(memory_format=torch.contiguous_format) for name, weight in weights.items()}
    write_output(path, save(copies, {KEY: write_description(description)}))


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a network's weights and its description; no code in the file can run.

    Raises:
        UserError: where it is damaged, or of another program.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(KEY)
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 # it is no mapping
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is no safetensors file, or is damaged ({error}).") from error
    return weights, read_description(header, path)
