"""The mean of a non-blind network's restorations of the eight orientations of an image."""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn

from deblur.models.protocol import traits_of

ORIENTATIONS: Final = 8  # rotations by multiples of 90 degrees, of the image and of its mirror image


class SelfEnsemble(nn.Module):
    """Restores each orientation of an image by a non-blind network, turns the results back, and takes their mean.

    The errors that a network makes differ between the orientations, and the mean has less of them, at eight times the
    cost (Timofte, Rothe and Van Gool, "Seven ways to improve example-based single image super resolution", CVPR 2016;
    Lim et al., "Enhanced deep residual networks for single image super-resolution", CVPRW 2017).

    Attributes:
        channels: those of the network.
        known_kernel_stages: eight times those of the network.
        boundary: that of the network.
        linear_light: that of the network.
    """

    def __init__(self, network: nn.Module) -> None:
        """Take a network that is called with the kernel and the noise of each image; see `Network`.

        Raises:
            ValueError: for a blind network.
        """
        super().__init__()
        traits = traits_of(network)
        if traits.stages is None:
            raise ValueError("SelfEnsemble needs a non-blind network")
        self.channels = traits.channels
        self.known_kernel_stages = ORIENTATIONS * traits.stages
        self.boundary = "circular" if traits.is_circular else "unknown"
        self.linear_light = traits.is_linear
        self._network = network

    @property
    def macs_per_pixel(self) -> int | None:
        """Return the MACs per output pixel; None if those of the network are unknown."""
        macs = traits_of(self._network).macs_per_pixel
        return None if macs is None else ORIENTATIONS * macs

    def forward(
        self,
        blurred: Tensor,
        kernel: Tensor,
        noise_sigma: Tensor,
        tile: int | None = None,
        advance: Callable[[], object] | None = None,
    ) -> Tensor:
        """Restore images; the arguments and the result are those of `Unrolled.forward`."""
        restored = torch.zeros_like(blurred, memory_format=torch.contiguous_format)
        for orientation in range(ORIENTATIONS):
            turned = self._network(
                oriented(blurred, orientation), oriented(kernel, orientation), noise_sigma, tile, advance
            )
            restored += oriented_back(turned, orientation)
        return restored / ORIENTATIONS


def oriented(planes: Tensor, orientation: int) -> Tensor:
    """Return an orientation, 0 to 7, of planes (..., H, W); odd ones have their sides exchanged."""
    mirrored = planes.flip(-1) if orientation >= ORIENTATIONS // 2 else planes
    return mirrored.rot90(orientation, (-2, -1)).contiguous()


def oriented_back(planes: Tensor, orientation: int) -> Tensor:
    """Return planes whose orientation is given as they were before `oriented`."""
    upright = planes.rot90(-orientation, (-2, -1))
    return upright.flip(-1) if orientation >= ORIENTATIONS // 2 else upright
