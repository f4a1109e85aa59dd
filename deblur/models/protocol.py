"""The protocol of a network, and the defaults for a network without it; imports no torch."""

from dataclasses import dataclass
from typing import Any, Final, Protocol

from deblur.errors import UserError

LARGEST_HALO: Final = 1000  # px on each side of every tile


class Network(Protocol):
    """A network that maps images (N, channels, H, W) in [0, 1] to images of the same shape.

    A plain `torch.nn.Module` is a network: each member below is optional, and `traits_of` has the defaults.

    Attributes:
        channels: 1 for gray images, 3 for RGB images. Default: 1.
        halo: width of the border that the input needs around the output [px]. `forward` then takes `pad=False`, the
            network is trained on patches that include their halo, and it restores images in tiles. Default: the network
            pads by itself, and restores images whole.
        size_divisor: parts of an image begin at multiples of this [px]; the halo is a multiple of it. Default: 1.
        receptive_field: side of the square of input pixels that one output pixel depends on [px]. Default: unknown.
        macs_per_pixel: multiply-accumulate operations per output pixel. Default: unknown.
        known_kernel_stages: of a network that is called with the kernel and the noise of each image, as
            `deblur.models.Unrolled` is: how many times it calls `advance`. It restores whole images, and has no halo.
            Its `forward` has the arguments `blurred, kernel, noise_sigma, tile=None, advance=None`. Default: the
            network takes no kernel.
        boundary: of a network that takes the kernel, what it assumes: `circular`, or that the scene continues beyond
            the frame. Default: the latter.
        linear_light: of a network that takes the kernel, whether it assumes a blur in linear light. Default: False,
            it assumes that the encoded values are blurred.
    """

    channels: int
    halo: int
    size_divisor: int
    receptive_field: int
    macs_per_pixel: int
    known_kernel_stages: int
    boundary: str
    linear_light: bool


@dataclass(frozen=True)
class Traits:
    """The properties of a network; None if unknown. See `Network`."""

    halo: int | None
    size_divisor: int
    receptive_field: int | None
    macs_per_pixel: int | None
    channels: int = 1
    stages: int | None = None
    is_circular: bool = False
    is_linear: bool = False

    @property
    def takes_kernel(self) -> bool:
        """Whether the network is called with the kernel and the noise of each image."""
        return self.stages is not None


def traits_of(network: object) -> Traits:
    """Return the properties of a network, with the defaults of a plain module.

    Raises:
        UserError: if its `size_divisor` or its `channels` are not allowed.
    """
    channels = getattr(network, "channels", 1)
    if not is_channels(channels):
        raise UserError(
            f"The network's attribute channels={channels} is not allowed: it states the channels of the images, 1 for "
            "gray or 3 for RGB. Give another name to an attribute that means anything else, such as a width."
        )
    halo, size_divisor = getattr(network, "halo", None), getattr(network, "size_divisor", 1)
    if not is_size_divisor(size_divisor, halo):
        raise UserError(
            f"The network's attribute size_divisor={size_divisor} is not allowed with halo={halo}: give a whole number "
            f"from 1 to {LARGEST_HALO} [px] of which the halo is a multiple."
        )
    return Traits(
        halo=halo,
        size_divisor=size_divisor,
        receptive_field=getattr(network, "receptive_field", None),
        macs_per_pixel=getattr(network, "macs_per_pixel", None),
        channels=channels,
        stages=stages if type(stages := getattr(network, "known_kernel_stages", None)) is int else None,
        is_circular=getattr(network, "boundary", None) == "circular",
        is_linear=getattr(network, "linear_light", False) is True,
    )


def is_channels(value: Any) -> bool:
    """Return whether a value is the number of channels of a gray or of an RGB image."""
    return type(value) is int and value in (1, 3)


def is_size_divisor(value: Any, halo: int | None) -> bool:
    """Return whether a value can be the size divisor of a network with a halo [px]."""
    return type(value) is int and 1 <= value <= LARGEST_HALO and (halo or 0) % value == 0
