"""Divide images into training, validation and test splits or folds by their pixels alone, or group by group."""

import hashlib
import heapq
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from deblur.errors import UserError
from deblur.text import counted

Kind = Literal["train", "val", "test"]

_SPLITS = 3
_FRACTIONS = (0.75, 0.10, 0.15)  # of the training, validation and test splits


@dataclass(frozen=True)
class Splits:
    """Indices of the images of each split, ascending; an image that a cap has left out is in none."""

    train: tuple[int, ...]
    val: tuple[int, ...]
    test: tuple[int, ...]


def split(
    digests: Sequence[str],
    seed: int,
    fractions: tuple[float, float, float] = _FRACTIONS,
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
    together = _together(digests, groups)
    if len(together) < _SPLITS:
        raise _too_few(digests, groups, len(together))
    train, val, test = _divided(together, str(seed), fractions)
    return _of_capped(train, val, test, digests, seed, max_val, max_test)


def split_fold(
    digests: Sequence[str],
    seed: int,
    fold: int,
    folds: int,
    *,
    max_val: int | None = None,
    max_test: int | None = None,
    groups: Sequence[str] | None = None,
) -> Splits:
    """Return the splits of one fold of a cross-validation, which is the test split.

    The folds are disjoint, hold all images, and have sizes as equal as identical images and groups allow. The other
    images are divided into a training and a validation split in the ratio of `split`: the validation images choose the
    epoch, so that those of the fold remain unseen until the test. What `split` says of identical images, groups, the
    seed and caps holds here as well.

    Args:
        digests: One text per image, equal for identical images only.
        seed: Chooses the division.
        fold: Which fold, from 0.
        folds: How many there are, at least 2.
        max_val: Most validation images, at least 1; None takes all.
        max_test: Most test images, at least 1; None takes all.
        groups: One text per image, equal for images that have to stay together; None for no groups.

    Raises:
        UserError: There are fewer distinct images, or groups that share none, than folds, or too few besides the fold.
    """
    together = _together(digests, groups)
    if len(together) < max(folds, _SPLITS):
        raise _too_few(digests, groups, len(together), folds)
    test = _divided(together, f"{seed}:{folds} folds", (1 / folds,) * folds)[fold]
    tested = set(test)
    others = {name: indices for name, indices in together.items() if indices[0] not in tested}
    if len(others) < _SPLITS - 1:  # of two folds, one with a large group
        raise UserError(
            f"data.fold={fold} of data.folds={folds} leaves images that have to stay together, and none besides them, "
            "for training and validation: take more folds, or add images."
        )
    rest = _FRACTIONS[0] + _FRACTIONS[1]
    train, val = _divided(others, str(seed), (_FRACTIONS[0] / rest, _FRACTIONS[1] / rest))
    return _of_capped(train, val, test, digests, seed, max_val, max_test)


def _together(digests: Sequence[str], groups: Sequence[str] | None) -> dict[str, list[int]]:
    """Return the images that stay together, by a text that their pixels alone decide."""
    found: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(digests if groups is None else _joined(digests, groups)):
        found[name].append(index)
    return found


def _divided(together: Mapping[str, list[int]], key: str, fractions: Sequence[float]) -> list[list[int]]:
    """Divide images at random into parts of about these fractions, none of them empty.

    Args:
        together: The images that stay together, at least as many as there are parts.
        key: Chooses the division.
        fractions: Together 1.
    """
    # Large groups first, while every part still has room for them; the single images then fill the parts exactly.
    hashes = {name: hashlib.sha256(f"{key}:{name}".encode()).digest() for name in together}
    order = sorted(together, key=lambda name: (-len(together[name]), hashes[name]))
    room = _sizes(sum(map(len, together.values())), fractions)
    members: list[list[int]] = [[] for _ in fractions]
    everywhere = list(range(len(fractions)))
    for placed, name in enumerate(order):
        empty = [] if all(members) else [k for k in everywhere if not members[k]]
        # The last groups go to the parts that would stay empty otherwise.
        candidates = empty if len(order) - placed <= len(empty) else everywhere
        chosen = _choose(candidates, room, len(together[name]), _uniform(hashes[name]))
        members[chosen].extend(together[name])
        room[chosen] -= len(together[name])
    return members


def _of_capped(
    train: list[int],
    val: list[int],
    test: list[int],
    digests: Sequence[str],
    seed: int,
    max_val: int | None,
    max_test: int | None,
) -> Splits:
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


def _too_few(digests: Sequence[str], groups: Sequence[str] | None, count: int, folds: int | None = None) -> UserError:
    distinct = len(set(digests))
    needed = _SPLITS if folds is None else max(folds, _SPLITS)
    parts = "training, validation and test sets"
    if folds is not None:
        parts = f"data.folds={folds} folds and further {parts.removesuffix(' and test sets').replace(',', ' and')} sets"
    if groups is None or distinct < needed:
        return UserError(
            f"data: {counted(len(digests), 'image')}, {distinct} of them distinct, cannot be divided into {parts}. At "
            f"least {needed} distinct images are needed: add images{'' if folds is None else ', or take fewer folds'}."
        )
    folders = len(set(groups))
    shared = f", {count} if those that share an identical image count as one," if folders > count else ""
    return UserError(
        f"data.group_by=folder: the {len(digests)} images are in {counted(folders, 'folder')}"
        f"{shared} and cannot be divided into {parts}. At least {needed} folders are needed: add some, or set "
        "data.group_by=null, which divides the images one by one."
    )


def _capped(indices: list[int], cap: int | None, digests: Sequence[str], key: str) -> list[int]:
    """Choose images by their pixels; of identical ones, those that come first."""
    if cap is None or len(indices) <= cap:
        return indices
    return heapq.nsmallest(
        cap, indices, key=lambda index: (hashlib.sha256(f"{key}:{digests[index]}".encode()).digest(), index)
    )


def _sizes(count: int, fractions: Sequence[float]) -> list[int]:
    """Round the fractions of `count` to whole numbers with the same sum (method of largest remainders)."""
    shares = [count * fraction for fraction in fractions]
    sizes = [math.floor(share) for share in shares]
    by_remainder = sorted(range(len(fractions)), key=lambda k: sizes[k] - shares[k])
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
