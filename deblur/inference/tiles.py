"""Restore planes of any size with a network, tile by tile, in bounded memory."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

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


class PlaneNetwork(Protocol):
    """A trained network, whatever computes it."""

    @property
    def halo(self) -> int | None:
        """How far the receptive field reaches [px]; None where it is not known."""

    @property
    def size_divisor(self) -> int:
        """At multiples of how many pixels a part of a plane may begin and end [px], which divides the halo."""

    @property
    def needs_kernel(self) -> bool:
        """Whether it has to be told what blurred each plane."""

    def prepare(self, plane: Plane, kernel: "Psf | None", /) -> Planes:
        """Return what the network is given: the blurred plane, and its Wiener estimate if the network wants one.

        Args:
            plane: the whole one, (H, W) in [0, 1].
            kernel: what blurred it, where that is known.

        Returns:
            (C, H, W).
        """
        ...

    def __call__(self, surrounded: Planes, /) -> Plane:
        """Restore a part of a plane.

        Args:
            surrounded: (C, H + 2 halo, W + 2 halo): the part of what was prepared, and what lies around it. Where
                the halo is not known, all of it (C, H, W).

        Returns:
            (H, W) in float32, not clamped.
        """


class TiledNetwork:
    """A network that restores a plane in tiles whose results, put side by side, are those of the whole plane.

    Each tile brings the pixels around it that the network's receptive field reaches; beyond the plane, these are its
    mirror image, as in the network's own padding. All tiles of a plane have one shape: the last of a row is moved
    inwards rather than cut. Where a network has a size divisor, the plane is continued up to a multiple of it, and what
    was added is cut off again.

    A network without a known halo pads as it likes, so that no tile of it equals the whole: it is given whole planes,
    and needs the memory for them.
    """

    def __init__(self, network: PlaneNetwork, tile: int = DEFAULT_TILE) -> None:
        """Take a network.

        Args:
            network: what restores a tile.
            tile: largest side of a tile [px]; it decides speed and memory, not the result.

        Raises:
            ValueError: for a tile smaller than 1.
        """
        if tile < 1:
            raise ValueError(f"a tile has at least 1 px a side, not {tile}")
        self._network = network
        self._tile = tile

    @property
    def needs_kernel(self) -> bool:
        """Whether the network has to be told what blurred each plane."""
        return self._network.needs_kernel

    def count(self, height: int, width: int) -> int:
        """Return the number of tiles of a plane, for a progress bar."""
        if self._network.halo is None:
            return 1
        size_divisor = self._network.size_divisor
        return len(_starts(height, self._tile, size_divisor)) * len(_starts(width, self._tile, size_divisor))

    def restore(self, plane: Plane, advance: Callable[[], object] | None = None, kernel: "Psf | None" = None) -> Plane:
        """Restore a plane.

        Args:
            plane: (H, W) in [0, 1], from 1x1.
            advance: called after each tile.
            kernel: what blurred it, for a network that is to be told.

        Returns:
            (H, W), not clamped.

        Raises:
            UserError: where the network gives something that is no number.
            ValueError: where the network has to be told a kernel, and there is none.
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
        size_divisor = self._network.size_divisor
        for top in _starts(height, self._tile, size_divisor):
            for left in _starts(width, self._tile, size_divisor):
                bottom, right = (
                    top + _side(height, self._tile, size_divisor),
                    left + _side(width, self._tile, size_divisor),
                )
                yield slice(top, bottom), slice(left, right)

    def _restore_tile(self, planes: Planes, rows: slice, columns: slice) -> Plane:
        halo = self._network.halo
        if halo is None:
            return self._network(planes)
        above, beside = (
            mirror_index(np.arange(part.start - halo, part.stop + halo), size, np.minimum)
            for part, size in zip((rows, columns), planes.shape[1:], strict=True)
        )
        return self._network(planes[:, above[:, None], beside])


def with_wiener_estimate(plane: Plane, kernel: "Psf | None", prefilter: "WienerPrefilter | None") -> Planes:
    """Return a plane and its Wiener estimate, if there is a pre-filter, (C, H, W)."""
    return plane[None] if prefilter is None else np.concatenate([plane[None], prefilter(plane, kernel)])


def _whole(size: int, size_divisor: int) -> int:
    """Return the next multiple of the size divisor [px]."""
    return -(-size // size_divisor) * size_divisor


def _side(size: int, tile: int, size_divisor: int) -> int:
    """Return the side of tiles that share a row of `size` pixels evenly, `tile` at most if it can be [px]."""
    units, most = -(-size // size_divisor), max(1, tile // size_divisor)
    return -(-units // -(-units // most)) * size_divisor


def _starts(size: int, tile: int, size_divisor: int) -> list[int]:
    """Return where the tiles of a row begin [px]."""
    side = _side(size, tile, size_divisor)
    return [min(start, _whole(size, size_divisor) - side) for start in range(0, size, side)]
