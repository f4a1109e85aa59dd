"""A bare training loop: the steps of a training, and nothing around them."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from deblur.models import SRCNN

PATCHES, SIDE = 16, 64  # in a batch, as conf/train.yaml has them


class BareLoop:
    """Trains a network on one batch after the other."""

    def __init__(
        self,
        network: SRCNN,
        device: torch.device | str,
        *,
        bfloat16: bool,
        rate: float = 1e-3,
        fused: bool | None = None,
        memory_format: torch.memory_format = torch.channels_last,
    ) -> None:
        """Take a network.

        Args:
            network: is moved to the device.
            device: that the batches lie on.
            bfloat16: whether the network computes in bf16.
            rate: of Adam.
            fused: of Adam; by default torch chooses.
            memory_format: the layout of the weights.
        """
        place = torch.device(device)
        self._network = network.to(place).to(memory_format=memory_format)  # type: ignore[call-overload] # missing in torch's stub
        self._optimizer = torch.optim.Adam(network.parameters(), rate, fused=fused)
        self._autocast = torch.autocast(place.type, torch.bfloat16, enabled=bfloat16)

    def step(self, batch: Mapping[str, Tensor]) -> None:
        """Take one step with blurred patches that include their halo, and sharp ones."""
        self._optimizer.zero_grad()
        with self._autocast:
            restored = self._network(batch["blurred"], pad=False)
        mse_loss(restored.float(), batch["sharp"]).backward()  # type: ignore[no-untyped-call] # of torch
        self._optimizer.step()


def random_batch(halo: int) -> dict[str, Tensor]:
    """Return a batch of noise for a network of this radius, the same each time."""
    generator = torch.Generator().manual_seed(0)
    sides = {"blurred": SIDE + 2 * halo, "sharp": SIDE}
    return {name: torch.rand(PATCHES, 1, side, side, generator=generator) for name, side in sides.items()}
