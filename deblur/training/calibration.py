"""What a network measures on training images before it is trained."""

import inspect
import logging
from collections.abc import Mapping
from typing import Any, Final, Protocol, runtime_checkable

from torch import nn

from deblur.data.datamodule import DeblurDataModule
from deblur.errors import UserError
from deblur.inference.prefilters import prefilter_of
from deblur.models.protocol import traits_of
from deblur.text import counted

log = logging.getLogger(__name__)

IMAGES: Final = 200  # training images that suffice


@runtime_checkable
class NeedsCalibration(Protocol):
    """A network that has to measure something on training images, as `deblur.models.WienerSRCNN` does."""

    def calibrate(self, sharp: Any, blurred: Any, kernels: Any) -> None:
        """Take sharp images (H, W) or (H, W, 3) in uint8, the same blurred, and what each was blurred with.

        With `data.boundary=circular`, `boundary="circular"` is given as well, and with a blur in linear light `space`,
        the `deblur.blur.camera.Space` in which they were blurred.
        """


def calibrate(network: nn.Module, data: DeblurDataModule) -> None:
    """Let a network measure what it needs, and the data module make the inputs that it wants.

    Args:
        network: any one; most need nothing.
        data: set up.

    Raises:
        UserError: if the network cannot take these images.
    """
    if traits_of(network).wants_wiener_estimate and isinstance(network, NeedsCalibration):
        crop = data.crop()
        arguments: dict[str, Any] = {} if crop.extension == "symmetric" else {"boundary": crop.extension}
        if data.space.linear:
            arguments["space"] = data.space
        _refuse_unknown(network, arguments)
        given = data.fitting_images(IMAGES, crop)
        log.info(f"Calibrating the network on {counted(len(given[0]), 'training image')}.")
        try:
            network.calibrate(*given, **arguments)
        except ValueError as error:
            raise UserError(f"The network cannot be calibrated on these images: {error}.") from error
    data.prefilter = prefilter_of(network)
    if traits_of(network).takes_kernel:
        name = f"{type(network).__name__}, which takes the kernel,"
        data.require_one_kernel(name, "take a network that needs no kernel")
        if data.inputs is not data.images:
            raise UserError(
                f"{name} needs the kernel of each image, and of given blurred images it is not known: take another "
                "network, or data=folder data.root=DIR with the sharp images."
            )
    data.known_kernels = traits_of(network).takes_kernel


_NEEDED_BY: Final = {
    "boundary": ("data.boundary=circular", "data.boundary=symmetric or valid"),
    "space": ("a blur in linear light", "blur.camera.linear=false"),
}


def _refuse_unknown(network: NeedsCalibration, arguments: Mapping[str, Any]) -> None:
    known = inspect.signature(network.calibrate).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        return
    for argument in arguments:
        if argument not in known:
            needing, instead = _NEEDED_BY[argument]
            raise UserError(
                f"{needing} needs a network that knows of it, and {type(network).__name__}.calibrate has no argument "
                f"{argument}: take {instead}."
            )
