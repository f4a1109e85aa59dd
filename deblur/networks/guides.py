"""The guide that some networks want besides the blurred picture."""

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:  # SciPy is loaded for a network that wants a guide
    from deblur.baselines.preparation import Preparation


def preparation_of(network: nn.Module) -> "Preparation | None":
    """Return what makes a network's guides; None where it wants none.

    Raises:
        RuntimeError: where the network has not been calibrated.
        ValueError: where what it holds cannot have been measured.
    """
    prepare = getattr(network, "preparation", None)
    found: Preparation | None = None if prepare is None else prepare()
    return found
