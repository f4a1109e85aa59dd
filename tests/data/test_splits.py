from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deblur.data.splits import Splits, split, split_fold
from deblur.errors import UserError

FRACTIONS = (0.75, 0.10, 0.15)

few_distinct = st.lists(st.text("abcdef", min_size=1, max_size=2), min_size=3, max_size=60).filter(
    lambda digests: len(set(digests)) >= 3
)
seeds = st.integers(0, 2**32)


def distinct(count: int) -> list[str]:
    return [f"digest {index}" for index in range(count)]


def sets(splits: Splits) -> list[tuple[int, ...]]:
    return [splits.train, splits.val, splits.test]


def set_of_each(splits: Splits) -> dict[int, int]:
    return {index: number for number, indices in enumerate(sets(splits)) for index in indices}


@given(few_distinct, seeds)
def test_every_image_is_in_one_set_and_no_set_is_empty(digests: list[str], seed: int) -> None:
    parts = sets(split(digests, seed))
    assert all(parts)
    assert all(list(part) == sorted(part) for part in parts)
    assert sorted(index for part in parts for index in part) == list(range(len(digests)))


@given(few_distinct, seeds)
def test_identical_images_share_a_set(digests: list[str], seed: int) -> None:
    homes: dict[str, set[int]] = {}
    for index, home in set_of_each(split(digests, seed)).items():
        homes.setdefault(digests[index], set()).add(home)
    assert all(len(home) == 1 for home in homes.values())


@given(few_distinct, seeds, st.randoms(use_true_random=False))
def test_order_does_not_matter(digests: list[str], seed: int, random: object) -> None:
    order = list(range(len(digests)))
    random.shuffle(order)
    home, home_shuffled = set_of_each(split(digests, seed)), set_of_each(split([digests[i] for i in order], seed))
    assert {order[place]: number for place, number in home_shuffled.items()} == home


@given(few_distinct, seeds)
def test_sizes_miss_the_fractions_by_no_more_than_large_groups_make_them(digests: list[str], seed: int) -> None:
    largest = max(Counter(digests).values())
    for part, fraction in zip(sets(split(digests, seed)), FRACTIONS, strict=True):
        assert abs(len(part) - fraction * len(digests)) <= 2 * largest + 1


@given(st.integers(20, 400), seeds)
def test_sizes_of_distinct_images_miss_the_fractions_by_less_than_one(count: int, seed: int) -> None:
    for part, fraction in zip(sets(split(distinct(count), seed)), FRACTIONS, strict=True):
        assert abs(len(part) - fraction * count) < 1


@pytest.mark.parametrize("seed", range(5))
def test_a_thousand_images(seed: int) -> None:
    assert [len(part) for part in sets(split(distinct(1000), seed))] == [750, 100, 150]


@pytest.mark.parametrize("seed", range(5))
def test_a_thousand_images_with_copies(seed: int) -> None:
    digests = distinct(700) + 2 * [f"pair {k}" for k in range(100)] + 5 * [f"five {k}" for k in range(20)]
    assert [len(part) for part in sets(split(digests, seed))] == [750, 100, 150]


@pytest.mark.parametrize(
    ("count", "sizes"), [(3, [1, 1, 1]), (4, [2, 1, 1]), (10, [7, 1, 2]), (20, [15, 2, 3]), (23, [17, 2, 4])]
)
def test_few_images(count: int, sizes: list[int]) -> None:
    found = [len(part) for part in sets(split(distinct(count), 0))]
    assert sum(found) == count
    assert all(abs(a - b) <= 1 for a, b in zip(found, sizes, strict=True))


def test_one_image_with_a_hundred_copies_leaves_the_others_to_the_other_sets() -> None:
    assert sorted(len(part) for part in sets(split([*["common"] * 100, "a", "b"], 0))) == [1, 1, 100]


def test_the_sets_of_a_seed_never_change() -> None:
    # Published results depend on them.
    assert split(distinct(12), seed=7) == Splits(train=(1, 2, 3, 4, 6, 7, 8, 9, 11), val=(0,), test=(5, 10))


def test_another_seed_gives_other_sets() -> None:
    assert split(distinct(100), 0) != split(distinct(100), 1)


def test_every_image_has_the_same_chances() -> None:
    digests = [*distinct(40), *["copied"] * 4]
    count = 600
    in_test = Counter(index for seed in range(count) for index in split(digests, seed).test)
    # The binomial standard deviation is 0.015.
    assert all(abs(in_test[index] / count - 0.15) < 0.06 for index in range(len(digests)))


def test_most_images_keep_their_sets_when_some_come() -> None:
    before, after = (set_of_each(split(distinct(count), 0)) for count in (1000, 1010))
    assert sum(before[index] != after[index] for index in before) < 30


@pytest.mark.parametrize("digests", [[], ["a"], ["a", "b"], ["a", "b"] * 50])
def test_too_few_distinct_images_are_refused(digests: list[str]) -> None:
    with pytest.raises(UserError, match=rf"{len(digests)} images?, {len(set(digests))} of them distinct.*At least 3"):
        split(digests, 0)


@pytest.mark.parametrize("fractions", [(0.8, 0.1, 0.2), (1.0, 0.0, 0.0), (1.2, -0.1, -0.1)])
def test_wrong_fractions_are_refused(fractions: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="add up to 1"):
        split(distinct(10), 0, fractions)


def test_other_fractions() -> None:
    assert [len(part) for part in sets(split(distinct(100), 0, (0.5, 0.3, 0.2)))] == [50, 30, 20]


# Caps

caps = st.none() | st.integers(1, 20)


@given(few_distinct, seeds, caps, caps)
def test_a_cap_takes_some_of_a_set_and_leaves_training_as_it_is(
    digests: list[str], seed: int, max_val: int | None, max_test: int | None
) -> None:
    whole, capped = split(digests, seed), split(digests, seed, max_val=max_val, max_test=max_test)
    assert capped.train == whole.train
    for part, of, cap in ((capped.val, whole.val, max_val), (capped.test, whole.test, max_test)):
        assert set(part) <= set(of)
        assert list(part) == sorted(part)
        assert len(part) == (len(of) if cap is None else min(cap, len(of)))


@given(few_distinct, seeds, st.randoms(use_true_random=False), st.integers(1, 10))
def test_what_a_cap_takes_depends_on_the_pixels_alone(digests: list[str], seed: int, random: object, cap: int) -> None:
    shuffled = list(digests)
    random.shuffle(shuffled)
    first, second = (
        [sorted(given[index] for index in part) for part in sets(split(given, seed, max_val=cap, max_test=cap))]
        for given in (digests, shuffled)
    )
    assert first == second


def test_a_smaller_cap_takes_some_of_what_a_larger_one_takes() -> None:
    splits = [split(distinct(1000), 0, max_val=cap, max_test=cap) for cap in (5, 20, 60)]
    assert all(
        set(small.val) < set(large.val) and set(small.test) < set(large.test) for small, large in pairwise(splits)
    )


def test_what_a_cap_takes_is_random() -> None:
    parts = [split(distinct(1000), seed, max_val=50).val for seed in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]
    whole = split(distinct(1000), 0).val
    assert parts[0] not in (whole[:50], whole[-50:])


@pytest.mark.parametrize("cap", [0, -1])
@pytest.mark.parametrize("name", ["max_val", "max_test"])
def test_a_cap_below_one_is_refused(name: str, cap: int) -> None:
    with pytest.raises(ValueError, match="max_val and max_test must be at least 1"):
        split(distinct(10), 0, **{name: cap})


# Groups

grouped = st.lists(st.tuples(st.integers(0, 40), st.sampled_from("pqrstuvw")), min_size=3, max_size=60)


def components(images: list[tuple[int, str]]) -> list[set[int]]:
    """Images that are connected by equal pixels or equal groups, found by joining sets until none overlap."""
    found = [{index} for index in range(len(images))]
    for index, (digest, group) in enumerate(images):
        joined = [one for one in found if any(images[i][0] == digest or images[i][1] == group for i in one)]
        found = [one for one in found if one not in joined] + [set().union({index}, *joined)]
    return found


@given(grouped, seeds)
def test_groups_share_a_set(images: list[tuple[int, str]], seed: int) -> None:
    digests, groups = [str(digest) for digest, _ in images], [group for _, group in images]
    joined = components(images)
    if len(joined) < 3:
        with pytest.raises(UserError, match=r"cannot be divided"):
            split(digests, seed, groups=groups)
        return
    splits = split(digests, seed, groups=groups)
    assert all(sets(splits))
    homes = set_of_each(splits)
    assert sorted(homes) == list(range(len(images)))
    for one in joined:
        assert len({homes[index] for index in one}) == 1


@given(grouped.filter(lambda images: len(components(images)) >= 3), seeds, st.randoms(use_true_random=False))
def test_names_of_groups_and_the_order_do_not_matter(images: list[tuple[int, str]], seed: int, random: object) -> None:
    order = list(range(len(images)))
    random.shuffle(order)
    home = set_of_each(split([str(digest) for digest, _ in images], seed, groups=[group for _, group in images]))
    shuffled = [images[index] for index in order]
    renamed = split([str(one) for one, _ in shuffled], seed, groups=[f"other {group}" for _, group in shuffled])
    assert {order[place]: number for place, number in set_of_each(renamed).items()} == home


@given(few_distinct, seeds)
def test_a_group_for_each_image_changes_nothing(digests: list[str], seed: int) -> None:
    assert split(digests, seed, groups=[str(index) for index in range(len(digests))]) == split(digests, seed)


def test_many_equal_groups_fill_the_sets_as_images_do() -> None:
    groups = [f"sequence {index // 10}" for index in range(400)]
    splits = split(distinct(400), 0, groups=groups)
    assert [len(part) for part in sets(splits)] == [300, 40, 60]
    capped = split(distinct(400), 0, groups=groups, max_val=7)
    assert len(capped.val) == 7
    assert set(capped.val) < set(splits.val)
    assert (capped.train, capped.test) == (splits.train, splits.test)


def test_a_new_image_in_a_group_moves_none() -> None:
    groups = [f"sequence {index // 10}" for index in range(400)]
    before = set_of_each(split([f"{index:03d}" for index in range(400)], 0, groups=groups))
    after = set_of_each(split([*(f"{index:03d}" for index in range(400)), "new"], 0, groups=[*groups, "sequence 7"]))
    assert after.pop(400) == before[70]
    moved = sum(before[index] != home for index, home in after.items())
    assert moved <= 20  # the sizes of the sets have changed by one


@pytest.mark.parametrize(
    ("digests", "groups", "start"),
    [
        ("abcd", "pppp", "data.group_by=folder: the 4 images are in 1 folder and cannot be divided"),
        ("abcd", "ppqq", "data.group_by=folder: the 4 images are in 2 folders and cannot be divided"),
        (
            "abcdcb",
            "ppqrsq",
            "data.group_by=folder: the 6 images are in 4 folders, 2 if those that share an identical image count as "
            "one, and cannot be divided",
        ),
        ("abba", "pqrs", "data: 4 images, 2 of them distinct, cannot be divided"),
    ],
)
def test_too_few_groups_are_refused(digests: str, groups: str, start: str) -> None:
    with pytest.raises(UserError) as caught:
        split(digests, 0, groups=groups)
    assert str(caught.value).startswith(start)
    assert ("set data.group_by=null" in str(caught.value)) == start.startswith("data.group_by")


# Folds


def folds_of(digests: list[str], seed: int, folds: int, **more: object) -> list[Splits]:
    return [split_fold(digests, seed, fold, folds, **more) for fold in range(folds)]


@given(few_distinct, seeds, st.integers(3, 6))
def test_folds_are_disjoint_and_hold_every_image(digests: list[str], seed: int, folds: int) -> None:
    if len(set(digests)) < folds:
        return
    divisions = folds_of(digests, seed, folds)
    assert sorted(index for one in divisions for index in one.test) == list(range(len(digests)))
    for one in divisions:
        assert all(sets(one))
        homes = set_of_each(one)
        assert sorted(homes) == list(range(len(digests)))
        for index, digest in enumerate(digests):
            assert homes[index] == homes[digests.index(digest)]


def test_folds_have_the_sizes_of_a_cross_validation() -> None:
    for folds in (2, 3, 5, 7, 10):
        sizes = [[len(part) for part in sets(one)] for one in folds_of(distinct(1000), 0, folds)]
        assert all(abs(test - 1000 / folds) < 1 for _, _, test in sizes)
        assert all(abs(val - (1000 - test) * 0.1 / 0.85) < 1 for _, val, test in sizes)


@given(grouped.filter(lambda images: len(components(images)) >= 4), seeds)
def test_groups_share_a_fold(images: list[tuple[int, str]], seed: int) -> None:
    digests, groups = [str(digest) for digest, _ in images], [group for _, group in images]
    for one in folds_of(digests, seed, 3, groups=groups):
        homes = set_of_each(one)
        assert all(len({homes[index] for index in joined}) == 1 for joined in components(images))


@given(few_distinct.filter(lambda digests: len(set(digests)) >= 4), seeds, st.randoms(use_true_random=False))
def test_folds_depend_on_the_pixels_and_the_seed_alone(digests: list[str], seed: int, random: object) -> None:
    order = list(range(len(digests)))
    random.shuffle(order)
    shuffled = [digests[index] for index in order]
    pixels = [
        [[sorted(given[index] for index in part) for part in sets(one)] for one in folds_of(given, seed, 3)]
        for given in (digests, shuffled)
    ]
    assert pixels[0] == pixels[1]
    assert folds_of(distinct(30), 0, 3) != folds_of(distinct(30), 1, 3)


def test_the_folds_of_a_seed_never_change() -> None:
    # Published results depend on them.
    assert split_fold(distinct(12), 7, 0, 3) == Splits(train=(0, 1, 5, 7, 8, 9, 11), val=(10,), test=(2, 3, 4, 6))


def test_a_cap_of_a_fold_leaves_training_as_it_is() -> None:
    whole, capped = split_fold(distinct(100), 0, 1, 5), split_fold(distinct(100), 0, 1, 5, max_val=3, max_test=4)
    assert capped.train == whole.train
    assert (len(capped.val), len(capped.test)) == (3, 4)
    assert set(capped.val) < set(whole.val)
    assert set(capped.test) < set(whole.test)


@pytest.mark.parametrize(
    ("digests", "folds", "groups", "sentence"),
    [
        ("abcd", 5, None, "4 images, 4 of them distinct, cannot be divided into data.folds=5 folds"),
        ("aabc" * 9 + "b" * 40, 2, None, "of data.folds=2 leaves images that have to stay together"),
        ("abcdef", 5, "ppqqrr", "in 3 folders and cannot be divided into data.folds=5 folds"),
    ],
)
def test_too_many_folds_are_refused(digests: str, folds: int, groups: str | None, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        folds_of(list(digests), 0, folds, groups=groups)
