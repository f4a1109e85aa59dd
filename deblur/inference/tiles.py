"""Restore planes of any size with a network, tile by tile, in bounded memory."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deblur.errors import UserError

if TYPE_CHECKING:  # SciPy and OpenCV are loaded for a network that wants a guide
    from deblur.blur.kernels import Weights
    from deblur.wiener.prefilter import Preparation

DEFAULT_TILE: Final = 256  # px; the fastest of 64 to 1024 for 9-3-1-5 on a CPU

Plane: TypeAlias = NDArray[np.float32]  # (H, W)
Planes: TypeAlias = NDArray[np.float32]  # (C, H, W)


class PlaneNetwork(Protocol):
    """A trained network, whatever computes it."""

    @property
    def radius(self) -> int | None:
        """How far the receptive field reaches [px]; None where it is not known."""

    @property
    def alignment(self) -> int:
        """At multiples of how many pixels a part of a plane may begin and end [px], which divides the radius."""

    @property
    def needs_kernel(self) -> bool:
        """Whether it has to be told what blurred each plane."""

    def prepare(self, plane: Plane, kernel: "Weights | None", /) -> Planes:
        """Return what the network is given: the blurred plane, and its guide if the network wants one.

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
            surrounded: (C, H + 2 radius, W + 2 radius): the part of what was prepared, and what lies around it. Where
                the radius is not known, all of it (C, H, W).

        Returns:
            (H, W) in float32, not clamped.
        """


class TiledNetwork:
    """A network that restores a plane in tiles whose results, put side by side, are those of the whole plane.

    Each tile brings the pixels around it that the network's receptive field reaches; beyond the plane, these are its
    mirror image, as in the network's own padding. All tiles of a plane have one shape: the last of a row is moved
    inwards rather than cut. Where a network has an alignment, the plane is continued up to a multiple of it, and what
    was added is cut off again.

    A network without a known radius pads as it likes, so that no tile of it equals the whole: it is given whole planes,
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
        if self._network.radius is None:
            return 1
        alignment = self._network.alignment
        return len(_starts(height, self._tile, alignment)) * len(_starts(width, self._tile, alignment))

    def restore(
        self, plane: Plane, advance: Callable[[], object] | None = None, kernel: "Weights | None" = None
    ) -> Plane:
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
        alignment = self._network.alignment
        restored = np.empty([_whole(size, alignment) for size in plane.shape], np.float32)
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
        if self._network.radius is None:
            yield slice(0, height), slice(0, width)
            return
        alignment = self._network.alignment
        for top in _starts(height, self._tile, alignment):
            for left in _starts(width, self._tile, alignment):
                bottom, right = top + _side(height, self._tile, alignment), left + _side(width, self._tile, alignment)
                yield slice(top, bottom), slice(left, right)

    def _restore_tile(self, planes: Planes, rows: slice, columns: slice) -> Plane:
        radius = self._network.radius
        if radius is None:
            return self._network(planes)
        above, beside = (
            _mirrored(np.arange(part.start - radius, part.stop + radius), size)
            for part, size in zip((rows, columns), planes.shape[1:], strict=True)
        )
        return self._network(planes[:, above[:, None], beside])


def with_guide(plane: Plane, kernel: "Weights | None", preparation: "Preparation | None") -> Planes:
    """Return a plane and the guide that a preparation makes of it, if there is one, (C, H, W)."""
    return plane[None] if preparation is None else np.concatenate([plane[None], preparation(plane, kernel)])


def _mirrored(position: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Return which pixel of a row shows at each place of its half-sample symmetric continuation, as in a network."""
    position = position % (2 * size)
    return np.minimum(position, 2 * size - 1 - position)


def _whole(size: int, alignment: int) -> int:
    """Return the next multiple of the alignment [px]."""
    return -(-size // alignment) * alignment


def _side(size: int, tile: int, alignment: int) -> int:
    """Return the side of tiles that share a row of `size` pixels evenly, `tile` at most if it can be [px]."""
    units, most = -(-size // alignment), max(1, tile // alignment)
    return -(-units // -(-units // most)) * alignment


def _starts(size: int, tile: int, alignment: int) -> list[int]:
    """Return where the tiles of a row begin [px]."""
    side = _side(size, tile, alignment)
    return [min(start, _whole(size, alignment) - side) for start in range(0, size, side)]
