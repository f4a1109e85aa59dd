"""What an optimizer can minimise."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

CHARBONNIER_EPSILON = 1e-3  # in units of the [0, 1] range
HARM_WEIGHT = 3.0
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


def negative_gain(restored: Tensor, sharp: Tensor, blurred: Tensor) -> Tensor:
    """Compute minus the mean gain of the patches [dB], nearly, as `negative_psnr`; harm counts `HARM_WEIGHT` times.

    Where a network cannot tell what has happened to a picture, as with a long random motion, what it tries is as often
    wrong as right. This teaches it to leave such a picture alone.
    """
    before, after = ((images - sharp).square().mean(dim=(1, 2, 3)) + LEAST_ERROR for images in (blurred, restored))
    harm = 10 * torch.log10(after / before)
    return (harm + (HARM_WEIGHT - 1) * harm.relu()).mean()


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "mse": lambda restored, sharp, _: F.mse_loss(restored, sharp),
    "l1": lambda restored, sharp, _: F.l1_loss(restored, sharp),
    "charbonnier": lambda restored, sharp, _: charbonnier(restored, sharp),
    "psnr": lambda restored, sharp, _: negative_psnr(restored, sharp),
    "gain": negative_gain,
}
"""Of the restored patches, the sharp ones, and the blurred ones that they were made of, (N, 1, H, W) each."""
