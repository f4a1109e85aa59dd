"""What an optimizer can minimize."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

CHARBONNIER_EPSILON = 1e-3  # in units of the [0, 1] range
LEAST_ERROR = 1e-3  # mean squared error (30 dB) below which an error counts as in the mean squared error


def charbonnier(restored: Tensor, sharp: Tensor) -> Tensor:
    """Compute a smooth l1 loss, mean of sqrt(difference^2 + epsilon^2).

    Charbonnier et al., "Two deterministic half-quadratic regularization algorithms for computed imaging", ICIP 1994.
    """
    return torch.sqrt((restored - sharp).square() + CHARBONNIER_EPSILON**2).mean()


def negative_psnr(restored: Tensor, sharp: Tensor) -> Tensor:
    """Compute minus the mean PSNR of the patches [dB], nearly.

    A patch that is nearly right counts as much as one that is far off, which has nearly all of the mean squared error:
    of blurs of all strengths, the weak ones are not given up for the strong ones. `LEAST_ERROR` is added to each error:
    the gradient of the true PSNR grows beyond all bounds as the error vanishes, and a few patches without blur then
    taught a network to do nothing at all.
    """
    errors = (restored - sharp).square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(errors + LEAST_ERROR).mean()


ABSURD_ERROR = 10.0  # root mean square, in units of the [0, 1] range
"""A network whose output is off by this much is not learning: ten times the whole range of gray levels."""

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "charbonnier": charbonnier,
    "psnr": negative_psnr,
}

ABSURD_LOSSES: dict[str, float] = {
    "mse": ABSURD_ERROR**2,
    "l1": ABSURD_ERROR,
    "charbonnier": ABSURD_ERROR,
    "psnr": 20 * math.log10(ABSURD_ERROR),
}
"""The value of each loss at an error of `ABSURD_ERROR` everywhere."""
