"""A network that torch computes, for the tiles of an image."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from deblur.errors import UserError
from deblur.inference.description import LARGEST_PART
from deblur.inference.prefilters import prefilter_of
from deblur.inference.tiles import DEFAULT_TILE, Plane, Planes, with_wiener_estimate
from deblur.models.protocol import traits_of

if TYPE_CHECKING:  # OpenCV is loaded for a kernel
    from deblur.blur.kernels import Psf


class TorchNetwork:
    """A trained network of torch, on a device."""

    def __init__(self, network: nn.Module, device: torch.device, bfloat16: bool = False) -> None:
        """Move a network to the device, lay its weights out for speed, and end its training mode.

        Args:
            network: takes and gives (N, 1, H, W), gray in [0, 1]; where it has a `prefilter`, it takes the Wiener
                estimate (N, G, H, W) as well. With an attribute `halo` [px], the reach of its receptive field, it also
                takes `pad=False`, as `deblur.models.SRCNN` does; `size_divisor` [px] says where a part of an image may
                begin.
            device: where to compute.
            bfloat16: compute the products in bfloat16.

        Raises:
            UserError: for an `size_divisor` that cannot be, and where a tile would take more memory than there is.
        """
        _refuse_large_parts(network)
        self._network = network.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload] # missing in torch's stub
        self._prefilter = prefilter_of(network)
        self._device = device
        self._bfloat16 = bfloat16
        self._traits = traits_of(network)

    @property
    def halo(self) -> int | None:
        """How far the receptive field reaches [px]; None where it is not known."""
        return self._traits.halo

    @property
    def size_divisor(self) -> int:
        """At multiples of how many pixels a part of a plane may begin and end [px]."""
        return self._traits.size_divisor

    @property
    def needs_kernel(self) -> bool:
        """Whether it has to be told what blurred each plane."""
        return self._prefilter is not None and self._prefilter.needs_kernel

    def prepare(self, plane: Plane, kernel: "Psf | None") -> Planes:
        """Return what the network is given; see `PlaneNetwork`."""
        return with_wiener_estimate(plane, kernel, self._prefilter)

    def __call__(self, surrounded: Planes) -> Plane:
        """Restore a part of a plane; see `PlaneNetwork`."""
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16),
            torch.backends.cudnn.flags(enabled=True, allow_tf32=False),  # float32 means float32, on a GPU too
        ):
            planes = torch.from_numpy(surrounded).to(self._device)[None]
            blurred, *wiener_estimate = [planes] if self._prefilter is None else [planes[:, :1], planes[:, 1:]]
            if self._traits.halo is None:
                restored = self._network(blurred, *wiener_estimate)
            else:
                restored = self._network(
                    blurred.contiguous(memory_format=torch.channels_last), *wiener_estimate, pad=False
                )
            tile: Plane = restored[0, 0].float().numpy(force=True).astype(np.float32, copy=False)
        return tile


def _refuse_large_parts(network: nn.Module) -> None:
    """Refuse a network that needs gigabytes for a tile: one that is wide, and sees far.

    Raises:
        UserError: for such a network.
    """
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    widest = max((max(layer.in_channels, layer.out_channels) for layer in convolutions), default=1)
    side = DEFAULT_TILE + 2 * (traits_of(network).halo or 0)
    needed = 4 * widest * side**2
    if needed > LARGEST_PART:
        raise UserError(
            f"The network would take {needed / 2**30:.0f} GiB for each part of an image, with layers of {widest} "
            f"channels and {side} px a side: {LARGEST_PART // 2**30} are allowed. Give another."
        )
