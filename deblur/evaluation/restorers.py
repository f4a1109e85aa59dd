"""What can restore a blurred image: a trained network, or a classical baseline that knows the kernel.

Shapes: N images of C channels, 1 for gray and 3 for RGB.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from deblur.baselines import Baseline
from deblur.blur.camera import ENCODED, Space
from deblur.blur.images import image_of, planes_of
from deblur.blur.kernels import Psf, identity
from deblur.choices import Color
from deblur.data.datasets import stacked_kernels
from deblur.errors import UserError
from deblur.estimation import visible_spread
from deblur.inference.gating import pretrained_gate
from deblur.inference.onnx_network import OnnxNetwork
from deblur.inference.pixels import restore_pixels
from deblur.inference.tiles import Plane
from deblur.models.protocol import traits_of

Kernels = Sequence[Psf | None]

ROUTES: Final[Mapping[Color, str]] = {"luma": "luma", "channels": "each channel"}
"""The ways in which a gray network restores an RGB image, in words."""


class Restorer(ABC):
    """Restores blurred images.

    Attributes:
        name: what tables call it.
        channels: of the images that it restores; None for any.
        takes_kernel: whether it is a network that needs the kernel of each image.
        assumes_circular: whether it deconvolves images as if they continued periodically.
        space: in which it takes images to be blurred.
    """

    name: str
    channels: int | None = None
    takes_kernel: bool = False
    assumes_circular: bool = False
    space: Space = ENCODED

    def to(self, device: torch.device) -> None:  # noqa: B027 # most compute on the processor
        """Compute on a device, if it can be chosen."""

    @abstractmethod
    def restore(self, blurred: Tensor, kernels: Kernels) -> Tensor:
        """Restore a batch.

        Args:
            blurred: (N, C, H, W) in [0, 1], float32.
            kernels: what each image was blurred with; None if that varies over the image.

        Returns:
            (N, C, H, W), not clamped.
        """


class NetworkRestorer(Restorer):
    """A network; it gets the kernels only if it needs them."""

    def __init__(self, name: str, network: nn.Module, noise_sigma: float | None = None) -> None:
        """Take a trained network, and the noise for one that takes it [gray levels of 255]; None is estimated."""
        self.name = name
        self.noise_sigma = noise_sigma
        self.channels = traits_of(network).channels
        self.takes_kernel = traits_of(network).takes_kernel
        self.assumes_circular = self.takes_kernel and traits_of(network).is_circular
        self.space = Space(self.takes_kernel and traits_of(network).is_linear)
        self._network = network.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload] # missing in torch's stub

    def to(self, device: torch.device) -> None:
        """Move the network."""
        self._network.to(device)

    def restore(self, blurred: Tensor, kernels: Kernels) -> Tensor:
        """Restore a batch in float32."""
        restored: Tensor = self._network(blurred, *(self._known_blurs(blurred, kernels) if self.takes_kernel else ()))
        return restored

    def _known_blurs(self, blurred: Tensor, kernels: Kernels) -> list[Tensor]:
        """Return the kernels (N, K, L) of a batch and its noise (N,), which is estimated if it is not given."""
        from deblur.wiener.noise import noise_sigma_of  # SciPy

        known = [kernel for kernel in kernels if kernel is not None]
        noise = [
            noise_sigma_of(planes, kernel) if self.noise_sigma is None else self.noise_sigma
            for planes, kernel in zip(blurred.numpy(force=True), known, strict=True)
        ]
        stacked = torch.from_numpy(stacked_kernels(known)), torch.tensor(noise, dtype=torch.float32)
        return [tensor.to(blurred.device) for tensor in stacked]


class ExportedRestorer(Restorer):
    """A network in an .onnx file, which onnxruntime computes on the processor as `restore` does."""

    def __init__(self, name: str, network: OnnxNetwork) -> None:
        """Take an open network."""
        self.name = name
        self.channels = network.channels
        self._network = network

    def restore(self, blurred: Tensor, kernels: Kernels) -> Tensor:  # noqa: ARG002 # it takes none
        """Restore a batch, image by image, in float32."""
        restored = [self._network.run(np.ascontiguousarray(planes)) for planes in blurred.numpy(force=True)]
        return torch.from_numpy(np.stack(restored)).to(blurred.device)


class BaselineRestorer(Restorer):
    """A classical baseline, which takes one gray image at a time; RGB images are restored channel by channel."""

    def __init__(self, baseline: Baseline) -> None:
        """Take a baseline that has been fitted."""
        self.name = baseline.name
        self._baseline = baseline

    def restore(self, blurred: Tensor, kernels: Kernels) -> Tensor:
        """Restore a batch, plane by plane, on the processor."""
        # Without one kernel, only the identity is measured, which uses none.
        known = [identity() if kernel is None else kernel for kernel in kernels]
        restored = [
            [self._baseline.restore(plane, kernel) for plane in planes]
            for planes, kernel in zip(blurred.numpy(force=True), known, strict=True)
        ]
        return torch.from_numpy(np.array(restored, dtype=np.float32)).to(blurred.device)


class GrayRestorer(Restorer):
    """A gray network on RGB images, which it restores by one of the ways of `restore`."""

    channels = 3

    def __init__(self, restorer: Restorer, color: Color) -> None:
        """Take a gray network and a way."""
        self.name = f"{restorer.name} ({ROUTES[color]})"
        self.takes_kernel = restorer.takes_kernel
        self.assumes_circular = restorer.assumes_circular
        self.space = restorer.space
        self._restorer = restorer
        self._color = color

    def to(self, device: torch.device) -> None:
        """Move the network."""
        self._restorer.to(device)

    def restore(self, blurred: Tensor, kernels: Kernels) -> Tensor:
        """Restore a batch, image by image; the results are in [0, 1]."""

        def restored(image: Plane, kernel: Psf | None) -> Plane:
            def restore_plane(plane: Plane) -> Plane:
                given = torch.from_numpy(plane)[None, None].to(blurred.device)
                return self._restorer.restore(given, [kernel])[0, 0].numpy(force=True)

            return planes_of(restore_pixels(image, restore_plane, self._color))

        images = map(image_of, blurred.numpy(force=True))
        made = [restored(image, kernel) for image, kernel in zip(images, kernels, strict=True)]
        return torch.from_numpy(np.stack(made)).to(blurred.device)


class GatedRestorer(Restorer):
    """A restorer whose correction is applied as far as the gate finds it fit, as `restore` does by default."""

    def __init__(self, restorer: Restorer, blur: Mapping[str, Any]) -> None:
        """Take a restorer of the images that are measured, and the blur that its network was trained on."""
        self._visible_spread = visible_spread(blur)
        self.name = f"{restorer.name} (gated)"
        self.channels = restorer.channels
        self.space = restorer.space
        self._restorer = restorer

    def to(self, device: torch.device) -> None:
        """Move the network; the gate computes on the processor."""
        self._restorer.to(device)

    def restore(self, blurred: Tensor, kernels: Kernels) -> Tensor:
        """Restore a batch; the results are in [0, 1]."""
        restored = self._restorer.restore(blurred, kernels).clamp(0, 1)
        weights = pretrained_gate().weights(blurred.cpu(), restored.cpu(), self._visible_spread).to(blurred.device)
        return blurred + weights * (restored - blurred)


def for_images(restorer: Restorer, channels: int, color: Color) -> Restorer:
    """Return a restorer of images of some channels: a gray network restores RGB images by the given way.

    Raises:
        UserError: for an RGB network and gray images.
    """
    if restorer.channels == 1 and channels != 1:
        return GrayRestorer(restorer, color)
    if restorer.channels not in (None, channels):
        raise UserError(
            f"{restorer.name} is a network for RGB images, and data.color=gray gives it gray ones: give data.color=rgb."
        )
    return restorer
