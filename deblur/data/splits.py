"""Divide images into training, validation and test splits by their pixels alone, or group by group."""

import hashlib
import heapq
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from deblur.errors import UserError
from deblur.text import counted

Kind = Literal["train", "val", "test"]

_SPLITS = 3


@dataclass(frozen=True)
class Splits:
    """Indices of the images of each split, ascending; an image that a cap has left out is in none."""

    train: tuple[int, ...]
    val: tuple[int, ...]
    test: tuple[int, ...]


def split(
    digests: Sequence[str],
    seed: int,
    fractions: tuple[float, float, float] = (0.75, 0.10, 0.15),
    *,
    max_val: int | None = None,
    max_test: int | None = None,
    groups: Sequence[str] | None = None,
) -> Splits:
    """Divide images at random into three splits; identical images, and images of one group, stay together.

    The division depends on the seed and the digests alone: images keep their splits when they are renamed or reordered,
    and most keep them when a few images come or go. Without identical images the splits have exactly the sizes that
    are nearest to the fractions, but at least one image each.

    A cap takes some of the validation or test images at random, and a smaller one some of these. What it leaves out is
    not used at all: training images are the same with any cap, and an image that one cap has left out of the test is
    never trained on with another.

    Args:
        digests: One text per image, equal for identical images only.
        seed: Chooses the division.
        fractions: Of the training, validation and test splits, each above 0, together 1.
        max_val: Most validation images, at least 1; None takes all.
        max_test: Most test images, at least 1; None takes all.
        groups: One text per image, equal for images that have to stay together; None for no groups. The texts
            themselves decide nothing. Groups that share an identical image stay together.

    Returns:
        The three splits, none empty, no index twice; without a cap, together every index once.

    Raises:
        UserError: There are fewer than three distinct images, or groups that share none.
        ValueError: A fraction is not above 0, their sum is not 1, or a cap is below 1.
    """
    if any(cap is not None and cap < 1 for cap in (max_val, max_test)):
        raise ValueError(f"max_val and max_test must be at least 1, not {max_val} and {max_test}")
    if min(fractions) <= 0 or not math.isclose(sum(fractions), 1.0):
        raise ValueError(f"fractions must be above 0 and add up to 1, not {fractions}")
    together: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(digests if groups is None else _joined(digests, groups)):
        together[name].append(index)
    if len(together) < _SPLITS:
        raise _too_few(digests, groups, len(together))
    # Large groups first, while every split still has room for them; the single images then fill the splits exactly.
    hashes = {name: hashlib.sha256(f"{seed}:{name}".encode()).digest() for name in together}
    order = sorted(together, key=lambda name: (-len(together[name]), hashes[name]))
    room = _sizes(len(digests), fractions)
    members: tuple[list[int], ...] = ([], [], [])
    everywhere = list(range(_SPLITS))
    for placed, name in enumerate(order):
        empty = [] if all(members) else [k for k in everywhere if not members[k]]
        # The last groups go to the splits that would stay empty otherwise.
        candidates = empty if len(order) - placed <= len(empty) else everywhere
        chosen = _choose(candidates, room, len(together[name]), _uniform(hashes[name]))
        members[chosen].extend(together[name])
        room[chosen] -= len(together[name])
    train, val, test = members
    val, test = (
        _capped(indices, cap, digests, f"{seed}:{name}")
        for indices, cap, name in ((val, max_val, "val"), (test, max_test, "test"))
    )
    return Splits(*(tuple(sorted(indices)) for indices in (train, val, test)))


def _joined(digests: Sequence[str], groups: Sequence[str]) -> list[str]:
    """Return for each image the first digest, by the alphabet, of the images that it has to stay together with.

    So names of groups decide nothing, and an image that comes or goes seldom changes it.
    """
    parents: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        while (parent := parents.setdefault(node, node)) != node:
            parents[node] = parents[parent]  # halves the way for the next search
            node = parents[node]
        return node

    for digest, group in zip(digests, groups, strict=True):
        parents[root(("group", group))] = root(("image", digest))
    roots = [root(("image", digest)) for digest in digests]
    first: dict[tuple[str, str], str] = {}
    for one, digest in zip(roots, digests, strict=True):
        first[one] = min(first.get(one, digest), digest)
    return [first[one] for one in roots]


def _too_few(digests: Sequence[str], groups: Sequence[str] | None, count: int) -> UserError:
    distinct = len(set(digests))
    if groups is None or distinct < _SPLITS:
        return UserError(
            f"data: {counted(len(digests), 'image')}, {distinct} of them distinct, cannot be divided into training, "
            f"validation and test sets. At least {_SPLITS} distinct images are needed: add images."
        )
    folders = len(set(groups))
    shared = f", {count} if those that share an identical image count as one," if folders > count else ""
    return UserError(
        f"data.group_by=folder: the {len(digests)} images are in {counted(folders, 'folder')}"
        f"{shared} and cannot be divided into training, validation and test sets. At least {_SPLITS} folders are "
        "needed: add some, or set data.group_by=null, which divides the images one by one."
    )


def _capped(indices: list[int], cap: int | None, digests: Sequence[str], key: str) -> list[int]:
    """Choose images by their pixels; of identical ones, those that come first."""
    if cap is None or len(indices) <= cap:
        return indices
    return heapq.nsmallest(
        cap, indices, key=lambda index: (hashlib.sha256(f"{key}:{digests[index]}".encode()).digest(), index)
    )


def _sizes(count: int, fractions: tuple[float, float, float]) -> list[int]:
    """Round the fractions of `count` to whole numbers with the same sum (method of largest remainders)."""
    shares = [count * fraction for fraction in fractions]
    sizes = [math.floor(share) for share in shares]
    by_remainder = sorted(range(_SPLITS), key=lambda k: sizes[k] - shares[k])
    for k in by_remainder[: count - sum(sizes)]:
        sizes[k] += 1
    return sizes


def _choose(candidates: list[int], room: list[int], size: int, draw: float) -> int:
    """Choose one of the candidates for a group of `size` images, with chances in proportion to the room that is left.

    `draw` is a random number in [0, 1); the room is below 0 if a large group has overfilled a split.
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
