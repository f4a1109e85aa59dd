"""Which detail of an image is most blurred."""

from typing import Final

import numpy as np

from deblur.estimation.estimate import BlurMap
from deblur.estimation.network import Floats

_WEIGHTLESS: Final = 1e-12  # sum of weights below which a detail shows no blur


def most_blurred(blur: BlurMap, side: int) -> tuple[int, int]:
    """Return the row and column of the center of the detail whose blur is widest [px].

    Details are compared whose weights, which are low in flat areas, sum to at least half of the mean: what is smooth
    shows no blur.

    Args:
        blur: widths of the blur over the image.
        side: of the detail [px].
    """
    places = max(1, round(side / blur.step))
    height, width = (min(places, size) for size in blur.widths.shape)
    weights, widths = _sums(blur.weights, height, width), _sums(blur.weights * blur.widths, height, width)
    shows = weights >= max(weights.mean() / 2, _WEIGHTLESS)
    means = np.where(shows, widths / np.maximum(weights, _WEIGHTLESS), 0)
    top, left = np.unravel_index(int(means.argmax()), means.shape)
    row, column = (
        blur.first + blur.step * (int(start) + (size - 1) / 2) for start, size in ((top, height), (left, width))
    )
    return round(row), round(column)


def _sums(values: Floats, height: int, width: int) -> Floats:
    """Return the sums of all windows of a height and width."""
    total = np.pad(values.astype(np.float64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    sums = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    return np.asarray(sums, np.float32)
