"""What is seen of an image, and whether its scene goes on past that."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from deblur.blur import Degradation, Sampled

Boundary = Literal["symmetric", "valid"]
GrayImage = NDArray[np.uint8]


@dataclass(frozen=True)
class Crop:
    """The part of an image that is measured, and what blurs into it from beyond.

    With a symmetric boundary the crop is cut out first, then blurred and extended by its mirror image.
    With a valid boundary the image is blurred and then cut, as a camera does it: the scene continues beyond the crop,
    and the margin excludes the boundary of the image itself. Noise and JPEG come before the cut as well, so that the
    blocks of a JPEG do not begin at the edge of the crop.

    Attributes:
        boundary: how the scene goes on.
        margin: rows above and below, and columns left and right, that are not part of the frame [px].
        crop: side of the center that is left of the rest [px]; where it is smaller it stays whole, None leaves all.
    """

    boundary: Boundary
    margin: tuple[int, int] = (0, 0)
    crop: int | None = None

    def shape(self, image: tuple[int, int]) -> tuple[int, int]:
        """Return the frame's height and width in an image of such a shape; below 1 where nothing is left of it."""
        height, width = (side - 2 * margin for side, margin in zip(image, self.margin, strict=True))
        return (height, width) if self.crop is None else (min(height, self.crop), min(width, self.crop))

    def cut(self, image: GrayImage) -> GrayImage:
        """Cut the frame out of the middle of an image."""
        height, width = self.shape((image.shape[0], image.shape[1]))
        top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
        return image[top : top + height, left : left + width]

    def degrade(self, image: GrayImage, degradation: Degradation, sampled: Sampled) -> GrayImage:
        """Degrade an image and return the frame of the result.

        Args:
            image: sharp, or what is to be blurred further, (H, W).
            degradation: what blurs it.
            sampled: what was drawn for it.
        """
        if self.boundary == "valid":
            return self.cut(degradation.apply(image, sampled))
        return degradation.apply(np.ascontiguousarray(self.cut(image)), sampled)


def pad_symmetric(image: GrayImage, radius: int) -> GrayImage:
    """Continue an image on each side by its mirror image, the edge pixel repeated."""
    if radius > min(image.shape):
        return np.pad(image, radius, mode="symmetric")
    padded = cv2.copyMakeBorder(image, radius, radius, radius, radius, cv2.BORDER_REFLECT)
    return np.asarray(padded, dtype=np.uint8)
