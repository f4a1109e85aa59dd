"""The kernels of a photo whose blur varies, from overlapping windows on a grid."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product
from typing import Any, Final, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from deblur.blur.node_kernels import NodeKernels
from deblur.estimation.blind import (
    AGREEMENT,
    DISAGREE,
    LEAST_OF_WIDTH,
    LEAST_SIZE,
    LEAST_WIDTH,
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
from deblur.estimation.estimate import BlurEstimate, estimate, luma_of
from deblur.estimation.network import Floats

Node: TypeAlias = tuple[int, int]  # row and column of the grid
Key = TypeVar("Key")  # of a kernel: its node, or a number

LEAST_WINDOW, LARGEST_WINDOW = 240, 480  # px a side
MOST_NODES: Final = 4  # along a side of the photo
LEAST_RATIO: Final = 2.0  # of the widest blur of a window to the narrowest, from which on it varies
TOLERANCE: Final = 1.0  # px, least sigma of the gaussian under which neighboring kernels are compared
TOLERANCE_OF_WIDTH: Final = 0.1  # that sigma, by the median width of the kernels
LEAST_EXPLAINED: Final = 0.5  # by the sketches of the windows, their median
NEIGHBORS: Final = 0.7  # least correlation of the kernels of two neighboring windows that agree
LEAST_AGREEING: Final = 0.9  # of the pairs of neighbors, that have to agree
LEAST_MEASURED: Final = 0.6  # of the windows, whose own kernels have to be kept
LEAST_LIKE_ONE: Final = 0.5  # of the windows, whose own kernels have to resemble that of the whole photo

WITHOUT_PATTERN: Final = (
    "Parts of the image show different kernels, and those of neighboring parts do not resemble one another: the blur "
    "does not vary smoothly, or cannot be seen well enough."
)


def estimate_kernels(pixels: NDArray[Any], *, is_linear: bool | None = None) -> KernelEstimate:
    """Estimate the kernel of a photo, or a field of kernels if its windows show several.

    A field is looked for if the windows of `estimate_kernel` disagree, or if the spectrum shows twice the width of the
    blur in one window as in another: strong edges where the photo is sharpest can make all windows agree. It is
    estimated from windows that overlap by half, as long as the photo is not too large for that. Its kernels have their
    centers of mass in the middle: each is known up to a shift alone, and shifts that differ would show as ghosts where
    the restored windows are blended.

    The estimate is refused if the kernels of the windows resemble neither one another nor, most of them, the kernel of
    the whole photo.

    A window has no kernel of its own if it shows no edges, or if its kernel is cut, or far narrower than its blur. A
    kernel that disagrees with all its neighbors while most of these agree with one another is an outlier. Both are
    replaced by the mean of their neighbors. There is no field if more than 40 % of the windows are replaced, if more
    than 10 % of the pairs of neighbors among the others disagree, or if the kernels do not explain their windows; and
    none is needed if the kernels are those of the whole photo.

    Args:
        pixels: as in `estimate_kernel`.
        is_linear: as there.

    Returns:
        Without a field, the result of `estimate_kernel`. With one, `kernel` is None, `confidence` the mean correlation
        of neighboring kernels and `explained` the median of the windows.
    """
    one = estimate_kernel(pixels, is_linear=is_linear)
    if one.kernel is None:
        return one
    rows, columns = _grid(pixels, one.blur)
    disagree = one.refusal == DISAGREE
    if not disagree and _width_ratio(one.blur, _windows(rows, columns).values()) < LEAST_RATIO:
        return one
    found = _of_windows(pixels, one, rows, columns)
    if found is not None:
        return found
    return replace(one, refusal=WITHOUT_PATTERN) if disagree else one


def _of_windows(
    pixels: NDArray[Any], one: KernelEstimate, rows: Sequence[slice], columns: Sequence[slice]
) -> KernelEstimate | None:
    """Return the estimate of a photo with a field; None if none can be measured, or if none is needed.

    It is refused if the windows show neither a field nor the kernel of the whole photo.
    """
    plane, is_usable, windows = luma_of(pixels), unsaturated(pixels), _windows(rows, columns)
    found = {
        node: tried
        for node, window in windows.items()
        if (tried := _measured(Photo(pixels, plane, is_usable, (window,), LEAST_SIZE), one.is_linear)) is not None
    }
    if len(found) < LEAST_MEASURED * len(windows):
        return None
    if np.median([tried.width for tried in found.values()]) < LEAST_WIDTH:  # kernels of a pixel explain any photo
        return None
    kernels = _aligned({node: tried.found.kernel for node, tried in found.items()})
    width = float(np.median([tried.width for tried in found.values()]))
    kept, correlations = _without_outliers(_Compared(kernels, max(TOLERANCE, TOLERANCE_OF_WIDTH * width)))
    agreeing = np.mean([value >= NEIGHBORS for value in correlations]) if correlations else 0.0
    explained = float(np.median([found[node].explained for node in kept]))
    if len(kept) < LEAST_MEASURED * len(windows) or explained < LEAST_EXPLAINED:
        return None
    own = [found[node].found.kernel for node in kept]
    if agreeing < LEAST_AGREEING:
        return replace(one, refusal=WITHOUT_PATTERN) if _like_one(own, one, NEIGHBORS) < LEAST_LIKE_ONE else None
    if not one.refusal and _like_one(own, one, AGREEMENT) >= LEAST_AGREEING:
        return None
    field = NodeKernels(_middles(rows), _middles(columns), _filled(kernels, kept, (len(rows), len(columns))))
    places = tuple(windows.values())
    return KernelEstimate(None, float(np.mean(correlations)), explained, "", one.is_linear, places, one.blur, field)


def _like_one(kernels: Sequence[Floats], one: KernelEstimate, least: float) -> float:
    """Return the fraction of kernels whose correlation with that of the whole photo is at least `least`."""
    if one.kernel is None:
        return 0.0
    aligned = _aligned(dict(enumerate([np.asarray(one.kernel, np.float32), *kernels])))
    compared = _Compared(aligned, TOLERANCE)
    return float(np.mean([compared.correlation(0, number) >= least for number in range(1, len(aligned))]))


def _width_ratio(blur: BlurEstimate | None, windows: Iterable[Window]) -> float:
    """Return the width of the blur in the window where it is widest, by that where it is narrowest; 1 if unknown.

    Windows in which little shows the blur do not count.
    """
    if blur is None:
        return 1.0
    seen = blur.map
    rows, columns = (seen.first + seen.step * np.arange(count) for count in seen.widths.shape)
    logs, sums = [], []
    for down, across in windows:
        inside = np.ix_((rows >= down.start) & (rows < down.stop), (columns >= across.start) & (columns < across.stop))
        weights, widths = seen.weights[inside], np.maximum(seen.widths[inside], LEAST_WIDTH)
        if weights.size:
            logs.append(float(np.average(np.log(widths), weights=weights)))
            sums.append(float(weights.mean()))
    shown = [log for log, total in zip(logs, sums, strict=True) if total >= float(np.mean(sums)) / 2]
    return math.exp(max(shown) - min(shown)) if shown else 1.0


def _first_size(width: float) -> float:
    return max(SIZE_BEYOND_WIDTH + SIZE_PER_WIDTH * width, LEAST_SIZE)


def _grid(pixels: NDArray[Any], blur: BlurEstimate | None) -> tuple[list[slice], list[slice]]:
    """Return the rows and the columns of the windows."""
    size = _first_size(0.0 if blur is None else blur.width)
    side = round(min(max(WINDOW_PER_SIZE * size, LEAST_WINDOW), LARGEST_WINDOW))
    return _parts(pixels.shape[0], side), _parts(pixels.shape[1], side)


def _windows(rows: Sequence[slice], columns: Sequence[slice]) -> dict[Node, Window]:
    return {(down, across): (rows[down], columns[across]) for down, across in np.ndindex(len(rows), len(columns))}


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


def _aligned(kernels: Mapping[Key, Floats]) -> dict[Key, Floats]:
    """Return kernels of one size, the center of mass of each in the middle."""
    side = max(map(len, kernels.values())) + 2  # moving by parts of a pixel takes room
    return {node: resized(np.pad(kernel, (side - len(kernel)) // 2), side) for node, kernel in kernels.items()}


class _Compared(Generic[Key]):
    """Aligned kernels, and how much those of two windows correlate under a tolerance [px]."""

    def __init__(self, kernels: Mapping[Key, Floats], tolerance: float) -> None:
        import cv2

        margin = math.ceil(3 * tolerance)
        smooth = {
            node: cv2.GaussianBlur(np.pad(kernel, margin), (0, 0), tolerance, borderType=cv2.BORDER_CONSTANT)
            for node, kernel in kernels.items()
        }
        self._units = {node: kernel / np.linalg.norm(kernel) for node, kernel in smooth.items()}

    @property
    def nodes(self) -> list[Key]:
        """All nodes."""
        return list(self._units)

    def correlation(self, one: Key, other: Key) -> float:
        """Return the correlation of two kernels."""
        return float(np.vdot(self._units[one], self._units[other]))


def _without_outliers(compared: _Compared[Node]) -> tuple[list[Node], list[float]]:
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


def _agree(nodes: Sequence[Node], compared: _Compared[Node]) -> bool:
    """Return whether most of several kernels agree with one another."""
    correlations = [compared.correlation(*pair) for pair in combinations(nodes, 2)]
    return bool(correlations) and float(np.median(correlations)) >= NEIGHBORS


def _around(node: Node, nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes above, below, left and right of one."""
    return [one for one in nodes if abs(one[0] - node[0]) + abs(one[1] - node[1]) == 1]


def _filled(kernels: Mapping[Node, Floats], kept: Sequence[Node], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the kernels of all nodes, (R, C, size, size): a missing one is the mean of its neighbors."""
    known = {node: kernels[node].astype(np.float64) for node in kept}
    nodes = list(product(range(shape[0]), range(shape[1])))
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
