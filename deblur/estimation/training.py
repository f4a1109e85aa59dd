"""What blur a network was trained on, in the kinds and widths of an estimate."""

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from deblur.blur.families import FAMILIES, Mixed, completed, import_path
from deblur.estimation.estimate import DIAMETER, LENGTH, Kind

Widths = Mapping[Kind, tuple[float, float]]
"""The narrowest and the widest blur of each kind [px]."""


class _Widths(NamedTuple):
    kinds: tuple[Kind, ...]
    key: str  # parameter of the family
    factor: float  # from the parameter to the width


_OF_FAMILY: Final[Mapping[str, _Widths]] = {
    "gaussian": _Widths(("defocus",), "sigma", DIAMETER),
    "box": _Widths(("defocus",), "size", DIAMETER / LENGTH),
    "disk": _Widths(("defocus",), "radius", 2.0),
    "motion": _Widths(("motion",), "length", 1.0),
    "trajectory": _Widths(("shake", "motion"), "extent", 1.0),
}
_UNBLURRED: Final = "none"


def trained_widths(blur: Mapping[str, Any]) -> Widths | None:
    """Return the blurs of a network's training.

    Args:
        blur: section `blur` of its settings.

    Returns:
        The widths of each kind that it was trained on; None if they are not known, as those of a kernel from a file, of
        blur that varies over the image or of a user's family.
    """
    families = _families(blur)
    if families is None or not families.keys() <= _OF_FAMILY.keys() | {_UNBLURRED}:
        return None
    found: dict[Kind, tuple[float, float]] = {}
    for name, arguments in families.items():
        if name == _UNBLURRED:
            continue
        kinds, key, factor = _OF_FAMILY[name]
        low, high = _interval(arguments.get(key))
        for kind in kinds:
            known = found.get(kind, (math.inf, 0.0))
            found[kind] = (min(known[0], factor * low), max(known[1], factor * high))
    return found if all(map(math.isfinite, sum(found.values(), ()))) else None


def _families(blur: Mapping[str, Any]) -> dict[str, Mapping[str, Any]] | None:
    """Return the families that are drawn from, with their arguments; None if the class is not of the package."""
    target = blur.get("_target_")
    if _is(target, Mixed):
        given = completed(blur.get("families") or {})
        return {name: one for name, one in given.items() if one is not None and one.get("weight", 1) > 0}
    name = next((name for name, family in FAMILIES.items() if _is(target, family)), None)
    return None if name is None else {name: blur}


def _is(target: Any, family: type) -> bool:
    """Return whether a path names a family, by the module that defines it or by `deblur.blur`."""
    return target in (import_path(family), f"deblur.blur.{family.__name__}")


def _interval(value: Any) -> tuple[float, float]:
    """Return the bounds of a parameter; NaN if it is no number and no pair of them."""
    pair = value if isinstance(value, list | tuple) and len(value) == 2 else (value, value)
    low, high = (float(one) if isinstance(one, int | float) else math.nan for one in pair)
    return low, high
