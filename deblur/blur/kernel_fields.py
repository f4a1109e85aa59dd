"""Kernels that change from place to place, and the blur of a whole image by them."""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import product
from typing import Final, NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from deblur.blur.images import WHOLE, Crop, Extension, padded
from deblur.blur.kernels import GrayImage, Kernel, Psf, convolve

STEP: Final = 1.0
"""How far a part of the kernel moves at most from one node of the grid to the next [px].

On stripes and edges of full contrast, 1 px leaves errors of 0.3 to 1.4 gray levels (root mean square) where the blur
changes 16 to 32; 3 px leave 1.0 to 4.1, and take a ninth of the kernels (tests/blur/test_kernel_fields.py)."""

MOST_NODES: Final = 33
"""Nodes along a side of the image: where the blur changes more than 32 px, the steps are longer than `STEP`. Without a
limit, a blur that changes 100 px along both sides takes 10,000 kernels."""

Shape = tuple[int, int]


class KernelField(ABC):
    """A smooth field of kernels over an image of any size: each pixel of the blurred image has a kernel of its own."""

    def __init__(self) -> None:
        """Span the whole image, without kernels at nodes yet."""
        self._crop = WHOLE
        self._kept: tuple[Shape, _Grid] | None = None

    def spanning(self, crop: Crop) -> Self:
        """Return the same field over a crop of an image: kernels outside the crop are those at its edge."""
        found = copy.copy(self)
        found._crop, found._kept = crop, None
        return found

    @abstractmethod
    def kernels(self, shape: Shape, rows: Psf, columns: Psf) -> Psf:
        """Return the kernels at the places of a grid.

        Args:
            shape: Height and width of the image [px].
            rows: Vertical places, shape (R,) [px from the center of the first pixel].
            columns: Horizontal places, shape (C,).

        Returns:
            Shape (R, C, size, size) with an odd size, each at least 0 and of sum 1.
        """

    @abstractmethod
    def changes(self, shape: Shape) -> tuple[float, float]:
        """Return how far a part of the kernel moves at most from top to bottom, and from left to right [px].

        Args:
            shape: Height and width of the image [px].
        """

    def nodes(self, shape: Shape) -> tuple[Psf, Psf]:
        """Return the vertical and the horizontal places of the nodes in an image of a shape [px]."""
        rows, columns = (_nodes(size, change) for size, change in zip(shape, self.changes(shape), strict=True))
        return rows, columns

    def grid(self, shape: Shape) -> "_Grid":
        """Return the kernels at the nodes for an image of a shape; those of the last shape are kept, for its planes."""
        if self._kept is None or self._kept[0] != shape:
            self._kept = shape, self._made(shape)
        return self._kept[1]

    def _made(self, shape: Shape) -> "_Grid":
        spanned = self._crop.shape(shape)
        rows, columns = self.nodes(spanned)
        # Row by row, because the kernels of all nodes are large before their empty margins are cut off.
        taps = [_taps(self.kernels(spanned, rows[index : index + 1], columns)[0]) for index in range(len(rows))]
        top, left = ((size - inner) // 2 for size, inner in zip(shape, spanned, strict=True))
        every = [each for row in taps for each in row]
        return _Grid(_windows(rows + top, shape[0]), _windows(columns + left, shape[1]), every)


class _Window(NamedTuple):
    """The weights of a node in one direction from the pixel `start` on."""

    start: int
    weights: NDArray[np.float32]


class _Taps(NamedTuple):
    """The part of a mirrored kernel that holds all weights above 0, and its place from the kernel's center [px]."""

    top: int
    left: int
    weights: NDArray[np.float32]

    @property
    def bottom(self) -> int:
        """The place of the last row."""
        return self.top + len(self.weights) - 1

    @property
    def right(self) -> int:
        """The place of the last column."""
        return self.left + len(self.weights[0]) - 1


class _Grid(NamedTuple):
    """The windows of the rows and columns of nodes, and their kernels, row by row."""

    rows: Sequence[_Window]
    columns: Sequence[_Window]
    taps: Sequence[_Taps]

    @property
    def reach(self) -> int:
        """How far the largest kernel reaches from its center [px]."""
        return max(max(-one.top, -one.left, one.bottom, one.right) for one in self.taps)


def blurred(image: GrayImage, kernel: Kernel | KernelField, boundary: Extension = "symmetric") -> NDArray[np.float32]:
    """Blur an image by one kernel or by a field of them, without rounding.

    A field is interpolated between nodes of a grid, by windows w that are 1 at one node, fall linearly to 0 at its
    neighbors and add up to 1 at each pixel. The image is convolved with the kernel k of each node, around that node:

        blurred = sum over the nodes of  w * (k convolved with image)

    This is the form of J. Nagy and D. O'Leary, "Restoring images degraded by spatially variant blur", SIAM Journal on
    Scientific Computing 19(4), 1998: each pixel has the kernel that is interpolated there, and a constant image stays
    constant. The efficient filter flow of M. Hirsch, S. Sra, B. Schoelkopf and S. Harmeling, "Efficient filter flow
    for space-variant multiframe blind deconvolution", CVPR 2010, multiplies by the windows before the convolutions,
    which keeps the sum of all light, but gives a constant image shades where kernels change.

    The nodes are so dense that no part of the kernel moves by more than `STEP` from one to the next; but there are at
    most `MOST_NODES` along a side.

    Args:
        image: Gray image, shape (H, W), any range of values.
        kernel: What each pixel is averaged with.
        boundary: How the image continues beyond its boundary.

    Raises:
        ValueError: The image is not a non-empty two-dimensional array of uint8 or float32.
    """
    if isinstance(kernel, Kernel):
        return convolve(image, kernel, boundary)
    if image.ndim != 2 or image.size == 0 or image.dtype not in (np.uint8, np.float32):
        raise ValueError(f"The image must be uint8 or float32 of shape (H, W), not {image.dtype} {image.shape}.")
    height, width = image.shape
    grid = kernel.grid((height, width))
    reach = grid.reach
    extended = padded(image, boundary, reach).astype(np.float32, copy=False)
    filtered = np.empty_like(extended)
    total = np.zeros((height, width), np.float32)
    for (rows, columns), taps in zip(product(grid.rows, grid.columns), grid.taps, strict=True):
        share = np.outer(rows.weights, columns.weights)
        tall, wide = share.shape
        bottom, right = tall + taps.weights.shape[0] - 1, wide + taps.weights.shape[1] - 1
        top, left = rows.start + reach + taps.top, columns.start + reach + taps.left
        window, result = extended[top : top + bottom, left : left + right], filtered[:bottom, :right]
        # Anchored at its first element, the filter needs nothing from beyond the window for the pixels that are kept.
        cv2.filter2D(window, cv2.CV_32F, taps.weights, result, (0, 0), borderType=cv2.BORDER_CONSTANT)
        part = total[rows.start : rows.start + tall, columns.start : columns.start + wide]
        cv2.accumulateProduct(result[:tall, :wide], share, part)
    return total


def _nodes(size: int, change: float) -> Psf:
    """Return the places of nodes along an image of `size` px over which parts of the kernel move by `change` px."""
    count = min(math.ceil(change / STEP) + 1, size, MOST_NODES) if size > 1 and change > 0 else 1
    return np.linspace(0, size - 1, count) if count > 1 else np.array([(size - 1) / 2])


def _windows(nodes: Psf, size: int) -> list[_Window]:
    """Return the weights of each node, which are 1 there and fall linearly to 0 at its neighbors."""
    pixels = np.arange(size)
    found = []
    for node in range(len(nodes)):
        weights = np.interp(pixels, nodes, np.eye(len(nodes))[node]) if len(nodes) > 1 else np.ones(size)
        inside = np.flatnonzero(weights)
        start, end = int(inside[0]), int(inside[-1]) + 1
        found.append(_Window(start, weights[start:end].astype(np.float32)))
    return found


def _taps(kernels: Psf) -> list[_Taps]:
    """Return kernels (N, size, size) as OpenCV's filters need them, which are correlations."""
    mirrored = kernels[:, ::-1, ::-1].astype(np.float32)
    center = mirrored.shape[1] // 2
    starts, ends = [], []
    for axis in (2, 1):  # empty rows and columns cost time
        filled = np.any(mirrored > 0, axis=axis)
        starts.append(filled.argmax(axis=1).tolist())
        ends.append((filled.shape[1] - filled[:, ::-1].argmax(axis=1)).tolist())
    return [
        _Taps(top - center, left - center, np.ascontiguousarray(psf[top:bottom, left:right]))
        for psf, top, left, bottom, right in zip(mirrored, *starts, *ends, strict=True)
    ]
