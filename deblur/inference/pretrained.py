"""The pretrained networks of the package."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from deblur.choices import PRETRAINED
from deblur.errors import UserError
from deblur.inference.description import KEY, read_description

FOLDER: Final = Path(__file__).parent / "pretrained"


def pretrained_file(name: str) -> Path:
    """Return the file of a pretrained network.

    Raises:
        UserError: for another name.
    """
    if name not in PRETRAINED:
        raise UserError(
            f"There is no pretrained network {name}: give {', '.join(PRETRAINED[:-1])} or {PRETRAINED[-1]}."
        )
    return FOLDER / f"{name}.safetensors"


@cache
def pretrained_settings(name: str) -> Mapping[str, Any]:
    """Return the settings of the training of a pretrained network, without loading it.

    Raises:
        UserError: for another name.
    """
    from safetensors import safe_open

    path = pretrained_file(name)
    with safe_open(path, framework="numpy") as file:
        settings: Mapping[str, Any] = read_description((file.metadata() or {}).get(KEY), path)["settings"]
    return settings
