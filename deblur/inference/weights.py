"""A trained network in one safetensors file: its weights, and its description in the header."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from deblur.errors import UserError
from deblur.files import write_output
from deblur.inference.description import KEY, LARGEST_TEXT, MOST_WEIGHTS, read_description, write_description
from deblur.reading import unicode_name

SUFFIX: Final = ".safetensors"
_SIZE_OF_SIZE: Final = 8  # bytes at the start of a file: the size of its header
_LARGEST_HEADER: Final = LARGEST_TEXT + MOST_WEIGHTS * 500  # bytes: the description, and an entry of each array


def write_weights(
    path: Path, weights: Mapping[str, Tensor], description: Mapping[str, Any], half: bool = False
) -> None:
    """Write the parameters of a network by name, and its description; see `write_description`.

    Args:
        path: of the file.
        weights: by name.
        description: of the network.
        half: round floating-point numbers to float16, which halves the file.

    Raises:
        OSError: if the file cannot be written; nothing is left behind.
    """
    # Copies: the format refuses parameters that share their memory.
    copies = {name: weight.detach().clone(memory_format=torch.contiguous_format) for name, weight in weights.items()}
    if half:
        copies = {name: weight.half() if weight.is_floating_point() else weight for name, weight in copies.items()}
    write_output(path, save(copies, {KEY: write_description(description)}))


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a network's weights and its description; no code in the file can run.

    Raises:
        ForeignFile: if it is of another program.
        UserError: if it is damaged.
    """
    weights, header = load_tensors(path)
    return weights, read_description(header, path)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], str | None]:
    """Load the arrays of a safetensors file of any program, and the JSON of the description; None if it has none.

    Raises:
        UserError: if it is damaged.
    """
    try:
        _refuse_long_header(path)
        with unicode_name(path) as name, safe_open(name, framework="pt") as file:
            header = (file.metadata() or {}).get(KEY)
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 # it is no mapping
    except (SafetensorError, OSError, RuntimeError) as error:  # the last of torch, which maps the file into memory
        raise UserError(f"{path} is no safetensors file, or is damaged ({error}).") from error
    return weights, header


def _refuse_long_header(path: Path) -> None:
    """Refuse a file whose header is larger than that of any network, before it is parsed."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(_SIZE_OF_SIZE), "little")
    if size > _LARGEST_HEADER:
        raise SafetensorError(f"its header has {size:,} bytes")
