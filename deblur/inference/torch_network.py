"""A network that torch computes, for the tiles of a picture."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from deblur.errors import UserError
from deblur.inference.description import LARGEST_PART, alignment_of
from deblur.inference.prefilters import preparation_of
from deblur.inference.tiles import DEFAULT_TILE, Plane, Planes, with_guide

if TYPE_CHECKING:  # OpenCV is loaded for a kernel
    from deblur.blur.kernels import Weights


class TorchNetwork:
    """A trained network of torch, on a device."""

    def __init__(self, network: nn.Module, device: torch.device, bfloat16: bool = False) -> None:
        """Move a network to the device, lay its weights out for speed, and end its training mode.

        Args:
            network: takes and gives (N, 1, H, W), gray in [0, 1]; where it has a `preparation`, it takes the guide
                (N, G, H, W) as well. With an attribute `radius` [px], the reach of its receptive field, it also takes
                `pad=False`, as `deblur.models.SRCNN` does; `alignment` [px] says where a part of a picture may begin.
            device: where to compute.
            bfloat16: compute the products in bfloat16.

        Raises:
            UserError: for an `alignment` that cannot be, and where a tile would take more memory than there is.
        """
        _refuse_large_parts(network)
        self._network = network.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload] # missing in torch's stub
        self._preparation = preparation_of(network)
        self._device = device
        self._bfloat16 = bfloat16
        self._radius: int | None = getattr(network, "radius", None)
        self._alignment = alignment_of(network)

    @property
    def radius(self) -> int | None:
        """How far the receptive field reaches [px]; None where it is not known."""
        return self._radius

    @property
    def alignment(self) -> int:
        """At multiples of how many pixels a part of a plane may begin and end [px]."""
        return self._alignment

    @property
    def needs_kernel(self) -> bool:
        """Whether it has to be told what blurred each plane."""
        return self._preparation is not None and self._preparation.needs_kernel

    def prepare(self, plane: Plane, kernel: "Weights | None") -> Planes:
        """Return what the network is given; see `PlaneNetwork`."""
        return with_guide(plane, kernel, self._preparation)

    def __call__(self, surrounded: Planes) -> Plane:
        """Restore a part of a plane; see `PlaneNetwork`."""
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16),
            torch.backends.cudnn.flags(enabled=True, allow_tf32=False),  # float32 means float32, on a GPU too
        ):
            planes = torch.from_numpy(surrounded).to(self._device)[None]
            blurred, *guide = [planes] if self._preparation is None else [planes[:, :1], planes[:, 1:]]
            if self._radius is None:
                restored = self._network(blurred, *guide)
            else:
                restored = self._network(blurred.contiguous(memory_format=torch.channels_last), *guide, pad=False)
            tile: Plane = restored[0, 0].float().numpy(force=True).astype(np.float32, copy=False)
        return tile


def _refuse_large_parts(network: nn.Module) -> None:
    """Refuse a network that needs gigabytes for a tile: one that is wide, and sees far.

    Raises:
        UserError: for such a network.
    """
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    widest = max((max(layer.in_channels, layer.out_channels) for layer in convolutions), default=1)
    side = DEFAULT_TILE + 2 * (getattr(network, "radius", None) or 0)
    needed = 4 * widest * side**2
    if needed > LARGEST_PART:
        raise UserError(
            f"The network would take {needed / 2**30:.0f} GiB for each part of a picture, with layers of {widest} "
            f"channels and {side} px a side: {LARGEST_PART // 2**30} are allowed. Give another."
        )
