"""Convolution of a whole image with a kernel, its boundary mirrored."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from deblur.blur.kernels import Psf

GrayImage = NDArray[np.uint8] | NDArray[np.float32]

SUM_TOLERANCE = 1e-6
"""How far the sum of a kernel may be from 1: 3e-4 gray levels on a constant image."""

RANK_TOLERANCE = 1e-7
"""Sum of the weights' errors up to which a kernel counts as a product: 3e-5 gray levels, float32's own precision."""

DIRECT_TAPS = 129
"""Largest number of elements of a float32 kernel that OpenCV filters directly and not by Fourier transform, which
takes 2 ms for 256x256 whatever the kernel; directly, only the elements above 0 cost anything, 2 to 5 us each."""

SPARSE_TAPS = 200
"""Number of weights above 0 up to which several direct filters beat one Fourier transform (256x256 to 1024x1024)."""


class Piece(NamedTuple):
    """A rectangle cut out of a kernel.

    Attributes:
        top: First row in the kernel.
        left: First column in the kernel.
        psf: The weights there, shape (rows, columns), at most `DIRECT_TAPS` of them.
    """

    top: int
    left: int
    psf: Psf


@dataclass(frozen=True, eq=False)
class Kernel:
    """A blur kernel (point spread function) and the fast ways to convolve with it.

    Attributes:
        psf: Shape (height, width), both odd; at least 0, of sum 1. The center is the middle element.

    Raises:
        ValueError: If the weights are not such an array.
    """

    psf: Psf

    def __post_init__(self) -> None:
        """Check the weights."""
        if self.psf.ndim != 2 or any(size % 2 == 0 for size in self.psf.shape):
            raise ValueError(f"A kernel needs an odd height and an odd width; this has {self.psf.shape}.")
        if not self.psf.min() >= 0.0:
            raise ValueError(f"A kernel's weights must be at least 0; the smallest is {self.psf.min()}.")
        if not abs(self.psf.sum() - 1.0) <= SUM_TOLERANCE:
            raise ValueError(f"A kernel's weights must have the sum 1; these have {self.psf.sum()}.")

    @cached_property
    def factors(self) -> tuple[Psf, Psf] | None:
        """The column (height,) and row (width,) whose outer product is the kernel, or None if its rank is above 1."""
        # A matrix of rank 1 and sum 1 is the product of its own row sums and column sums, and no other matrix is.
        column, row = self.psf.sum(axis=1), self.psf.sum(axis=0)
        error = np.abs(np.outer(column, row) - self.psf).sum()
        return (column, row) if error <= RANK_TOLERANCE else None

    @cached_property
    def mirrored(self) -> Psf:
        """The weights turned by 180 degrees, which is what OpenCV's filters, being correlations, need."""
        return np.ascontiguousarray(self.psf[::-1, ::-1])

    @cached_property
    def pieces(self) -> tuple[Piece, ...] | None:
        """The mirrored kernel in bands to filter one by one, or None where filtering all at once is faster."""
        size, width = self.psf.size, self.psf.shape[1]
        if size <= DIRECT_TAPS or width > DIRECT_TAPS or np.count_nonzero(self.psf) > SPARSE_TAPS:
            return None
        pieces = []
        band = _cut(self.mirrored, 0, 1)
        for bottom in range(2, len(self.mirrored) + 1):
            taller = _cut(self.mirrored, band.top, bottom)
            if taller.psf.size > DIRECT_TAPS:
                pieces.append(band)
                taller = _cut(self.mirrored, bottom - 1, bottom)
            band = taller
        return (*pieces, band)


def convolve(image: GrayImage, kernel: Kernel) -> NDArray[np.float32]:
    """Convolve an image with a kernel, without rounding.

    Beyond its boundary the image goes on as its own half-sample mirror image (`cba|abc|cba`: NumPy's `symmetric`,
    OpenCV's `BORDER_REFLECT`), as often as a kernel larger than the image asks for.

    Args:
        image: Gray image, shape (H, W), any range of values.
        kernel: What a single bright pixel becomes.

    Returns:
        The blurred image, shape (H, W), in the range of the image.

    Raises:
        ValueError: If the image is not a non-empty two-dimensional array of uint8 or float32.
    """
    if image.ndim != 2 or image.size == 0 or image.dtype not in (np.uint8, np.float32):
        raise ValueError(f"The image must be uint8 or float32 of shape (H, W), not {image.dtype} {image.shape}.")
    if kernel.factors is not None:
        column, row = (np.ascontiguousarray(factor[::-1]) for factor in kernel.factors)
        blurred = cv2.sepFilter2D(image, cv2.CV_32F, row, column, borderType=cv2.BORDER_REFLECT)
    elif kernel.pieces is not None:
        blurred = _sum_of_pieces(image.astype(np.float32, copy=False), kernel.psf.shape, kernel.pieces)
    else:
        exact = image.astype(np.float32, copy=False)  # from uint8 this filter takes longer
        blurred = cv2.filter2D(exact, cv2.CV_32F, kernel.mirrored, borderType=cv2.BORDER_REFLECT)
    return blurred.astype(np.float32, copy=False)


def _sum_of_pieces(
    image: NDArray[np.float32], kernel_shape: tuple[int, ...], pieces: tuple[Piece, ...]
) -> NDArray[np.float32]:
    """Add up the correlations of an image with the pieces of a kernel, each at its place in it."""
    height, width = image.shape
    vertical, horizontal = kernel_shape[0] // 2, kernel_shape[1] // 2
    padded = cv2.copyMakeBorder(image, vertical, vertical, horizontal, horizontal, cv2.BORDER_REFLECT)
    filtered = np.empty_like(padded)
    total = np.zeros_like(image)
    for top, left, psf in pieces:
        bottom, right = height + len(psf) - 1, width + psf.shape[1] - 1
        window = padded[top : top + bottom, left : left + right]
        # Anchored at its first element, the piece needs nothing from beyond the window for the pixels that are kept.
        cv2.filter2D(window, cv2.CV_32F, psf, filtered[:bottom, :right], (0, 0), borderType=cv2.BORDER_CONSTANT)
        cv2.add(total, filtered[:height, :width], total)
    return total


def _cut(psf: Psf, top: int, bottom: int) -> Piece:
    """Cut out the columns that are not empty between two rows."""
    columns = np.flatnonzero(psf[top:bottom].any(axis=0))
    left, right = (columns[0], columns[-1] + 1) if columns.size else (0, 1)
    return Piece(top, int(left), np.ascontiguousarray(psf[top:bottom, left:right]))
