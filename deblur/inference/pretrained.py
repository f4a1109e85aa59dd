"""The pretrained networks of the package."""

from pathlib import Path
from typing import Final

from deblur.choices import PRETRAINED
from deblur.errors import UserError

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
