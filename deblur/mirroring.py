"""The one formula of a half-sample symmetric boundary, for arrays and tensors."""

from collections.abc import Callable
from typing import Any, TypeVar

Positions = TypeVar("Positions", bound=Any)


def mirror_index(position: Positions, size: int, minimum: Callable[[Positions, Any], Positions]) -> Positions:
    """Return which pixel of a row shows at each position of its half-sample symmetric continuation (`cba|abc|cba`).

    Args:
        position: Whole numbers, also below 0 and beyond the row.
        size: Of the row, from 1 [px].
        minimum: The elementwise minimum of two of their kind: `np.minimum` or `torch.minimum`.

    Returns:
        Indices from 0 to `size` - 1, of the shape of `position`.
    """
    position = position % (2 * size)
    return minimum(position, 2 * size - 1 - position)
