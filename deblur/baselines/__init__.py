"""Classical restorers, each tuned on training images: what a network's PSNR is compared with."""

from collections.abc import Mapping

from deblur.baselines.base import Baseline, Identity
from deblur.baselines.dct_wiener import DctWiener
from deblur.baselines.scikit import RichardsonLucy, Wiener
from deblur.errors import UserError

__all__ = ["BASELINES", "Baseline", "DctWiener", "Identity", "RichardsonLucy", "Wiener", "make"]

BASELINES: Mapping[str, type[Baseline]] = {each.name: each for each in (Identity, Wiener, RichardsonLucy, DctWiener)}
"""All restorers, by name."""


def make(name: str) -> Baseline:
    """Make a restorer that is yet to be fitted.

    Args:
        name: A key of `BASELINES`.

    Raises:
        UserError: There is none of that name, or it needs a package that is not installed.
    """
    if name not in BASELINES:
        raise UserError(f"There is no baseline {name!r}; there are {', '.join(BASELINES)}.")
    return BASELINES[name]()
