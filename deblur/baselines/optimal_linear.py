"""The optimal linear filter of a limited size: the upper bound of linear networks of that receptive field.

Filters have no constant term: they learn to keep the mean. The boundary is symmetric or circular: every pixel of every
training image counts.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft, linalg  # type: ignore[import-untyped] # it has no types

from deblur.blur.images import Extension, padded
from deblur.blur.kernels import Psf
from deblur.wiener.images import ByteImage, UnitImage, check_training_images

RIDGE = 1e-10
"""Fraction of the mean of the diagonal of the normal equations that is added to it: images without texture leave them
singular. It is the effect of noise of 1e-5 of the images' root mean square, 1/200 of that of rounding to 8 bits."""


def fit_filters(
    sharp: Sequence[ByteImage],
    blurred: Sequence[ByteImage],
    sizes: Sequence[int],
    boundary: Extension = "symmetric",
) -> dict[int, Psf]:
    """Return the square filters, to correlate with, of the least squared error over all pixels, in float64.

    The normal equations of the largest size are summed once; those of a smaller size are a part of them.

    Args:
        sharp: training images, of any sizes; at least one.
        blurred: the same images degraded.
        sizes: widths of the filters [px], odd; at least one.
        boundary: how the blurred images continue beyond their boundary.

    Returns:
        A filter, shape (size, size), per size.

    Raises:
        ValueError: if images are not pairs, or a size is not a positive odd number.
    """
    check_training_images(sharp, blurred)
    if not sizes or any(size < 1 or size % 2 == 0 for size in sizes):
        raise ValueError(f"sizes are {list(sizes)}; there must be one at least, all odd and positive.")
    equations = _NormalEquations(max(sizes), boundary)
    for original, image in zip(sharp, blurred, strict=True):
        equations.add(original.astype(np.float64), image.astype(np.float64))
    products, targets = equations.products(), equations.targets
    return {size: _solved(products, targets, size) for size in sizes}


def apply(psf: Psf, blurred: UnitImage, boundary: Extension = "symmetric") -> UnitImage:
    """Correlate an image (H, W) with an odd-sized filter; not clamped."""
    if boundary == "circular":
        (height, width), (top, left) = blurred.shape, (size // 2 for size in psf.shape)
        return apply(psf, padded(blurred, boundary, top, left))[top : top + height, left : left + width]
    restored = cv2.filter2D(blurred, cv2.CV_32F, psf, borderType=cv2.BORDER_REFLECT)
    return restored.astype(np.float32, copy=False)


class _NormalEquations:
    """Sums of products of extended images, for all pairs of taps of a filter.

    The sum for the taps (a, b) and (c, d) is that of y(i + a, j + b) y(i + c, j + d) over all pixels (i, j). These sums
    are too many to compute one by one. But moving both taps down by one px changes their sum by a row of products that
    enters at the bottom and one that leaves at the top; and likewise to the right. Only the sums with a tap in the
    first row and one in the first column need the whole image, by correlation; all others need strips at its sides.
    """

    def __init__(self, size: int, boundary: Extension) -> None:
        """Start with no image, for filters of a width [px]."""
        self._size = size
        self._boundary: Extension = boundary
        steps = size - 1
        self.targets: Psf = np.zeros((size, size))  # with the sharp image, by tap
        self._corner: Psf = np.zeros((size, size))  # taps (0, 0) and (c, d)
        self._side: Psf = np.zeros((size, size))  # taps (0, b) and (c, 0), by c and b
        self._rightwards: Psf = np.zeros((steps, size, steps))  # change from (0, b), (c, d) to (0, b+1), (c, d+1)
        self._downwards: Psf = np.zeros((steps * size, steps * size))  # from (a, b), (c, d) to (a+1, b), (c+1, d)

    def add(self, sharp: Psf, blurred: Psf) -> None:
        """Add a pair of images, shape (H, W) each."""
        size = self._size
        height, width = blurred.shape
        y = padded(blurred, self._boundary, size // 2)
        self.targets += _correlated(sharp, y, size)
        self._corner += _correlated(y[:height, :width], y, size)
        # One factor is confined to the first rows and the other to the first columns.
        self._side += _correlated(y[:height], y[:, :width], size, leftwards=True)
        for sign, column in ((-1, 0), (1, width)):
            strip = y[:, column : column + size - 1]
            moved = sliding_window_view(strip, height, axis=0)  # (c, d, i)
            self._rightwards += sign * np.einsum("ib,cdi->bcd", strip[:height], moved, optimize=True)
        for sign, row in ((-1, 0), (1, height)):
            windows = sliding_window_view(y[row : row + size - 1], width, axis=1)  # (a, b, j)
            products = windows.reshape(-1, width)
            self._downwards += sign * (products @ products.T)

    def products(self) -> Psf:
        """Return the sums for all pairs of taps, shape (size, size, size, size)."""
        size = self._size
        first: Psf = np.empty((size, size, size))  # taps (0, b) and (c, d), by b, c and d
        first[0] = self._corner
        first[:, :, 0] = self._side.T
        for b in range(size - 1):
            first[b + 1, :, 1:] = first[b, :, :-1] + self._rightwards[b]
        downwards = self._downwards.reshape(size - 1, size, size - 1, size)
        sums: Psf = np.empty((size, size, size, size))
        sums[0] = first
        sums[:, :, 0] = first.transpose(1, 2, 0)  # the same pairs in the other order: (c, d), (0, b)
        for a in range(size - 1):
            sums[a + 1, :, 1:] = sums[a, :, :-1] + downwards[a]
        return sums


def _correlated(fixed: Psf, moved: Psf, size: int, leftwards: bool = False) -> Psf:
    """Return the sums of fixed(i, j) moved(i + c, j + d) for c and d below size, or with j - d; both are 0 outside."""
    rows, columns = (
        fft.next_fast_len(max(first, second) + size - 1, real=True)
        for first, second in zip(fixed.shape, moved.shape, strict=True)
    )
    spectrum = np.conj(fft.rfft2(fixed, s=(rows, columns))) * fft.rfft2(moved, s=(rows, columns))
    sums: Psf = fft.irfft2(spectrum, s=(rows, columns))
    shifts = np.arange(size)
    return sums[:size, (-shifts if leftwards else shifts) % columns]


def _solved(products: Psf, targets: Psf, size: int) -> Psf:
    """Solve the equations for the filter of that size at the center of the largest one."""
    margin = (len(targets) - size) // 2
    inner = slice(margin, margin + size)
    matrix = products[inner, inner, inner, inner].reshape(size**2, size**2).copy()
    matrix[np.diag_indices_from(matrix)] += RIDGE * np.trace(matrix) / size**2
    solution: Psf = linalg.solve(matrix, targets[inner, inner].ravel(), assume_a="pos")
    return solution.reshape(size, size)
