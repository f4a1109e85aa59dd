"""Operations on whole images: crops, planes, symmetric and circular padding, levels as numbers in [0, 1]."""

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)

Boundary = Literal["symmetric", "valid", "circular"]

Extension = Literal["symmetric", "circular"]
"""What an image is extended by in a convolution: its mirror image (half-sample), or itself, periodically. With a valid
boundary, which extends it by its mirror image as well, the pixels that this changes are cut off."""

GrayImage = NDArray[np.uint8]
AnyImage = NDArray[np.uint8]  # (H, W) gray, or (H, W, 3) RGB
Margin = int | tuple[int, int]  # on both sides, or before and after [px]


@dataclass(frozen=True)
class Crop:
    """The part of an image that is measured.

    With a symmetric boundary the crop is cut out first, then blurred and extended by its mirror image.
    With a valid boundary the image is blurred and then cut, as a camera does it: the scene continues beyond the crop,
    and the margin excludes the boundary of the image itself. Noise and JPEG come before the cut as well, so that the
    blocks of a JPEG do not begin at the edge of the crop.
    With a circular boundary the crop is cut out first, then blurred and extended by itself, periodically.

    Attributes:
        boundary: How the scene continues.
        margin: Rows above and below, and columns left and right, outside the crop [px].
        crop: Side of the center crop of the rest [px]; a smaller side stays whole, None leaves both whole.
    """

    boundary: Boundary = "symmetric"
    margin: tuple[int, int] = (0, 0)
    crop: int | None = None

    @property
    def extension(self) -> Extension:
        """What the image is extended by when it is blurred."""
        return "circular" if self.boundary == "circular" else "symmetric"

    def shape(self, image: tuple[int, int]) -> tuple[int, int]:
        """Return the crop's height and width in an image of such a shape; below 1 if nothing is left."""
        height, width = (side - 2 * margin for side, margin in zip(image, self.margin, strict=True))
        return (height, width) if self.crop is None else (min(height, self.crop), min(width, self.crop))

    def cut(self, image: AnyImage) -> AnyImage:
        """Cut the crop out of the middle of an image (H, W) or (H, W, 3)."""
        height, width = self.shape((image.shape[0], image.shape[1]))
        top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
        return image[top : top + height, left : left + width]


DETAIL: Final = 4  # a detail's side is this part of the image's shorter side
LEAST_DETAIL: Final = 16  # [px]


def most_blurred(blurred: NDArray[Any], sharp: NDArray[Any]) -> tuple[int, int, int]:
    """Return top, left and side of the square in which a blurred image differs most from the sharp one [px].

    Args:
        blurred: (H, W) or (H, W, 3).
        sharp: of the same shape.
    """
    height, width = sharp.shape[:2]
    side = min(max(min(height, width) // DETAIL, LEAST_DETAIL), height, width)
    error = (blurred.astype(np.float64) - sharp) ** 2
    sums = cv2.integral(error if error.ndim == 2 else error.sum(axis=2))  # exact for levels
    energy = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    top, left = np.unravel_index(int(np.argmax(energy)), energy.shape)
    return int(top), int(left), side


WHOLE: Final = Crop()


def planes_of(image: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return the channels of an image (H, W) or (H, W, 3) as planes (1, H, W) or (3, H, W), a view."""
    return image[None] if image.ndim == 2 else np.moveaxis(image, 2, 0)


def image_of(planes: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return planes (1, H, W) as a gray image (H, W), or (3, H, W) as an RGB image (H, W, 3), a view."""
    return planes[0] if len(planes) == 1 else np.moveaxis(planes, 0, 2)


def as_float(levels: AnyImage) -> NDArray[np.float32]:
    """Return levels 0 to 255 as float32 in [0, 1]."""
    return levels.astype(np.float32) / np.float32(255)


def pad_symmetric(image: NDArray[Any], rows: Margin, columns: Margin | None = None) -> NDArray[Any]:
    """Extend the last two axes by the mirror image, the edge pixel repeated (NumPy's `symmetric`).

    Args:
        image: Shape (..., H, W), any size from 1x1.
        rows: Rows to add above and below [px].
        columns: Columns to add left and right [px]; None adds as many as rows.
    """
    return padded(image, "symmetric", rows, columns)


def padded(image: NDArray[Any], extension: Extension, rows: Margin, columns: Margin | None = None) -> NDArray[Any]:
    """Extend the last two axes as a convolution does.

    Args:
        image: Shape (..., H, W), any size from 1x1.
        extension: What to extend it by.
        rows: Rows to add above and below [px].
        columns: Columns to add left and right [px]; None adds as many as rows.
    """
    vertical = (rows, rows) if isinstance(rows, int) else rows
    horizontal = vertical if columns is None else (columns, columns) if isinstance(columns, int) else columns
    if image.ndim == 3 and image.dtype == np.uint8:
        return np.stack([padded(plane, extension, vertical, horizontal) for plane in image])
    is_circular = extension == "circular"
    if image.ndim == 2 and image.dtype == np.uint8:
        border = cv2.BORDER_WRAP if is_circular else cv2.BORDER_REFLECT
        return np.asarray(cv2.copyMakeBorder(image, *vertical, *horizontal, border))
    mode: Literal["wrap", "symmetric"] = "wrap" if is_circular else "symmetric"
    return np.pad(image, [(0, 0)] * (image.ndim - 2) + [vertical, horizontal], mode=mode)
