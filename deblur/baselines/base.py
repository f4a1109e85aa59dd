"""What every classical restorer does, and the one that does nothing."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from deblur.blur.kernels import Psf

GRAY_LEVELS = 255.0
"""What 1.0 is in gray levels."""

Fitted = TypeVar("Fitted")

DecodedImage = NDArray[np.float32]
"""A gray image in [0, 1], shape (H, W)."""

EightBit = NDArray[np.uint8]
"""A gray image in gray levels 0 to 255, shape (H, W)."""


class Baseline(ABC):
    """A classical restorer. It is told the kernel of every image, which a network is not.

    Attributes:
        name: Name in commands, tables and file names.
        images_to_fit: Training images that suffice, for a fit within a minute; 0 if there is nothing to tune.
    """

    name: ClassVar[str]
    images_to_fit: ClassVar[int]

    @abstractmethod
    def fit(self, sharp: Sequence[EightBit], blurred: Sequence[EightBit], kernels: Sequence[Psf]) -> None:
        """Tune on training images.

        A parameter that is searched for is the one of the highest mean per-image PSNR of the clamped result.

        Args:
            sharp: Training images, of any sizes; at least one.
            blurred: The same ones degraded, rounded to 8 bits.
            kernels: What each was blurred with: the same array for all of them, or one for each.

        Raises:
            ValueError: The three are not of the same, positive length, or a pair differs in shape.
        """

    @abstractmethod
    def restore(self, blurred: DecodedImage, kernel: Psf) -> DecodedImage:
        """Restore an image.

        Args:
            blurred: In [0, 1], shape (H, W); it may be smaller than the kernel.
            kernel: What it was blurred with, odd-sized, of sum 1.

        Returns:
            The restored image, shape (H, W). It is not clamped: metrics do that.

        Raises:
            RuntimeError: The restorer has not been fitted.
        """

    @property
    @abstractmethod
    def settings(self) -> Mapping[str, float | int | str]:
        """What was tuned, and which way it works, for tables; empty where there is nothing to tune.

        Raises:
            RuntimeError: The restorer has not been fitted.
        """


class Identity(Baseline):
    """No restoration: the blurred image itself, which every gain is measured from."""

    name = "none"
    images_to_fit = 0

    def fit(self, sharp: Sequence[EightBit], blurred: Sequence[EightBit], kernels: Sequence[Psf]) -> None:
        """Check the images, for there is nothing to tune."""
        check_training_images(sharp, blurred, kernels)

    def restore(self, blurred: DecodedImage, kernel: Psf) -> DecodedImage:  # noqa: ARG002 - called like all others
        """Return the image as it is."""
        return blurred

    @property
    def settings(self) -> Mapping[str, float | int | str]:
        """Nothing."""
        return {}


def check_training_images(
    sharp: Sequence[EightBit], blurred: Sequence[EightBit], kernels: Sequence[Psf] | None = None
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


def fitted(value: Fitted | None) -> Fitted:
    """Return what was found on training images.

    Raises:
        RuntimeError: Nothing has been found yet.
    """
    if value is None:
        raise RuntimeError("Call fit() first: what it tunes on training images is needed here.")
    return value


def to_unit(image: EightBit) -> DecodedImage:
    """Bring gray levels to [0, 1] as a network's input is."""
    return image.astype(np.float32) / np.float32(GRAY_LEVELS)
