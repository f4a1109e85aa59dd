"""A small network that decides at each place how much of another network's correction is applied."""

from itertools import pairwise
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GRAY_LEVELS: Final = 255
CELL: Final = 8  # px, side of the squares that get one weight each; the map is interpolated between their centers
WIDTH: Final = 28  # channels
_UNSHUFFLE: Final = 4
_FILTERS: Final = 32
_DILATIONS: Final = (1, 2, 4, 8)
_LEAST_ENERGY: Final = 0.1  # gray levels squared: less is rounding


class Gate(nn.Module):
    """Weights in [0, 1] of a correction, from the luma of an image and of the correction that a network proposes.

    Learned filters of both, 12 px wide, are squared, averaged over cells and taken as logarithms: how the energy of the
    correction compares with that of the image's detail is then a difference, whatever the contrast. Dilated layers
    combine the cells of a neighborhood. The filters of the image have a mean of zero, so that its brightness enters by
    a channel of its own alone.

    The layers are padded by their edge values. A part of an image has the same weights as in the whole image if it
    begins at a multiple of `CELL` and is surrounded by `halo` px of the image.

    Attributes:
        halo: what a weight depends on beyond its cell [px], a multiple of `CELL`.
    """

    halo = CELL * (1 + sum(_DILATIONS))

    def __init__(self) -> None:
        """Make the layers; an untrained gate applies half of a correction everywhere."""
        super().__init__()
        self.filters = nn.Conv2d(2 * _UNSHUFFLE**2, _FILTERS, 3, padding=1, padding_mode="replicate", bias=False)
        widths = (_FILTERS + 1, *(WIDTH for _ in _DILATIONS))
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=dilation, dilation=dilation, padding_mode="replicate")
            for (before, after), dilation in zip(pairwise(widths), _DILATIONS, strict=True)
        )
        self.last = nn.Conv2d(WIDTH, 1, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type] # the layer has one

    @property
    def macs_per_pixel(self) -> float:
        """Multiply-accumulate operations per pixel of the image."""
        of_cells = sum(layer.weight.numel() for layer in (*self.layers, self.last) if isinstance(layer, nn.Conv2d))
        return self.filters.weight.numel() / _UNSHUFFLE**2 + of_cells / CELL**2

    def forward(self, image: Tensor, correction: Tensor) -> Tensor:
        """Return the weight of each cell.

        Args:
            image: luma (N, 1, H, W) in [0, 1], of sides that are multiples of `CELL`.
            correction: luma of the restored image minus that of the image, of the same shape.

        Returns:
            (N, 1, H / CELL, W / CELL), in [0, 1].
        """
        planes = F.pixel_unshuffle(torch.cat([image, correction], dim=1) * GRAY_LEVELS, _UNSHUFFLE)
        of_image, of_correction = self.filters.weight.chunk(2, dim=1)
        centered = of_image - of_image.mean(dim=(1, 2, 3), keepdim=True)
        padded = F.pad(planes, (1, 1, 1, 1), mode="replicate")
        filtered = F.conv2d(padded, torch.cat([centered, of_correction], dim=1))
        energy = torch.log(F.avg_pool2d(filtered.square(), CELL // _UNSHUFFLE) + _LEAST_ENERGY)
        features = torch.cat([energy, F.avg_pool2d(image, CELL)], dim=1)
        for place, layer in enumerate(self.layers):
            changed = torch.relu(layer(features))
            features = changed if place == 0 else features + changed
        return torch.sigmoid(self.last(features))
