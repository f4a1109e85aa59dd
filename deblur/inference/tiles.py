"""Restore images of any size with a network, tile by tile, in bounded memory."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deblur.errors import UserError
from deblur.inference.levels import Pixels, as_unit
from deblur.mirroring import mirror_index

if TYPE_CHECKING:  # OpenCV
    from deblur.blur.kernels import Psf

DEFAULT_TILE: Final = 256  # px; the fastest of 64 to 1024 for 9-3-1-5 on a CPU

Plane: TypeAlias = NDArray[np.float32]  # (H, W)
Planes: TypeAlias = NDArray[np.float32]  # (C, H, W)
Advance: TypeAlias = Callable[[], object]


class KnownBlur(NamedTuple):
    """What is known of the blur of an image.

    Attributes:
        kernel: of the blur, for a non-blind network.
        noise_sigma: of the noise, for a network that takes it [gray levels of 255]; None is estimated from the image.
    """

    kernel: "Psf | None" = None
    noise_sigma: float | None = None


UNKNOWN_BLUR: Final = KnownBlur()


class TileNetwork(ABC):
    """A trained network, whatever computes it.

    Attributes:
        channels: of the images, 1 (gray) or 3 (RGB).
        halo: reach of the receptive field [px]; None if it is not known.
        size_divisor: parts of an image begin and end at multiples of this, which divides the halo [px].
        stages: of a network that takes the kernel and restores images whole; None for all others.
        is_circular: whether such a network assumes a circular boundary.
    """

    stages: int | None = None
    is_circular: bool = False

    def __init__(self, channels: int, halo: int | None, size_divisor: int) -> None:
        """Take the traits of the network."""
        self.channels = channels
        self.halo = halo
        self.size_divisor = size_divisor

    @property
    def needs_kernel(self) -> bool:
        """Whether the network needs the kernel that blurred each image."""
        return self.stages is not None

    def steps(self, height: int, width: int) -> int | None:  # noqa: ARG002 # of a network that divides images itself
        """Return how often `restore_whole` calls `advance` for an image; None if the network is given tiles."""
        return self.stages

    def restore_whole(self, image: Pixels, known: KnownBlur, advance: Advance | None = None) -> Planes:
        """Restore a whole image by a network that has steps.

        Args:
            image: (H, W, channels).
            known: the kernel and the noise, for a network that takes them.
            advance: called after each step.

        Returns:
            (channels, H, W), not clamped.

        Raises:
            ValueError: if the network needs a kernel, and there is none.
        """
        raise NotImplementedError("only a network that has steps restores whole images")

    @abstractmethod
    def __call__(self, surrounded: Planes, /) -> Planes:
        """Restore a part of an image.

        Args:
            surrounded: (channels, H + 2 halo, W + 2 halo): the part, in [0, 1], with its surroundings. If the halo is
                not known, all of the image.

        Returns:
            (channels, H, W), not clamped.
        """


class TiledNetwork:
    """A network that restores an image in tiles whose results, side by side, are those of the whole image.

    Each tile includes the surroundings within the network's halo; beyond the image, these are its mirror image, as in
    the network's own padding. All tiles of an image have one shape: the last of a row is moved inwards rather than cut.
    If the size divisor is above 1, the image is continued up to a multiple of it, and the result is cropped. One tile
    at a time is held in floating point.

    A network without a known halo pads in its own way, so that no tile equals the whole: it restores whole images, and
    needs the memory for them.
    """

    def __init__(self, network: TileNetwork, tile: int = DEFAULT_TILE) -> None:
        """Take a network, and the largest side of a tile [px], which decides speed and memory, not the result."""
        if tile < 1:
            raise ValueError(f"a tile has at least 1 px a side, not {tile}")
        self._network = network
        self._tile = tile

    @property
    def channels(self) -> int:
        """The channels of the images: 1 for gray, 3 for RGB."""
        return self._network.channels

    @property
    def needs_kernel(self) -> bool:
        """Whether the network needs the kernel that blurred each image."""
        return self._network.needs_kernel

    def count(self, height: int, width: int) -> int:
        """Return the number of tiles of an image, for a progress bar."""
        return self._network.steps(height, width) or len(list(self._places(height, width)))

    def restore(
        self, image: Pixels, advance: Advance | None = None, known: KnownBlur = UNKNOWN_BLUR
    ) -> NDArray[np.float32]:
        """Restore an image as numbers in floating point; for arguments and errors see `tiles`.

        Returns:
            An array of the shape of the image, not clamped.
        """
        restored = np.empty(image.shape, np.float32)
        for rows, columns, tile in self.tiles(image, advance, known):
            restored[rows, columns] = tile[0] if image.ndim == 2 else np.moveaxis(tile, 0, 2)
        return restored

    def tiles(
        self, image: Pixels, advance: Advance | None = None, known: KnownBlur = UNKNOWN_BLUR
    ) -> Iterator[tuple[slice, slice, Planes]]:
        """Restore an image tile by tile.

        Args:
            image: (H, W), or (H, W, 3) for a network of three channels, from 1x1.
            advance: called after each tile, or each step of a network that has steps.
            known: the kernel for a non-blind network, and the noise for one that takes it.

        Yields:
            The rows and columns of a tile, which may overlap, and its result (channels, rows, columns), not clamped. A
            network that has steps restores the whole image as one.

        Raises:
            UserError: if the network returns NaN or infinite values, or an image of another size.
            ValueError: if the network needs a kernel, and there is none.
        """
        height, width = image.shape[:2]
        channels = image.reshape(height, width, self._network.channels)
        if self._network.steps(height, width) is not None:
            restored = self._network.restore_whole(channels, known, advance)
            _refuse_no_numbers(restored)
            yield slice(0, height), slice(0, width), restored
            return
        for rows, columns in self._places(height, width):
            tile = self._restored(channels, rows, columns)
            _refuse_no_numbers(tile)
            bottom, right = min(rows.stop, height), min(columns.stop, width)
            cropped = tile[:, : bottom - rows.start, : right - columns.start]
            yield slice(rows.start, bottom), slice(columns.start, right), cropped
            if advance is not None:
                advance()

    def _places(self, height: int, width: int) -> Iterator[tuple[slice, slice]]:
        if self._network.halo is None:
            yield slice(0, height), slice(0, width)
            return
        for rows in _parts(height, self._tile, self._network.size_divisor):
            for columns in _parts(width, self._tile, self._network.size_divisor):
                yield rows, columns

    def _restored(self, image: Pixels, rows: slice, columns: slice) -> Planes:
        halo = self._network.halo or 0
        above, beside = (
            mirror_index(np.arange(part.start - halo, part.stop + halo), size, np.minimum)
            for part, size in zip((rows, columns), image.shape[:2], strict=True)
        )
        surrounded = np.moveaxis(as_unit(image[above[:, None], beside]), 2, 0)
        tile = self._network(np.ascontiguousarray(surrounded))
        shape = (self._network.channels, rows.stop - rows.start, columns.stop - columns.start)
        if tile.shape != shape:
            raise UserError(f"The network gives an array of {tile.shape} for an image of {shape}: give another.")
        return tile


def _refuse_no_numbers(restored: Planes) -> None:
    if not np.isfinite(restored).all():
        raise UserError(
            "The network gives values that are no numbers (NaN or infinite): its training has failed; "
            "take another run, or an earlier checkpoint of it."
        )


def _whole(size: int, size_divisor: int) -> int:
    """Return the next multiple of the size divisor [px]."""
    return -(-size // size_divisor) * size_divisor


def _parts(size: int, tile: int, size_divisor: int) -> list[slice]:
    """Return the tiles that share a row of `size` pixels evenly, each of `tile` at most if possible [px]."""
    units, most = -(-size // size_divisor), max(1, tile // size_divisor)
    side = -(-units // -(-units // most)) * size_divisor
    starts = (min(start, units * size_divisor - side) for start in range(0, size, side))
    return [slice(start, start + side) for start in starts]
