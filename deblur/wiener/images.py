"""Gray images as arrays: 8-bit ones, those in [0, 1], and pairs of training images."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deblur.blur.kernels import Psf

GRAY_LEVELS = 255.0
"""What 1.0 is in gray levels."""

UnitImage = NDArray[np.float32]
"""A gray image in [0, 1], shape (H, W)."""

ByteImage = NDArray[np.uint8]
"""A gray image in gray levels 0 to 255, shape (H, W)."""


def check_training_images(
    sharp: Sequence[ByteImage], blurred: Sequence[ByteImage], kernels: Sequence[Psf] | None = None
) -> None:
    """Check that training images belong together.

    Args:
        sharp: Training images.
        blurred: The same ones degraded.
        kernels: What each was blurred with, for those who need to know.

    Raises:
        ValueError: They are not of the same, positive length, or a pair differs in shape.
    """
    counts = [len(sharp), len(blurred), *([] if kernels is None else [len(kernels)])]
    if not sharp or len(set(counts)) != 1:
        raise ValueError(f"Sharp and blurred images and kernels must be as many, at least one; there are {counts}.")
    for index, (first, second) in enumerate(zip(sharp, blurred, strict=True)):
        if first.shape != second.shape or first.ndim != 2:
            raise ValueError(f"Training image {index} is {first.shape} sharp and {second.shape} blurred.")


def to_unit(image: ByteImage) -> UnitImage:
    """Bring gray levels to [0, 1] as a network's input is."""
    return image.astype(np.float32) / np.float32(GRAY_LEVELS)
