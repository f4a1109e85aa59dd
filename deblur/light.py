"""The sRGB curve on tensors that gradients flow through; see `deblur.srgb`."""

import torch
from torch import Tensor

from deblur.srgb import ENCODED_KNEE, EXPONENT, KNEE, OFFSET, SLOPE


def decoded(levels: Tensor) -> Tensor:
    """Return the linear light of encoded values of any shape; negative ones continue the curve as an odd function."""
    size = levels.abs()
    power = ((size + OFFSET) / (1 + OFFSET)) ** EXPONENT
    return torch.where(size <= ENCODED_KNEE, levels / SLOPE, power * levels.sign())


def encoded(light: Tensor) -> Tensor:
    """Return the encoded values of linear light, the inverse of `decoded`."""
    size = light.abs()
    # The root has an infinite slope at 0, which would make the gradients NaN, although it is not taken there.
    power = (1 + OFFSET) * size.clamp(min=KNEE) ** (1 / EXPONENT) - OFFSET
    return torch.where(size <= KNEE, SLOPE * light, power * light.sign())


def contrast(levels: Tensor) -> Tensor:
    """Return the factor of weak contrasts and noise in linear light: the curve's root mean square slope.

    Args:
        levels: encoded images (N, C, H, W) in [0, 1].

    Returns:
        That of each image, (N,).
    """
    power = EXPONENT / (1 + OFFSET) * ((levels + OFFSET) / (1 + OFFSET)) ** (EXPONENT - 1)
    slopes = torch.where(levels <= ENCODED_KNEE, torch.full_like(levels, 1 / SLOPE), power)
    return slopes.square().mean(dim=(1, 2, 3)).sqrt()
