"""What can restore a blurred image: a trained network, or a classical baseline that knows the kernel.

Shapes: N images of C channels, 1 for gray and 3 for RGB.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

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
from deblur.inference.onnx_network import OnnxNetwork
from deblur.inference.pixels import restore_pixels
from deblur.inference.prefilters import prefilter_of
from deblur.inference.tiles import Plane
from deblur.models.protocol import traits_of

if TYPE_CHECKING:  # SciPy is loaded for a network that wants a Wiener estimate
    from deblur.wiener.prefilter import WienerPrefilter

Kernels = Sequence[Psf | None]

ROUTES: Final[Mapping[Color, str]] = {"luma": "luma", "channels": "each channel"}
"""The ways in which a gray network restores an RGB image, in words."""


class Restorer(ABC):
    """Restores blurred images.

    Attributes:
        name: what tables call it.
        channels: of the images that it restores; None for any.
        wants_wiener_estimate: whether it relies on an estimate of the whole blurred images.
        takes_kernel: whether it deconvolves whole images by itself, with their kernels.
        assumes_circular: whether it deconvolves images as if they continued periodically.
        needs_kernel: whether it needs the kernel of each image.
        prefilter: the Wiener pre-filter of a network that relies on one.
        space: in which it takes images to be blurred.
    """

    name: str
    channels: int | None = None
    wants_wiener_estimate: bool = False
    takes_kernel: bool = False
    assumes_circular: bool = False
    needs_kernel: bool = False
    prefilter: "WienerPrefilter | None" = None
    space: Space = ENCODED

    def to(self, device: torch.device) -> None:  # noqa: B027 # most compute on the processor
        """Compute on a device, if it can be chosen."""

    def wiener_estimate(self, blurred: Tensor, kernels: Kernels) -> Tensor | None:  # noqa: ARG002 # most want none
        """Return what is prepared of whole images beforehand, (N, G x C, H, W), if anything is.

        Args:
            blurred: (N, C, H, W) in [0, 1], float32.
            kernels: what each image was blurred with; None if that varies over the image.
        """
        return None

    @abstractmethod
    def restore(self, blurred: Tensor, kernels: Kernels, wiener_estimate: Tensor | None) -> Tensor:
        """Restore a batch.

        Args:
            blurred: (N, C, H, W) in [0, 1], float32.
            kernels: what each image was blurred with; None if that varies over the image.
            wiener_estimate: what `wiener_estimate` returned for them.

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
        self.prefilter = prefilter_of(network)
        self.wants_wiener_estimate = self.prefilter is not None
        self.takes_kernel = traits_of(network).takes_kernel
        self.assumes_circular = self.takes_kernel and traits_of(network).is_circular
        self.space = Space(self.takes_kernel and traits_of(network).is_linear)
        if self.prefilter is not None:
            self.space = Space(self.prefilter.linear_light)
        self.needs_kernel = self.takes_kernel or (self.prefilter is not None and self.prefilter.needs_kernel)
        self._network = network.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload] # missing in torch's stub

    def to(self, device: torch.device) -> None:
        """Move the network."""
        self._network.to(device)

    def wiener_estimate(self, blurred: Tensor, kernels: Kernels) -> Tensor | None:
        """Return the Wiener estimates that the network wants, made on the processor."""
        if self.prefilter is None:
            return None
        images = map(image_of, blurred.numpy(force=True))
        wiener_estimates = [self.prefilter(image, kernel) for image, kernel in zip(images, kernels, strict=True)]
        return torch.from_numpy(np.stack(wiener_estimates)).to(blurred.device)

    def restore(self, blurred: Tensor, kernels: Kernels, wiener_estimate: Tensor | None) -> Tensor:
        """Restore a batch in float32; a Wiener estimate has used the kernels already."""
        given = [blurred] if wiener_estimate is None else [blurred, wiener_estimate]
        if self.takes_kernel:
            given += self._known_blurs(blurred, kernels)
        restored: Tensor = self._network(*given)
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
        self.prefilter = network.prefilter
        self.wants_wiener_estimate = network.prefilter is not None
        if network.prefilter is not None:
            self.space = Space(network.prefilter.linear_light)
        self.needs_kernel = network.needs_kernel
        self._network = network

    def wiener_estimate(self, blurred: Tensor, kernels: Kernels) -> Tensor | None:
        """Return the Wiener estimates that the network wants."""
        images = blurred.permute(0, 2, 3, 1).numpy(force=True)
        found = [self._network.wiener_estimate(image, kernel) for image, kernel in zip(images, kernels, strict=True)]
        wiener_estimates = [each for each in found if each is not None]
        return torch.from_numpy(np.stack(wiener_estimates)).to(blurred.device) if wiener_estimates else None

    def restore(self, blurred: Tensor, kernels: Kernels, wiener_estimate: Tensor | None) -> Tensor:  # noqa: ARG002 # it saw enough of them
        """Restore a batch, image by image, in float32."""
        given = (blurred if wiener_estimate is None else torch.cat([blurred, wiener_estimate], dim=1)).numpy(force=True)
        restored = [self._network.run(np.ascontiguousarray(planes)) for planes in given]
        return torch.from_numpy(np.stack(restored)).to(blurred.device)


class BaselineRestorer(Restorer):
    """A classical baseline, which takes one gray image at a time; RGB images are restored channel by channel."""

    def __init__(self, baseline: Baseline) -> None:
        """Take a baseline that has been fitted."""
        self.name = baseline.name
        self._baseline = baseline

    def restore(self, blurred: Tensor, kernels: Kernels, wiener_estimate: Tensor | None) -> Tensor:  # noqa: ARG002 # it wants none
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
        self.wants_wiener_estimate = restorer.wants_wiener_estimate
        self.takes_kernel = restorer.takes_kernel
        self.assumes_circular = restorer.assumes_circular
        self.needs_kernel = restorer.needs_kernel
        self.prefilter = restorer.prefilter
        self.space = restorer.space
        self._restorer = restorer
        self._color = color

    def to(self, device: torch.device) -> None:
        """Move the network."""
        self._restorer.to(device)

    def restore(self, blurred: Tensor, kernels: Kernels, wiener_estimate: Tensor | None) -> Tensor:  # noqa: ARG002 # that of each plane is made here
        """Restore a batch, image by image; the results are in [0, 1]."""

        def restored(image: Plane, kernel: Psf | None) -> Plane:
            def restore_plane(plane: Plane) -> Plane:
                given = torch.from_numpy(plane)[None, None].to(blurred.device), [kernel]
                return self._restorer.restore(*given, self._restorer.wiener_estimate(*given))[0, 0].numpy(force=True)

            return planes_of(restore_pixels(image, restore_plane, self._color))

        images = map(image_of, blurred.numpy(force=True))
        made = [restored(image, kernel) for image, kernel in zip(images, kernels, strict=True)]
        return torch.from_numpy(np.stack(made)).to(blurred.device)


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
