"""Classical restorers, each tuned on training images: the baselines of a network."""

from collections.abc import Mapping

from deblur.baselines.classical import Baseline, DctWiener, Identity, RichardsonLucy, Wiener
from deblur.blur.camera import ENCODED, Space
from deblur.blur.images import Extension
from deblur.errors import UserError

__all__ = ["BASELINES", "Baseline", "DctWiener", "Identity", "RichardsonLucy", "Wiener", "make"]

BASELINES: Mapping[str, type[Baseline]] = {each.name: each for each in (Identity, Wiener, RichardsonLucy, DctWiener)}
"""All restorers, by name."""


def make(name: str, boundary: Extension = "symmetric", space: Space = ENCODED) -> Baseline:
    """Return the restorer of a name, not yet fitted.

    Args:
        name: one of `BASELINES`.
        boundary: how the blurred images continue beyond their boundary; symmetric also for a valid one.
        space: in which the images were blurred.

    Raises:
        UserError: if there is none of that name, or it needs a package that is not installed.
    """
    if name not in BASELINES:
        raise UserError(f"There is no baseline {name!r}; there are {', '.join(BASELINES)}.")
    return BASELINES[name](boundary, space)
