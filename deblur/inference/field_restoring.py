"""A photo restored by a field of kernels, window by window."""

from collections.abc import Callable
from itertools import count, product
from typing import TYPE_CHECKING, Final

import numpy as np

from deblur.blur.node_kernels import NodeKernels
from deblur.choices import Color
from deblur.inference.levels import Pixels, rounded
from deblur.inference.tiles import Advance

if TYPE_CHECKING:
    from deblur.inference.restorer import Restorer

MARGIN: Final = 16  # px around a window, and the reach of the kernels, that are restored with it


def restored_by_field(
    restorer: "Restorer",
    pixels: Pixels,
    field: NodeKernels,
    color: Color | None = None,
    advance: Advance | None = None,
    noise_sigma: float | None = None,
    strength: float | None = None,
) -> Pixels:
    """Restore a photo by the kernel of each node around that node, and blend the results.

    The weights are those of the operator that blurs (`deblur.blur.kernel_fields.blurred`): 1 at the node, falling
    linearly to 0 at its neighbors, and 1 in total at each pixel. A window at a time is restored, with its surroundings.

    Args:
        restorer: a non-blind network.
        pixels: (H, W) or (H, W, 3), uint8 or uint16 of full range, or floating point in [0, 1].
        field: the kernels.
        color: see `Restorer`, as for the other arguments.
        advance: called as often as for one kernel.
        noise_sigma: see there.
        strength: see there.

    Returns:
        New pixels of the same shape and type.
    """
    height, width = pixels.shape[:2]
    grid = field.grid((height, width))
    nodes = list(product(grid.rows, grid.columns))
    step = None if advance is None else _every(len(nodes), advance)
    around = grid.reach + MARGIN
    total = np.zeros(pixels.shape, np.float32)
    for (down, across), psf in zip(nodes, field.psfs.reshape(-1, *field.psfs.shape[2:]), strict=True):
        share = np.outer(down.weights, across.weights)
        top, left = max(down.start - around, 0), max(across.start - around, 0)
        bottom, right = down.start + len(down.weights), across.start + len(across.weights)
        window = pixels[top : bottom + around, left : right + around]
        restored = restorer(window, color, step, psf, noise_sigma, strength=strength)
        inner = restored[down.start - top : bottom - top, across.start - left : right - left]
        total[down.start : bottom, across.start : right] += inner * (share if pixels.ndim == 2 else share[..., None])
    return rounded(total, pixels).astype(pixels.dtype)


def _every(times: int, advance: Advance) -> Callable[[], None]:
    """Return what has to be called several times to call another one once."""
    calls = count(1)

    def called() -> None:
        if next(calls) % times == 0:
            advance()

    return called
