"""A small network that decides at each place how much of another network's correction is applied."""

from collections.abc import Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CELL: Final = 16  # px, side of the squares that get one weight each; the map is interpolated between their centers
LAGS: Final = (1, 2, 4, 8)  # px, at most a cell
STEPS: Final = (1, 3)  # px, parts of an edge
EDGE: Final = 7  # px, at most a cell; a wider edge is blurred, or no edge
CONTRASTS: Final = (5.0, 15.0)  # gray levels, of edges that count half
WINDOWS: Final = (5, 13)  # cells, sides of the neighborhoods that a weight depends on, besides its own cell
MEANS: Final = 6 * len(LAGS) + 5  # features of a cell that are means over it
PEAKS: Final = 2 * len(LAGS) + 2 * len(STEPS) * len(CONTRASTS)  # those that are maxima
FEATURES: Final = (MEANS + PEAKS) * (1 + len(WINDOWS)) + PEAKS * len(WINDOWS)
WIDTH: Final = 48  # channels
_GRAY_LEVELS: Final = 255
_LEAST_ENERGY: Final = 0.1  # gray levels squared: less is rounding
_MIDDLE, _SPREAD = 2.0, 3.0  # of the logarithms of energies, which thus are of the order of 1


class Gate(nn.Module):
    """Weights in [0, 1] of a correction, from the luma of an image and of the correction that a network proposes.

    The detail of both is described by the energies of their differences between pixels 1 to 8 px apart, averaged over
    cells: as logarithms, so that ratios of energies are differences, whatever the contrast. The correlations of the two
    tell whether the correction sharpens or smooths. The steepest edges of a cell, before and after the correction, tell
    whether there is a blur. Three layers judge a cell by its own description, the means over its neighborhoods, and the
    steepest edges in these.

    A part of an image has the same weights as in the whole image if it begins at a multiple of `CELL` and is surrounded
    by `halo` px of the image.

    Attributes:
        halo: what a weight depends on beyond its cell [px], a multiple of `CELL`.
    """

    halo = CELL * (1 + max(WINDOWS) // 2)

    def __init__(self) -> None:
        """Make the layers; an untrained gate applies half of a correction everywhere."""
        super().__init__()
        last = nn.Conv2d(WIDTH, 1, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type] # the layer has one
        self.layers = nn.Sequential(
            nn.Conv2d(FEATURES, WIDTH, 1), nn.ReLU(), nn.Conv2d(WIDTH, WIDTH, 1), nn.ReLU(), last
        )

    def forward(self, image: Tensor, correction: Tensor) -> Tensor:
        """Return the weight of each cell.

        Args:
            image: luma (N, 1, H, W) in [0, 1], of sides that are multiples of `CELL`.
            correction: luma of the restored image minus that of the image, of the same shape.

        Returns:
            (N, 1, H / CELL, W / CELL), in [0, 1].
        """
        return self.weigh(features(image, correction))

    def weigh(self, described: Tensor) -> Tensor:
        """Return the weights of cells (N, 1, h, w) from their features (N, FEATURES, h, w)."""
        return torch.sigmoid(self.layers(described))


def features(image: Tensor, correction: Tensor) -> Tensor:
    """Describe the cells of an image and of its correction; see `Gate`.

    Args:
        image: as in `Gate.forward`.
        correction: as there.

    Returns:
        (N, FEATURES, H / CELL, W / CELL).
    """
    image, correction = image * _GRAY_LEVELS, correction * _GRAY_LEVELS
    means, peaks = _means(image, correction), torch.cat([_peaks(image), _peaks(image + correction)], dim=1)
    own = torch.cat([means, peaks], dim=1)
    around = [
        F.avg_pool2d(own, window, stride=1, padding=window // 2, count_include_pad=False) for window in WINDOWS
    ]  # of the cells within the image
    highest = [F.max_pool2d(peaks, window, stride=1, padding=window // 2) for window in WINDOWS]
    return torch.cat([own, *around, *highest], dim=1)


def _means(image: Tensor, correction: Tensor) -> Tensor:
    """Return energies and correlations of two planes [gray levels], means over cells, (N, MEANS, h, w)."""
    pairs = [(_difference(image, lag, axis), _difference(correction, lag, axis)) for lag in LAGS for axis in (2, 3)]
    pairs.append((_laplacian(image), correction))
    energies, correlations = [], []
    for of_image, of_correction in pairs:
        products = (of_image.square(), of_correction.square(), of_image * of_correction)
        own, other, common = (F.avg_pool2d(product, CELL) for product in products)
        energies += [_scaled(own), _scaled(other)]
        correlations.append(common / ((own + _LEAST_ENERGY) * (other + _LEAST_ENERGY)).sqrt())
    levels = F.avg_pool2d(torch.cat([image, correction], dim=1) / _GRAY_LEVELS, CELL)
    return torch.cat([*energies, *correlations, levels], dim=1)


def _peaks(plane: Tensor) -> Tensor:
    """Return the largest energies of a plane [gray levels] in each cell, and its steepest edges, (N, PEAKS / 2, h, w).

    An edge is a difference of pixels `EDGE` px apart; it is steep if one between two pixels in its middle is as large.
    """
    found = [_scaled(_highest([_difference(plane, lag, axis).square() for axis in (2, 3)])) for lag in LAGS]
    edges = [_difference(plane, EDGE, axis).abs() for axis in (2, 3)]
    parts = [[_difference(plane, step, axis, (EDGE - step) // 2).abs() for axis in (2, 3)] for step in STEPS]
    for contrast in CONTRASTS:
        found += [
            _highest([inner * edge / (edge.square() + contrast**2) for inner, edge in zip(part, edges, strict=True)])
            for part in parts
        ]
    return torch.cat(found, dim=1)


def _highest(planes: Sequence[Tensor]) -> Tensor:
    """Return the maximum of two planes over each cell."""
    return F.max_pool2d(torch.maximum(*planes), CELL)


def _scaled(energy: Tensor) -> Tensor:
    return (torch.log(energy + _LEAST_ENERGY) - _MIDDLE) / _SPREAD


def _difference(plane: Tensor, lag: int, axis: int, shift: int = 0) -> Tensor:
    """Return how much a plane differs from itself some pixels further, shifted by some; 0 at the end."""
    size = plane.shape[axis] - lag - 2 * shift
    first, second = plane.narrow(axis, shift + lag, size), plane.narrow(axis, shift, size)
    if torch.compiler.is_exporting():  # into ONNX, which scatters value by value what is written into a part
        missing = (0, lag + 2 * shift)
        return F.pad(first - second, (0, 0, *missing) if axis == 2 else missing)
    difference = torch.zeros_like(plane)
    torch.sub(first, second, out=difference.narrow(axis, 0, size))
    return difference


def _laplacian(plane: Tensor) -> Tensor:
    """Return how much a plane differs from the mean of the 3x3 pixels around each."""
    return plane - F.avg_pool2d(F.pad(plane, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
