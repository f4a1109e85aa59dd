"""Divide images into training, validation and test sets by their pixels alone."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from deblur.errors import UserError

_SPLITS = 3


@dataclass(frozen=True)
class Splits:
    """Indices of the images of each set, ascending."""

    train: tuple[int, ...]
    val: tuple[int, ...]
    test: tuple[int, ...]


def split(digests: Sequence[str], seed: int, fractions: tuple[float, float, float] = (0.75, 0.10, 0.15)) -> Splits:
    """Divide images at random into three sets, identical images always into the same one.

    The division depends on the seed and the digests alone: images keep their sets when they are renamed or reordered,
    and most keep them when a few images come or go. Without identical images the sets have exactly the sizes that
    are nearest to the fractions, but at least one image each.

    Args:
        digests: One text for each image, equal for identical images only.
        seed: Chooses the division.
        fractions: Shares of the training, validation and test sets, each above 0, together 1.

    Returns:
        The three sets, none empty, together every index once.

    Raises:
        UserError: There are fewer than three distinct images.
        ValueError: A fraction is not above 0, or their sum is not 1.
    """
    if min(fractions) <= 0 or not math.isclose(sum(fractions), 1.0):
        raise ValueError(f"fractions must be above 0 and add up to 1, not {fractions}")
    groups: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(digests):
        groups[name].append(index)
    if len(groups) < _SPLITS:
        raise UserError(
            f"data: {len(digests)} images, {len(groups)} of them distinct, cannot be divided into training, "
            f"validation and test sets. At least {_SPLITS} distinct images are needed: add images."
        )
    # Large groups first, while every set still has room for them; the single images then fill the sets exactly.
    hashes = {name: hashlib.sha256(f"{seed}:{name}".encode()).digest() for name in groups}
    order = sorted(groups, key=lambda name: (-len(groups[name]), hashes[name]))
    room = _sizes(len(digests), fractions)
    members: tuple[list[int], ...] = ([], [], [])
    for placed, name in enumerate(order):
        empty = [k for k in range(_SPLITS) if not members[k]]
        # The last groups go to the sets that would stay empty otherwise.
        candidates = empty if len(order) - placed <= len(empty) else list(range(_SPLITS))
        chosen = _choose(candidates, room, len(groups[name]), _uniform(hashes[name]))
        members[chosen].extend(groups[name])
        room[chosen] -= len(groups[name])
    train, val, test = (tuple(sorted(indices)) for indices in members)
    return Splits(train, val, test)


def _sizes(count: int, fractions: tuple[float, float, float]) -> list[int]:
    """Round the fractions of `count` to whole numbers with the same sum (method of largest remainders)."""
    shares = [count * fraction for fraction in fractions]
    sizes = [math.floor(share) for share in shares]
    by_remainder = sorted(range(_SPLITS), key=lambda k: sizes[k] - shares[k])
    for k in by_remainder[: count - sum(sizes)]:
        sizes[k] += 1
    return sizes


def _choose(candidates: list[int], room: list[int], size: int, draw: float) -> int:
    """Choose a set for a group of `size` images, with chances in proportion to the room that is left.

    Args:
        candidates: Sets to choose from.
        room: Images that each set still lacks; below 0 where a large group has overfilled it.
        size: Images in the group.
        draw: Random number in [0, 1).
    """
    fitting = [k for k in candidates if room[k] >= size]
    if not fitting:
        return max(candidates, key=lambda k: room[k])
    position = draw * sum(room[k] for k in fitting)
    for k in fitting:
        position -= room[k]
        if position < 0:
            return k
    return fitting[-1]


def _uniform(random_bytes: bytes) -> float:
    """Turn random bytes into a number in [0, 1), from other bytes than those that lead in sorting."""
    return int.from_bytes(random_bytes[-6:]) / 2**48
