"""The kernels of a photo whose blur varies, from overlapping windows on a grid."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deblur.blur.node_kernels import NodeKernels
from deblur.estimation.blind import (
    DISAGREE,
    LEAST_EXPLAINED,
    LEAST_OF_WIDTH,
    LEAST_SIZE,
    SIZE_BEYOND_WIDTH,
    SIZE_PER_WIDTH,
    WINDOW_PER_SIZE,
    KernelEstimate,
    Photo,
    Tried,
    Window,
    estimate_kernel,
    shows_edges,
    unsaturated,
)
from deblur.estimation.coarse_to_fine import resized
from deblur.estimation.estimate import estimate, luma_of
from deblur.estimation.network import Floats

Node: TypeAlias = tuple[int, int]  # row and column of the grid

LEAST_WINDOW, LARGEST_WINDOW = 240, 480  # px a side
MOST_NODES: Final = 4  # along a side of the photo
TOLERANCE: Final = 1.0  # px, least sigma of the gaussian under which neighboring kernels are compared
TOLERANCE_OF_WIDTH: Final = 0.1  # that sigma, by the median width of the kernels
NEIGHBORS: Final = 0.7  # least correlation of the kernels of two neighboring windows that agree
LEAST_AGREEING: Final = 0.9  # of the pairs of neighbors, that have to agree
LEAST_MEASURED: Final = 0.6  # of the windows, whose own kernels have to be kept

WITHOUT_PATTERN: Final = (
    "Parts of the image show different kernels, and those of neighboring parts do not resemble one another: the blur "
    "does not vary smoothly, or cannot be seen well enough."
)


def estimate_kernels(pixels: NDArray[Any], *, is_linear: bool | None = None) -> KernelEstimate:
    """Estimate the kernel of a photo, or a field of kernels if its windows show several.

    A photo whose windows agree, or that is declined for another reason, has the result of `estimate_kernel`. The
    windows of a field overlap by half, as long as the photo is not too large for that. Its kernels have their centers of
    mass in the middle: each is known up to a shift alone, and shifts that differ would show as ghosts where the
    restored windows are blended.

    A window has no kernel of its own if it shows no edges, or if its kernel is cut, or far narrower than its blur. A
    kernel that disagrees with all its neighbors while most of these agree with one another is an outlier. Both are
    replaced by the mean of their neighbors. The photo is declined if more than 40 % of the windows are replaced, if
    more than 10 % of the pairs of neighbors among the others disagree, or if the kernels do not explain the windows.

    Args:
        pixels: as in `estimate_kernel`.
        is_linear: as there.

    Returns:
        With a field, `kernel` is None, `confidence` the mean correlation of neighboring kernels and `explained` the
        median of the windows.
    """
    one = estimate_kernel(pixels, is_linear=is_linear)
    return _of_windows(pixels, one) if one.refusal == DISAGREE else one


def _of_windows(pixels: NDArray[Any], one: KernelEstimate) -> KernelEstimate:
    """Return the estimate of a photo with a field, or that of one kernel with the reason why there is none."""
    plane, is_usable = luma_of(pixels), unsaturated(pixels)
    width = 0.0 if one.blur is None else one.blur.width
    side = round(min(max(WINDOW_PER_SIZE * _first_size(width), LEAST_WINDOW), LARGEST_WINDOW))
    rows, columns = (_parts(length, side) for length in plane.shape)
    windows = {
        (down, across): (rows[down], columns[across])
        for down, across in product(range(len(rows)), range(len(columns)))
    }
    found = {
        node: tried
        for node, window in windows.items()
        if (tried := _measured(Photo(pixels, plane, is_usable, (window,), LEAST_SIZE), one.is_linear)) is not None
    }
    declined = replace(one, refusal=WITHOUT_PATTERN)
    if len(found) < LEAST_MEASURED * len(windows):
        return declined
    kernels = _aligned({node: tried.found.kernel for node, tried in found.items()})
    tolerance = max(TOLERANCE, TOLERANCE_OF_WIDTH * float(np.median([tried.width for tried in found.values()])))
    kept, correlations = _without_outliers(_Compared(kernels, tolerance))
    agreeing = np.mean([value >= NEIGHBORS for value in correlations]) if correlations else 0.0
    if len(kept) < LEAST_MEASURED * len(windows) or agreeing < LEAST_AGREEING:
        return declined
    explained = float(np.median([found[node].explained for node in kept]))
    if explained < LEAST_EXPLAINED:
        return declined
    filled = _filled(kernels, kept, (len(rows), len(columns)))
    field = NodeKernels(_middles(rows), _middles(columns), filled)
    return KernelEstimate(
        None, float(np.mean(correlations)), explained, "", one.is_linear, tuple(windows.values()), one.blur, field
    )


def _first_size(width: float) -> float:
    return max(SIZE_BEYOND_WIDTH + SIZE_PER_WIDTH * width, LEAST_SIZE)


def _parts(length: int, side: int) -> list[slice]:
    """Return windows along a side of a photo that overlap by half or more, or as many as are allowed [px]."""
    if length <= side:
        return [slice(0, length)]
    count = min(math.ceil(2 * (length - side) / side) + 1, MOST_NODES)
    return [slice(round(start), round(start) + side) for start in np.linspace(0, length - side, count)]


def _middles(parts: Sequence[slice]) -> NDArray[np.float64]:
    return np.array([(part.start + part.stop - 1) / 2 for part in parts])


def _measured(photo: Photo, is_linear: bool) -> Tried | None:
    """Return the estimate of the first window of a photo; None if it shows none that can be relied on."""
    window: Window = photo.windows[0]
    if not shows_edges(photo.plane[window]):
        return None
    width = estimate(photo.pixels[window]).width
    tried = replace(photo, size=_first_size(width)).tried(0, is_linear)
    return None if tried is None or tried.found.is_cut or tried.width < LEAST_OF_WIDTH * width else tried


def _aligned(kernels: Mapping[Node, Floats]) -> dict[Node, Floats]:
    """Return kernels of one size, the center of mass of each in the middle."""
    side = max(map(len, kernels.values())) + 2  # moving by parts of a pixel takes room
    return {node: resized(np.pad(kernel, (side - len(kernel)) // 2), side) for node, kernel in kernels.items()}


class _Compared:
    """Aligned kernels, and how much those of two windows correlate under a tolerance [px]."""

    def __init__(self, kernels: Mapping[Node, Floats], tolerance: float) -> None:
        import cv2

        margin = math.ceil(3 * tolerance)
        smooth = {
            node: cv2.GaussianBlur(np.pad(kernel, margin), (0, 0), tolerance, borderType=cv2.BORDER_CONSTANT)
            for node, kernel in kernels.items()
        }
        self._units = {node: kernel / np.linalg.norm(kernel) for node, kernel in smooth.items()}

    @property
    def nodes(self) -> list[Node]:
        """All nodes."""
        return list(self._units)

    def correlation(self, one: Node, other: Node) -> float:
        """Return the correlation of two kernels."""
        return float(np.vdot(self._units[one], self._units[other]))


def _without_outliers(compared: _Compared) -> tuple[list[Node], list[float]]:
    """Return the nodes that are no outliers, and the correlation of each pair of neighbors among them."""
    kept = compared.nodes
    while True:
        best = {
            node: max(compared.correlation(node, one) for one in around)
            for node in kept
            if (around := _around(node, kept)) and _agree(around, compared)
        }
        worst = min(best, key=lambda node: best[node], default=None)
        if worst is None or best[worst] >= NEIGHBORS:
            pairs = [(node, one) for node in kept for one in _around(node, kept) if node < one]
            return kept, [compared.correlation(*pair) for pair in pairs]
        kept.remove(worst)


def _agree(nodes: Sequence[Node], compared: _Compared) -> bool:
    """Return whether most of several kernels agree with one another."""
    correlations = [compared.correlation(*pair) for pair in combinations(nodes, 2)]
    return bool(correlations) and float(np.median(correlations)) >= NEIGHBORS


def _around(node: Node, nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes above, below, left and right of one."""
    return [one for one in nodes if abs(one[0] - node[0]) + abs(one[1] - node[1]) == 1]


def _filled(kernels: Mapping[Node, Floats], kept: Sequence[Node], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the kernels of all nodes, (R, C, size, size): a missing one is the mean of its neighbors."""
    known = {node: kernels[node].astype(np.float64) for node in kept}
    nodes = list(product(*map(range, shape)))
    while len(known) < len(nodes):
        means = {
            node: np.mean([known[one] for one in around], axis=0)
            for node in nodes
            if node not in known and (around := _around(node, list(known)))
        }
        known |= means
    reach = max(int(np.abs(np.argwhere(kernel) - len(kernel) // 2).max()) for kernel in known.values())
    middle = len(next(iter(known.values()))) // 2
    inner = slice(middle - reach, middle + reach + 1)
    stacked = np.stack([known[node][inner, inner] / known[node].sum() for node in nodes])
    return stacked.reshape(*shape, *stacked.shape[1:])
