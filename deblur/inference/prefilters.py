"""The guide that some networks want besides the blurred picture."""

from typing import TYPE_CHECKING, Any

from torch import nn

from deblur.errors import UserError

if TYPE_CHECKING:  # SciPy is loaded for a network that wants a guide
    from deblur.wiener.prefilter import Preparation


def wants_guide(network: nn.Module) -> bool:
    """Tell whether a network sees a guide of the whole picture; it need not be calibrated for that."""
    return getattr(network, "preparation", None) is not None


def preparation_of(network: nn.Module) -> "Preparation | None":
    """Return what makes a network's guides; None where it wants none.

    Raises:
        RuntimeError: where the network has not been calibrated.
        ValueError: where what it holds cannot have been measured.
        UserError: where `preparation` of a network of one's own is something else.
    """
    if not wants_guide(network):
        return None
    prepare: Any = network.preparation
    if callable(prepare) and not isinstance(prepare, nn.Module):  # a layer can be called too, and wants a picture
        from deblur.wiener.prefilter import Preparation

        found = prepare()
        if isinstance(found, Preparation):
            return found
    raise UserError(
        f"{type(network).__name__}.preparation has to be a method without arguments that returns a "
        "deblur.wiener.prefilter.Preparation, which makes the guide of a picture: call yours otherwise."
    )
