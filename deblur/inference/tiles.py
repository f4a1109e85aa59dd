"""Restore planes of any size with a network, tile by tile, in bounded memory."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deblur.errors import UserError
from deblur.mirroring import mirror_index

if TYPE_CHECKING:  # SciPy and OpenCV are loaded for a network that wants a Wiener estimate
    from deblur.blur.kernels import Psf
    from deblur.wiener.prefilter import WienerPrefilter

DEFAULT_TILE: Final = 256  # px; the fastest of 64 to 1024 for 9-3-1-5 on a CPU

Plane: TypeAlias = NDArray[np.float32]  # (H, W)
Planes: TypeAlias = NDArray[np.float32]  # (C, H, W)


class PlaneNetwork(ABC):
    """A trained network, whatever computes it.

    Attributes:
        halo: reach of the receptive field [px]; None if it is not known.
        size_divisor: parts of a plane begin and end at multiples of this, which divides the halo [px].
        prefilter: computes the Wiener estimate of a plane; None if the network wants none.
    """

    def __init__(self, halo: int | None, size_divisor: int, prefilter: "WienerPrefilter | None") -> None:
        """Take the traits of the network."""
        self.halo = halo
        self.size_divisor = size_divisor
        self.prefilter = prefilter

    @property
    def needs_kernel(self) -> bool:
        """Whether the network needs the kernel that blurred each plane."""
        return self.prefilter is not None and self.prefilter.needs_kernel

    def prepare(self, plane: Plane, kernel: "Psf | None") -> Planes:
        """Return the input of the network (C, H, W): a whole plane in [0, 1], and its Wiener estimate if wanted."""
        return plane[None] if self.prefilter is None else np.concatenate([plane[None], self.prefilter(plane, kernel)])

    @abstractmethod
    def __call__(self, surrounded: Planes, /) -> Plane:
        """Restore a part of a plane.

        Args:
            surrounded: (C, H + 2 halo, W + 2 halo): the part of the prepared input with its surroundings. If the halo
                is not known, all of the input (C, H, W).

        Returns:
            (H, W), not clamped.
        """


class TiledNetwork:
    """A network that restores a plane in tiles whose results, side by side, are those of the whole plane.

    Each tile includes the surroundings within the network's halo; beyond the plane, these are its mirror image, as in
    the network's own padding. All tiles of a plane have one shape: the last of a row is moved inwards rather than cut.
    If the size divisor is above 1, the plane is continued up to a multiple of it, and the result is cropped.

    A network without a known halo pads in its own way, so that no tile equals the whole: it restores whole planes, and
    needs the memory for them.
    """

    def __init__(self, network: PlaneNetwork, tile: int = DEFAULT_TILE) -> None:
        """Take a network, and the largest side of a tile [px], which decides speed and memory, not the result."""
        if tile < 1:
            raise ValueError(f"a tile has at least 1 px a side, not {tile}")
        self._network = network
        self._tile = tile

    @property
    def needs_kernel(self) -> bool:
        """Whether the network needs the kernel that blurred each plane."""
        return self._network.needs_kernel

    def count(self, height: int, width: int) -> int:
        """Return the number of tiles of a plane, for a progress bar."""
        return len(list(self._places(height, width)))

    def restore(self, plane: Plane, advance: Callable[[], object] | None = None, kernel: "Psf | None" = None) -> Plane:
        """Restore a plane.

        Args:
            plane: (H, W) in [0, 1], from 1x1.
            advance: called after each tile.
            kernel: of the blur, for a non-blind network.

        Returns:
            (H, W), not clamped.

        Raises:
            UserError: if the network returns NaN or infinite values.
            ValueError: if the network needs a kernel, and there is none.
        """
        planes = self._network.prepare(np.ascontiguousarray(plane), kernel)
        size_divisor = self._network.size_divisor
        restored = np.empty([_whole(size, size_divisor) for size in plane.shape], np.float32)
        for rows, columns in self._places(*plane.shape):
            tile = self._restore_tile(planes, rows, columns)
            if not np.isfinite(tile).all():
                raise UserError(
                    "The network gives values that are no numbers (NaN or infinite): its training has failed; "
                    "take another run, or an earlier checkpoint of it."
                )
            restored[rows, columns] = tile
            if advance is not None:
                advance()
        return restored[: plane.shape[0], : plane.shape[1]]

    def _places(self, height: int, width: int) -> Iterator[tuple[slice, slice]]:
        if self._network.halo is None:
            yield slice(0, height), slice(0, width)
            return
        for rows in _parts(height, self._tile, self._network.size_divisor):
            for columns in _parts(width, self._tile, self._network.size_divisor):
                yield rows, columns

    def _restore_tile(self, planes: Planes, rows: slice, columns: slice) -> Plane:
        halo = self._network.halo
        if halo is None:
            return self._network(planes)
        above, beside = (
            mirror_index(np.arange(part.start - halo, part.stop + halo), size, np.minimum)
            for part, size in zip((rows, columns), planes.shape[1:], strict=True)
        )
        return self._network(planes[:, above[:, None], beside])


def _whole(size: int, size_divisor: int) -> int:
    """Return the next multiple of the size divisor [px]."""
    return -(-size // size_divisor) * size_divisor


def _parts(size: int, tile: int, size_divisor: int) -> list[slice]:
    """Return the tiles that share a row of `size` pixels evenly, each of `tile` at most if possible [px]."""
    units, most = -(-size // size_divisor), max(1, tile // size_divisor)
    side = -(-units // -(-units // most)) * size_divisor
    starts = (min(start, units * size_divisor - side) for start in range(0, size, side))
    return [slice(start, start + side) for start in starts]
