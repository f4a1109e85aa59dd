"""What an exported network says about itself, as JSON inside its file; read without torch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from deblur.errors import UserError

KEY: Final = "deblur"  # of our JSON among a file's metadata
LARGEST_RADIUS: Final = 1000  # px; a file that tells more would have every tile surrounded by gigabytes
_FORMAT: Final = 1  # raised when the JSON changes its meaning


def write_description(description: Mapping[str, Any]) -> str:
    """Return the JSON that stands in the file.

    Args:
        description: plain values; `settings` has the sections `model` and `blur` of the training's configuration,
            `name`, `metrics`, `radius` and `alignment` [px] may be there.
    """
    return json.dumps({"format": _FORMAT, **description}, sort_keys=True)


def read_description(text: str | None, path: Path) -> dict[str, Any]:
    """Return what an exported network says about itself.

    Args:
        text: our JSON; None where the file has none.
        path: of the file, for the error.

    Raises:
        UserError: where it says nothing, or something else than ours.
    """
    try:
        description = json.loads(text or "")
    except (ValueError, RecursionError):
        description = None
    if not isinstance(description, dict) or not has_settings(description.get("settings")):
        raise UserError(f"{path} was not exported by this program: it does not tell the settings of its network.")
    if description.get("format") != _FORMAT:
        raise UserError(f"{path} is of the format {description.get('format')}, of another version of this program.")
    radius, alignment = description.get("radius"), description.get("alignment", 1)
    if (
        not _are_metrics(description.get("metrics") or {})
        or not _is_radius(radius)
        or not _is_alignment(alignment, radius)
    ):
        raise UserError(f"{path} is damaged: what it tells of its network cannot be so. Export it again.")
    return description


def alignment_of(network: object) -> int:
    """Return at multiples of how many pixels a part of a picture may begin for a network, its `alignment` [px].

    Raises:
        UserError: where that is no such number; its `radius` has to be a multiple of it.
    """
    radius, alignment = getattr(network, "radius", None), getattr(network, "alignment", 1)
    if not _is_alignment(alignment, radius):
        raise UserError(
            f"The network's attribute alignment={alignment} is not allowed with radius={radius}: give a whole number "
            f"from 1 to {LARGEST_RADIUS} [px] of which the radius is a multiple."
        )
    return int(alignment)


def has_settings(config: Any) -> bool:
    """Tell whether a configuration, of any origin, has the sections that a network is built and described by."""
    return isinstance(config, dict) and all(isinstance(config.get(section), dict) for section in ("model", "blur"))


def _are_metrics(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(part, {}), dict) for part in ("test", "val", "data"))


def _is_radius(value: Any) -> bool:
    return value is None or (type(value) is int and 0 <= value <= LARGEST_RADIUS)


def _is_alignment(value: Any, radius: int | None) -> bool:
    return type(value) is int and 1 <= value <= LARGEST_RADIUS and (radius or 0) % value == 0
