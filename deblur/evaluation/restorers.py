"""What can restore a blurred image: a trained network, or a classical baseline that knows the kernel."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from deblur.baselines import Baseline
from deblur.blur.kernels import Weights
from deblur.inference.onnx_network import OnnxNetwork
from deblur.inference.prefilters import preparation_of


class Restorer(ABC):
    """Restores blurred images.

    Attributes:
        name: what tables call it.
        wants_guide: whether it is given something of the whole blurred images besides them.
    """

    name: str
    wants_guide: bool = False

    def guide(self, blurred: Tensor, kernels: Sequence[Weights]) -> Tensor | None:  # noqa: ARG002 # most want none
        """Return what is prepared of whole images beforehand, (N, G, H, W), where anything is.

        Args:
            blurred: (N, 1, H, W) in [0, 1], float32.
            kernels: what each image was blurred with.
        """
        return None

    @abstractmethod
    def restore(self, blurred: Tensor, kernels: Sequence[Weights], guide: Tensor | None) -> Tensor:
        """Restore a batch.

        Args:
            blurred: (N, 1, H, W) in [0, 1], float32.
            kernels: what each image was blurred with.
            guide: what `guide` returned for them.

        Returns:
            (N, 1, H, W), not clamped.
        """


class NetworkRestorer(Restorer):
    """A network; it is told the kernels only if it cannot do without."""

    def __init__(self, name: str, network: nn.Module) -> None:
        """Take a trained network."""
        self.name = name
        self._preparation = preparation_of(network)
        self.wants_guide = self._preparation is not None
        self._network = network.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload] # missing in torch's stub

    def to(self, device: torch.device) -> None:
        """Move the network."""
        self._network.to(device)

    def guide(self, blurred: Tensor, kernels: Sequence[Weights]) -> Tensor | None:
        """Return the guides that the network wants, made on the processor."""
        if self._preparation is None:
            return None
        images = blurred[:, 0].numpy(force=True)
        guides = [self._preparation(image, kernel) for image, kernel in zip(images, kernels, strict=True)]
        return torch.from_numpy(np.stack(guides)).to(blurred.device)

    def restore(self, blurred: Tensor, kernels: Sequence[Weights], guide: Tensor | None) -> Tensor:  # noqa: ARG002 # it saw enough of them
        """Restore a batch in float32."""
        restored: Tensor = self._network(blurred) if guide is None else self._network(blurred, guide)
        return restored


class ExportedRestorer(Restorer):
    """A network in an .onnx file, which onnxruntime computes on the processor as `restore` does."""

    def __init__(self, name: str, network: OnnxNetwork) -> None:
        """Take an open network."""
        self.name = name
        self.wants_guide = network.planes > 1
        self._network = network

    def guide(self, blurred: Tensor, kernels: Sequence[Weights]) -> Tensor | None:
        """Return the guides that the network wants."""
        if not self.wants_guide:
            return None
        images = blurred[:, 0].numpy(force=True)
        guides = [self._network.prepare(image, kernel)[1:] for image, kernel in zip(images, kernels, strict=True)]
        return torch.from_numpy(np.stack(guides)).to(blurred.device)

    def restore(self, blurred: Tensor, kernels: Sequence[Weights], guide: Tensor | None) -> Tensor:  # noqa: ARG002 # it saw enough of them
        """Restore a batch, image by image, in float32."""
        given = (blurred if guide is None else torch.cat([blurred, guide], dim=1)).numpy(force=True)
        restored = [self._network.run(np.ascontiguousarray(planes)) for planes in given]
        return torch.from_numpy(np.stack(restored)[:, None]).to(blurred.device)


class BaselineRestorer(Restorer):
    """A classical baseline, which takes one image at a time."""

    def __init__(self, baseline: Baseline) -> None:
        """Take a baseline that has been fitted."""
        self.name = baseline.name
        self._baseline = baseline

    def restore(self, blurred: Tensor, kernels: Sequence[Weights], guide: Tensor | None) -> Tensor:  # noqa: ARG002 # it wants none
        """Restore a batch, image by image, on the processor."""
        images = blurred[:, 0].numpy(force=True)
        restored = [self._baseline.restore(image, kernel) for image, kernel in zip(images, kernels, strict=True)]
        return torch.from_numpy(np.stack(restored)[:, None].astype(np.float32)).to(blurred.device)
