"""A field of kernels that are known at the nodes of a grid alone, as those that were estimated from a photo."""

from typing import Self

import numpy as np

from deblur.blur.kernel_fields import KernelField, Shape
from deblur.blur.kernels import Psf


class NodeKernels(KernelField):
    """Kernels at nodes of a grid: between the nodes they are interpolated, beyond the outer ones they do not change.

    Attributes:
        rows: vertical places of the nodes, ascending, shape (R,) [px from the center of the first pixel].
        columns: horizontal places, shape (C,).
        psfs: kernels of the nodes, shape (R, C, size, size) with an odd size, each at least 0 and of sum 1.
    """

    def __init__(self, rows: Psf, columns: Psf, psfs: Psf) -> None:
        """Set the places and the kernels of the nodes; see the attributes."""
        super().__init__()
        self.rows, self.columns, self.psfs = rows, columns, psfs

    def kernels(self, shape: Shape, rows: Psf, columns: Psf) -> Psf:  # noqa: ARG002 # the nodes lie in px
        """Return the kernels at the places of a grid, (R, C, size, size)."""
        down, across = _shares(rows, self.rows), _shares(columns, self.columns)
        found: Psf = np.einsum("ra,cb,abij->rcij", down, across, self.psfs, optimize=True)
        return found

    def nodes(self, shape: Shape) -> tuple[Psf, Psf]:  # noqa: ARG002 # they lie in px
        """Return the places of the nodes."""
        return self.rows, self.columns

    def changes(self, shape: Shape) -> tuple[float, float]:  # noqa: ARG002 # as all fields
        """Return the size of the kernels: no part of them moves further."""
        size = float(self.psfs.shape[-1])
        return size, size

    def within(self, rows: slice, columns: slice) -> Self:
        """Return the field of a part of the image, in whose pixels the places are counted."""
        down, across = (_reached(places, part) for places, part in ((self.rows, rows), (self.columns, columns)))
        return type(self)(self.rows[down] - rows.start, self.columns[across] - columns.start, self.psfs[down, across])


def _shares(places: Psf, nodes: Psf) -> Psf:
    """Return the weight of each node at each place, (places, nodes)."""
    shares: Psf = np.stack([np.interp(places, nodes, one) for one in np.eye(len(nodes))], axis=-1)
    return shares


def _reached(nodes: Psf, part: slice) -> slice:
    """Return the nodes between which the pixels of a part of the image lie."""
    first = max(int(np.searchsorted(nodes, part.start, side="right")) - 1, 0)
    last = min(int(np.searchsorted(nodes, part.stop - 1)), len(nodes) - 1)
    return slice(first, max(first, last) + 1)
