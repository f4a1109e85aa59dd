"""Kernels that differ from the true ones, as estimated kernels do."""

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

# At an error of 1
SHIFT: Final = 1.0  # standard deviation of the shift along each axis [px]
SCALE: Final = 0.1  # standard deviation of the change of size, as a fraction of it
NOISE: Final = 0.5  # standard deviation of the noise, as a fraction of the largest weight of the 3x3 neighborhood
MARGIN: Final = 2  # px around a kernel, for what a shift or a larger size moves beyond it
LEAST_SUM: Final = 1e-6


def with_errors(kernels: Tensor, errors: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Return kernels that are shifted, scaled in size and noisy; all three are drawn for each.

    Args:
        kernels: (N, K, L) of odd sides and of sum 1.
        errors: relative size of the errors of each kernel, (N,), from 0 for none. At 1, the standard deviations are
            those of `SHIFT`, `SCALE` and `NOISE`.
        generator: what to draw from; None is torch's own.

    Returns:
        (N, K + 4, L + 4), at least 0 and of sum 1.
    """
    device = kernels.device

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=device)

    padded = F.pad(kernels, [MARGIN] * 4)[:, None]
    count, _, height, width = padded.shape
    size = 1 + SCALE * errors * normal(count)
    moves = SHIFT * errors[:, None] * normal(count, 2) * 2
    shifts = torch.stack([moves[:, 0] / width, moves[:, 1] / height], dim=1)  # a tensor of both would make a GPU wait
    transform = torch.cat([torch.diag_embed((1 / size)[:, None].expand(-1, 2)), shifts[:, :, None]], dim=2)
    grid = F.affine_grid(transform, [count, 1, height, width], align_corners=False)
    moved = F.grid_sample(padded, grid, align_corners=False)
    noise = NOISE * errors[:, None, None, None] * F.max_pool2d(moved, 3, stride=1, padding=1) * normal(*moved.shape)
    wrong = (moved + noise).clamp(min=0)[:, 0]
    total = wrong.sum(dim=(1, 2), keepdim=True)
    # Nothing is left of a kernel that noise has removed: it stays as it is.
    is_wrong = (total > LEAST_SUM) & (errors > 0)[:, None, None]
    return torch.where(is_wrong, wrong / total.clamp(min=LEAST_SUM), padded[:, 0])
