"""Overlapping tiles, blended, for a network whose result at a place depends on all of the image it is given."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor


def tiles_of(height: int, width: int, tile: int, overlap: int) -> list[tuple[slice, slice]]:
    """Return the rows and columns of the tiles of an image; neighbors share at least `overlap` pixels.

    Args:
        height: of the image [px].
        width: of the image [px].
        tile: side of a tile [px]; a smaller image has one, of its own side.
        overlap: less than `tile` [px].
    """
    return [(rows, columns) for rows in _parts(height, tile, overlap) for columns in _parts(width, tile, overlap)]


def restored_in_tiles(
    image: Tensor, restore: Callable[[Tensor], Tensor], tile: int, overlap: int, advance: Callable[[], object] | None
) -> Tensor:
    """Restore an image in overlapping tiles, whose results change into one another over what they share.

    Args:
        image: (1, C, H, W).
        restore: maps a tile (1, C, h, w) to one of its shape.
        tile: see `tiles_of`.
        overlap: see `tiles_of`.
        advance: called after each tile.

    Returns:
        (1, C, H, W).
    """
    height, width = image.shape[-2:]
    total, weights = torch.zeros_like(image), image.new_zeros(height, width)
    for rows, columns in tiles_of(height, width, tile, overlap):
        weight = _ramp(rows, height, overlap).to(image)[:, None] * _ramp(columns, width, overlap).to(image)
        total[..., rows, columns] += weight * restore(image[..., rows, columns])
        weights[rows, columns] += weight
        if advance is not None:
            advance()
    return total / weights


def _parts(size: int, tile: int, overlap: int) -> Iterator[slice]:
    """Yield the parts of a row, all of one size, spread evenly [px]."""
    side = min(size, tile)
    count = math.ceil((size - overlap) / (tile - overlap)) if size > tile else 1
    for number in range(count):
        start = round(number * (size - side) / max(count - 1, 1))
        yield slice(start, start + side)


def _ramp(part: slice, size: int, overlap: int) -> Tensor:
    """Return the weights of a part of a row: they rise from each end that has a neighbor, over the overlap."""
    places = torch.arange(part.stop - part.start) + 0.5
    weights = torch.ones(part.stop - part.start)
    if part.start > 0:
        weights = torch.minimum(weights, places / overlap)
    if part.stop < size:
        weights = torch.minimum(weights, places.flip(0) / overlap)
    return weights
