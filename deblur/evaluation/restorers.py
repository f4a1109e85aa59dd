"""What can restore a blurred image: a trained network, or a classical baseline that knows the kernel."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from deblur.baselines import Baseline
from deblur.blur.kernels import Psf, identity
from deblur.inference.onnx_network import OnnxNetwork
from deblur.inference.prefilters import prefilter_of

Kernels = Sequence[Psf | None]


class Restorer(ABC):
    """Restores blurred images.

    Attributes:
        name: what tables call it.
        wants_wiener_estimate: whether it is given something of the whole blurred images besides them.
        needs_kernel: whether it needs the kernel of each image.
    """

    name: str
    wants_wiener_estimate: bool = False
    needs_kernel: bool = False

    def wiener_estimate(self, blurred: Tensor, kernels: Kernels) -> Tensor | None:  # noqa: ARG002 # most want none
        """Return what is prepared of whole images beforehand, (N, G, H, W), if anything is.

        Args:
            blurred: (N, 1, H, W) in [0, 1], float32.
            kernels: what each image was blurred with; None if that varies over the image.
        """
        return None

    @abstractmethod
    def restore(self, blurred: Tensor, kernels: Kernels, wiener_estimate: Tensor | None) -> Tensor:
        """Restore a batch.

        Args:
            blurred: (N, 1, H, W) in [0, 1], float32.
            kernels: what each image was blurred with; None if that varies over the image.
            wiener_estimate: what `wiener_estimate` returned for them.

        Returns:
            (N, 1, H, W), not clamped.
        """


class NetworkRestorer(Restorer):
    """A network; it gets the kernels only if it needs them."""

    def __init__(self, name: str, network: nn.Module) -> None:
        """Take a trained network."""
        self.name = name
        self._prefilter = prefilter_of(network)
        self.wants_wiener_estimate = self._prefilter is not None
        self.needs_kernel = self._prefilter is not None and self._prefilter.needs_kernel
        self._network = network.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload] # missing in torch's stub

    def to(self, device: torch.device) -> None:
        """Move the network."""
        self._network.to(device)

    def wiener_estimate(self, blurred: Tensor, kernels: Kernels) -> Tensor | None:
        """Return the Wiener estimates that the network wants, made on the processor."""
        if self._prefilter is None:
            return None
        images = blurred[:, 0].numpy(force=True)
        wiener_estimates = [self._prefilter(image, kernel) for image, kernel in zip(images, kernels, strict=True)]
        return torch.from_numpy(np.stack(wiener_estimates)).to(blurred.device)

    def restore(self, blurred: Tensor, kernels: Kernels, wiener_estimate: Tensor | None) -> Tensor:  # noqa: ARG002 # it saw enough of them
        """Restore a batch in float32."""
        restored: Tensor = (
            self._network(blurred) if wiener_estimate is None else self._network(blurred, wiener_estimate)
        )
        return restored


class ExportedRestorer(Restorer):
    """A network in an .onnx file, which onnxruntime computes on the processor as `restore` does."""

    def __init__(self, name: str, network: OnnxNetwork) -> None:
        """Take an open network."""
        self.name = name
        self.wants_wiener_estimate = network.planes > 1
        self.needs_kernel = network.needs_kernel
        self._network = network

    def wiener_estimate(self, blurred: Tensor, kernels: Kernels) -> Tensor | None:
        """Return the Wiener estimates that the network wants."""
        if not self.wants_wiener_estimate:
            return None
        images = blurred[:, 0].numpy(force=True)
        wiener_estimates = [
            self._network.prepare(image, kernel)[1:] for image, kernel in zip(images, kernels, strict=True)
        ]
        return torch.from_numpy(np.stack(wiener_estimates)).to(blurred.device)

    def restore(self, blurred: Tensor, kernels: Kernels, wiener_estimate: Tensor | None) -> Tensor:  # noqa: ARG002 # it saw enough of them
        """Restore a batch, image by image, in float32."""
        given = (blurred if wiener_estimate is None else torch.cat([blurred, wiener_estimate], dim=1)).numpy(force=True)
        restored = [self._network.run(np.ascontiguousarray(planes)) for planes in given]
        return torch.from_numpy(np.stack(restored)[:, None]).to(blurred.device)


class BaselineRestorer(Restorer):
    """A classical baseline, which takes one image at a time."""

    def __init__(self, baseline: Baseline) -> None:
        """Take a baseline that has been fitted."""
        self.name = baseline.name
        self._baseline = baseline

    def restore(self, blurred: Tensor, kernels: Kernels, wiener_estimate: Tensor | None) -> Tensor:  # noqa: ARG002 # it wants none
        """Restore a batch, image by image, on the processor."""
        images = blurred[:, 0].numpy(force=True)
        # Without one kernel, only the identity is measured, which uses none.
        known = [identity() if kernel is None else kernel for kernel in kernels]
        restored = [self._baseline.restore(image, kernel) for image, kernel in zip(images, known, strict=True)]
        return torch.from_numpy(np.stack(restored)[:, None].astype(np.float32)).to(blurred.device)
