"""The order in which an epoch visits the training images."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

REGIONS_IN_A_WINDOW = 16
"""Stretches of neighbouring images that a window is put together from: images of one window, and so of one batch, come
from this many places of the data set. In folders of many images neighbours often look alike."""


def epoch_order(
    indices: Sequence[int] | NDArray[np.integer], seed: int, epoch: int, window: int | None = None
) -> NDArray[np.int64]:
    """Shuffle images, a function of (seed, epoch).

    A fully random order reads a file of pixels that is larger than memory at random, the slowest way for a disk that
    spins; others gain nothing from a window (`python -m benchmarks.scale`). With a window, the images in ascending order are cut into regions of neighbours, and the regions are shuffled; each
    window of several regions is then shuffled as a whole. Read so, few regions are in use at a time: their pages are
    read ahead, and fit in memory until their images have been used.

    Args:
        indices: of the images, each once.
        seed: of the training.
        epoch: from 0.
        window: images that fit in memory, at least 1; None shuffles all images as a whole.

    Returns:
        Every index once.

    Raises:
        ValueError: the window is smaller than 1.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, epoch]))
    images = np.asarray(indices, dtype=np.int64)
    if window is None or window >= len(images):
        return rng.permutation(images)
    if window < 1:
        raise ValueError(f"window is {window} images; it must be at least 1.")
    images = np.sort(images)
    size = max(1, window // REGIONS_IN_A_WINDOW)
    # The first region is cut short by chance, so that the borders of the regions differ from epoch to epoch.
    regions = np.split(images, range(int(rng.integers(1, size, endpoint=True)), len(images), size))
    gathered = np.concatenate([regions[place] for place in rng.permutation(len(regions))])
    return np.concatenate([rng.permutation(part) for part in np.split(gathered, range(window, len(images), window))])
