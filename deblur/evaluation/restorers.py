"""What can restore a blurred image: a trained network, or a classical baseline that knows the kernel."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from deblur.baselines import Baseline
from deblur.blur.kernels import Weights
from deblur.networks.guides import preparation_of


class Restorer(ABC):
    """Restores blurred images.

    Attributes:
        name: what tables call it.
    """

    name: str

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
