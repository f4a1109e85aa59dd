"""Restore planes of any size with a network, tile by tile, in bounded memory."""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deblur.errors import UserError
from deblur.models import mirrored

DEFAULT_TILE: Final = 256  # px; of 64 to 1024, the fastest for 9-3-1-5 on a CPU


class TiledNetwork:
    """A network that restores a plane in tiles whose results, put side by side, are those of the whole plane.

    Each tile brings the pixels around it that the network's receptive field reaches; beyond the plane, these are its
    mirror image, as in the network's own padding. All tiles of a plane have one shape: the last of a row is moved
    inwards rather than cut.

    A network without `radius` pads as it likes, so that no tile of it equals the whole: it is given whole planes, and
    needs the memory for them.
    """

    def __init__(
        self, network: nn.Module, device: torch.device, tile: int = DEFAULT_TILE, bfloat16: bool = False
    ) -> None:
        """Prepare a network: move it to the device, lay its weights out for speed, and end its training mode.

        Args:
            network: takes and gives (N, 1, H, W), gray in [0, 1]; with an attribute `radius` [px], the reach of its
                receptive field, it also takes `pad=False`, as `deblur.models.SRCNN` does.
            device: where to compute.
            tile: largest side of a tile [px]; it decides speed and memory, not the result.
            bfloat16: compute the products in bfloat16: where the hardware has them (`deblur.device` tells), twice as
                fast, for about 0.01 dB of a residual network and errors of up to 4 levels of 255. Too coarse for
                pictures of 16 bits, and for a network that predicts the picture itself.

        Raises:
            ValueError: for a tile smaller than 1.
        """
        if tile < 1:
            raise ValueError(f"a tile has at least 1 px a side, not {tile}")
        self._network = network.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload] # missing in torch's stub
        self._device = device
        self._tile = tile
        self._bfloat16 = bfloat16
        self._radius: int | None = getattr(network, "radius", None)

    def count(self, height: int, width: int) -> int:
        """Return the number of tiles of a plane, for a progress bar."""
        if self._radius is None:
            return 1
        return len(_starts(height, self._tile)) * len(_starts(width, self._tile))

    def restore(self, plane: NDArray[np.float32], advance: Callable[[], object] | None = None) -> NDArray[np.float32]:
        """Restore a plane.

        Args:
            plane: (H, W) in [0, 1], from 1x1.
            advance: called after each tile.

        Returns:
            (H, W), not clamped.

        Raises:
            UserError: where the network gives something that is no number.
        """
        restored = np.empty_like(plane)
        source = torch.from_numpy(np.ascontiguousarray(plane))
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16):
            for rows, columns in self._places(*plane.shape):
                tile = self._restore_tile(source, rows, columns)
                if not bool(torch.isfinite(tile).all()):
                    raise UserError(
                        "The network gives values that are no numbers (NaN or infinite): its training has failed; "
                        "take another run, or an earlier checkpoint of it."
                    )
                restored[rows, columns] = tile.numpy(force=True)
                if advance is not None:
                    advance()
        return restored

    def _places(self, height: int, width: int) -> Iterator[tuple[slice, slice]]:
        if self._radius is None:
            yield slice(0, height), slice(0, width)
            return
        for top in _starts(height, self._tile):
            for left in _starts(width, self._tile):
                bottom, right = top + _side(height, self._tile), left + _side(width, self._tile)
                yield slice(top, bottom), slice(left, right)

    def _restore_tile(self, plane: Tensor, rows: slice, columns: slice) -> Tensor:
        """Restore one tile; returns (rows, columns) in float32."""
        if self._radius is None:
            restored = self._network(plane.to(self._device)[None, None])
        else:
            height, width = plane.shape
            above = mirrored(torch.arange(rows.start - self._radius, rows.stop + self._radius), height)
            beside = mirrored(torch.arange(columns.start - self._radius, columns.stop + self._radius), width)
            surrounded = plane[above[:, None], beside].to(self._device)[None, None]
            restored = self._network(surrounded.contiguous(memory_format=torch.channels_last), pad=False)
        tile: Tensor = restored[0, 0].float()
        return tile


def _side(size: int, tile: int) -> int:
    """Return the side of tiles that share a row of `size` pixels evenly, `tile` at most [px]."""
    return -(-size // -(-size // tile))


def _starts(size: int, tile: int) -> list[int]:
    """Return where the tiles of a row begin [px]."""
    side = _side(size, tile)
    return [min(start, size - side) for start in range(0, size, side)]
