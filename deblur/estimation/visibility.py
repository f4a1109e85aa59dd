"""Where an image is visibly blurred, in all detail around a place and not in some of it."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from deblur.estimation.estimate import DIAMETER, LENGTH, local_spreads
from deblur.estimation.network import Floats
from deblur.estimation.training import trained_widths

VISIBLE: Final = 1.35
"""Standard deviation of a kernel in its widest direction from which on its blur is visible [px]."""

_INVISIBLE: Final = 2 / 3  # of the spread of a visible blur, up to which none is visible
_OF_TRAINING: Final = 0.75  # of the widest spread of a network's training, which is visible to it
_SHARPER: Final = 0.05  # of the detail around a place, that may seem sharper than it is
_AROUND: Final = 240  # px to each side of a place, in which detail counts
_STEPS: Final = 8  # between invisible and visible


def visible_spread(blur: Mapping[str, Any]) -> float | None:
    """Return the spread from which on a blur is visible to a network.

    Args:
        blur: section `blur` of the settings of its training.

    Returns:
        `VISIBLE`, or less for a network that was trained on narrow blurs alone [px]; None if its blurs are not known.
    """
    trained = trained_widths(blur)
    if not trained:
        return None
    widest = max(high / (LENGTH if kind in ("motion", "shake") else DIAMETER) for kind, (_, high) in trained.items())
    return min(VISIBLE, _OF_TRAINING * widest)


def visibility(luma: Floats, spread: float, cell: int) -> Floats:
    """Return how visible the blur of an image is around each cell.

    An unusual texture can seem blurred. A blur widens all detail: it is as wide as 95 % of the detail around is at
    least, by the contrast of the detail.

    Args:
        luma: (H, W) in [0, 1].
        spread: from which on a blur is visible, as standard deviation in its widest direction [px].
        cell: side of the cells [px].

    Returns:
        (H / cell, W / cell), rounded up: 0 up to two thirds of the spread, 1 from it on.
    """
    import cv2

    found = local_spreads(luma)
    side = 2 * max(1, round(_AROUND / found.step)) + 1
    most = _SHARPER * _sums(found.weights, side)
    visible = np.zeros_like(found.weights)
    for threshold in np.linspace(_INVISIBLE * spread, spread, 2 * _STEPS + 1)[1::2]:
        sharper = np.where(found.widths < threshold, found.weights, 0)
        visible += _sums(sharper, side) <= most
    visible /= _STEPS
    rows, columns = (((np.arange(-(-size // cell)) + 0.5) * cell - found.first) / found.step for size in luma.shape)
    across, down = np.meshgrid(columns.astype(np.float32), rows.astype(np.float32))
    return np.asarray(cv2.remap(visible, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _sums(values: Floats, side: int) -> Floats:
    """Return the sum of the values around each, in a square of a side, without those beyond the plane."""
    import cv2

    around = side // 2
    padded = np.pad(values, around)
    sums = cv2.boxFilter(padded, -1, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
    return np.ascontiguousarray(sums[around:-around, around:-around])
