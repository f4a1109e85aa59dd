"""A network that torch computes, for the tiles of an image."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
import torch
from torch import nn

from deblur.errors import UserError
from deblur.inference.description import LARGEST_PART
from deblur.inference.levels import Pixels, as_unit
from deblur.inference.tiles import DEFAULT_TILE, Advance, KnownBlur, Planes, TileNetwork
from deblur.models.protocol import traits_of

KNOWN_KERNEL_TILE: Final = 512  # px; of the priors of a network that takes the kernel


class TorchNetwork(TileNetwork):
    """A trained network of torch, on a device.

    Attributes:
        device: where it computes.
    """

    def __init__(self, network: nn.Module, device: torch.device, bfloat16: bool = False) -> None:
        """Move a network to the device, lay its weights out for speed, and end its training mode.

        Args:
            network: see `deblur.models.protocol.Network`.
            device: where to compute.
            bfloat16: compute the products in bfloat16.

        Raises:
            UserError: if its `size_divisor` or `channels` are not allowed, or a tile would take gigabytes.
        """
        traits = traits_of(network)
        super().__init__(traits.channels, traits.halo, traits.size_divisor)
        self._refuse_large_parts(network)
        self._network = network.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload] # missing in torch's stub
        self.device = device
        self._bfloat16 = bfloat16
        self.stages = traits.stages
        self.is_circular = traits.is_circular and traits.takes_kernel

    def restore_whole(self, image: Pixels, known: KnownBlur, advance: Advance | None = None) -> Planes:
        """Restore a whole image by a network that takes the kernel; see `TileNetwork`."""
        if known.kernel is None:
            raise ValueError("the network needs the kernel of each image")
        from deblur.wiener.noise import noise_sigma_of  # SciPy

        planes = np.ascontiguousarray(np.moveaxis(as_unit(image), 2, 0))
        sigma = noise_sigma_of(planes, known.kernel) if known.noise_sigma is None else known.noise_sigma
        kernel = np.ascontiguousarray(known.kernel, np.float32)  # torch takes no mirrored view
        with self.computing():
            given = (torch.from_numpy(array).to(self.device)[None] for array in (planes, kernel))
            noise = torch.tensor([sigma], dtype=torch.float32, device=self.device)
            restored = self._network(*given, noise, tile=KNOWN_KERNEL_TILE, advance=advance)
            return np.asarray(restored[0].float().numpy(force=True), np.float32)

    def __call__(self, surrounded: Planes) -> Planes:
        """Restore a part of an image; see `TileNetwork`."""
        with self.computing():
            blurred = torch.from_numpy(surrounded).to(self.device)[None]
            if self.halo is None:
                restored = self._network(blurred)
            else:
                restored = self._network(blurred.contiguous(memory_format=torch.channels_last), pad=False)
            tile: Planes = restored[0].float().numpy(force=True).astype(np.float32, copy=False)
        return tile

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Compute in the precision of the network, without what only a training needs."""
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, torch.bfloat16, enabled=self._bfloat16),
            torch.backends.cudnn.flags(enabled=True, allow_tf32=False),  # float32 means float32, on a GPU too
        ):
            yield

    def _refuse_large_parts(self, network: nn.Module) -> None:
        """Refuse a wide network of a large receptive field, which needs gigabytes for a tile."""
        convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
        widest = max(self.channels, *(max(layer.in_channels, layer.out_channels) for layer in convolutions), 0)
        side = DEFAULT_TILE + 2 * (self.halo or 0)
        needed = 4 * widest * side**2
        if needed > LARGEST_PART:
            raise UserError(
                f"The network would take {needed / 2**30:.0f} GiB for each part of an image, with layers of {widest} "
                f"channels and {side} px a side: {LARGEST_PART // 2**30} are allowed. Give another."
            )
