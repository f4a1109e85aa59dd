"""What an optimizer can minimise."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

CHARBONNIER_EPSILON = 1e-3  # in units of the [0, 1] range


def charbonnier(restored: Tensor, sharp: Tensor) -> Tensor:
    """Compute a smooth l1 loss, mean of sqrt(difference^2 + epsilon^2).

    Charbonnier et al., "Two deterministic half-quadratic regularization algorithms for computed imaging", ICIP 1994.
    """
    return torch.sqrt((restored - sharp).square() + CHARBONNIER_EPSILON**2).mean()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "charbonnier": charbonnier,
}
