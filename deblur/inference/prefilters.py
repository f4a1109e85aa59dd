"""The Wiener estimate that some networks want besides the blurred image."""

from typing import TYPE_CHECKING, Any

from torch import nn

from deblur.errors import UserError
from deblur.models.protocol import traits_of

if TYPE_CHECKING:  # SciPy is loaded for a network that wants a Wiener estimate
    from deblur.wiener.prefilter import WienerPrefilter


def prefilter_of(network: nn.Module) -> "WienerPrefilter | None":
    """Return the Wiener pre-filter of a network; None if it wants none.

    Raises:
        RuntimeError: if the network has not been calibrated.
        ValueError: if its measured values are impossible.
        UserError: if `prefilter` of a custom network is anything else.
    """
    if not traits_of(network).wants_wiener_estimate:
        return None
    prepare: Any = network.prefilter
    if callable(prepare) and not isinstance(prepare, nn.Module):  # a layer is callable, but with an image
        from deblur.wiener.prefilter import WienerPrefilter

        found = prepare()
        if isinstance(found, WienerPrefilter):
            return found
    raise UserError(
        f"{type(network).__name__}.prefilter has to be a method without arguments that returns a "
        "deblur.wiener.prefilter.WienerPrefilter, which makes the Wiener estimate of an image: call yours otherwise."
    )
