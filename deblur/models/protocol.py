"""What a network tells of itself, and what holds for a network that does not; no torch is imported."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from deblur.errors import UserError

if TYPE_CHECKING:
    from deblur.blur.kernels import Psf
    from deblur.wiener.images import ByteImage
    from deblur.wiener.prefilter import WienerPrefilter

LARGEST_HALO: Final = 1000  # px; every tile is surrounded by so many pixels


class Network(Protocol):
    """A network that maps images (N, 1, H, W) in [0, 1] to images of the same shape.

    A plain `torch.nn.Module` is a network: each member below is optional, and `traits_of` has the defaults.

    Attributes:
        halo: pixels that the input needs beyond the output on each side [px]. `forward` then takes `pad=False`, and
            the network is trained on patches that include their halo and restored in tiles. Default: the network pads
            by itself, and images are restored whole.
        size_divisor: parts of an image begin at multiples of this [px]; the halo is a multiple of it. Default: 1.
        receptive_field: side of the square of input pixels that one output pixel depends on [px]. Default: unknown.
        macs_per_pixel: multiply-accumulate operations per output pixel. Default: unknown.
    """

    halo: int
    size_divisor: int
    receptive_field: int
    macs_per_pixel: int

    def prefilter(self) -> "WienerPrefilter":
        """Return what computes the Wiener estimate of a whole image, the second input of `forward`."""

    def calibrate(self, sharp: "Sequence[ByteImage]", blurred: "Sequence[ByteImage]", kernels: "Sequence[Psf]") -> None:
        """Measure on training images what the pre-filter needs, before the training."""


@dataclass(frozen=True)
class Traits:
    """What is known of a network; see `Network`."""

    halo: int | None
    size_divisor: int
    receptive_field: int | None
    macs_per_pixel: int | None
    wants_wiener_estimate: bool


def traits_of(network: object) -> Traits:
    """Return what is known of a network, with the defaults of a plain module.

    Raises:
        UserError: if its `size_divisor` is not allowed.
    """
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
        wants_wiener_estimate=getattr(network, "prefilter", None) is not None,
    )


def is_size_divisor(value: Any, halo: int | None) -> bool:
    """Return whether a value can be the size divisor of a network with a halo [px]."""
    return type(value) is int and 1 <= value <= LARGEST_HALO and (halo or 0) % value == 0
