"""What every classical restorer does, and the one that does nothing."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, TypeVar

from deblur.blur.kernels import Psf
from deblur.wiener.images import ByteImage, UnitImage, check_training_images

Fitted = TypeVar("Fitted")


class Baseline(ABC):
    """A classical, non-blind restorer: it gets the kernel of each image.

    Attributes:
        name: Name in commands, tables and file names.
        images_to_fit: Training images that suffice, for a fit within a minute; 0 if there is nothing to tune.
    """

    name: ClassVar[str]
    images_to_fit: ClassVar[int]

    @abstractmethod
    def fit(self, sharp: Sequence[ByteImage], blurred: Sequence[ByteImage], kernels: Sequence[Psf]) -> None:
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
    def restore(self, blurred: UnitImage, kernel: Psf) -> UnitImage:
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

    def fit(self, sharp: Sequence[ByteImage], blurred: Sequence[ByteImage], kernels: Sequence[Psf]) -> None:
        """Check the images, for there is nothing to tune."""
        check_training_images(sharp, blurred, kernels)

    def restore(self, blurred: UnitImage, kernel: Psf) -> UnitImage:  # noqa: ARG002 - called like all others
        """Return the image as it is."""
        return blurred

    @property
    def settings(self) -> Mapping[str, float | int | str]:
        """Nothing."""
        return {}


def fitted(value: Fitted | None) -> Fitted:
    """Return what was found on training images.

    Raises:
        RuntimeError: Nothing has been found yet.
    """
    if value is None:
        raise RuntimeError("Call fit() first: what it tunes on training images is needed here.")
    return value
