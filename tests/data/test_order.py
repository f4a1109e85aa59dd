import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deblur.data.order import REGIONS_IN_A_WINDOW, epoch_order

indices = st.lists(st.integers(0, 10**6), min_size=1, max_size=200, unique=True)
windows = st.none() | st.integers(1, 250)


@given(indices, st.integers(0, 2**32), st.integers(0, 100), windows)
def test_every_image_comes_once(given: list[int], seed: int, epoch: int, window: int | None) -> None:
    order = epoch_order(given, seed, epoch, window)
    assert order.dtype == np.int64
    assert sorted(order) == sorted(given)


@pytest.mark.parametrize("window", [None, 64])
def test_the_order_is_a_function_of_seed_and_epoch(window: int | None) -> None:
    orders = [epoch_order(range(500), seed, epoch, window).tolist() for seed in (0, 1) for epoch in (0, 1)]
    assert orders == [epoch_order(range(500), seed, epoch, window).tolist() for seed in (0, 1) for epoch in (0, 1)]
    assert len(set(map(tuple, orders))) == 4


@pytest.mark.parametrize("window", [None, 30, 31])
def test_what_fits_in_a_window_is_shuffled_as_a_whole(window: int | None) -> None:
    given = [7 * index % 31 for index in range(30)]
    expected = np.random.default_rng(np.random.SeedSequence([3, 4])).permutation(given)
    np.testing.assert_array_equal(epoch_order(given, 3, 4, window), expected)


def test_the_images_of_a_window_lie_in_few_regions() -> None:
    window = 320
    order = epoch_order(range(0, 40_000, 2), 0, 0, window)
    for start in range(0, len(order), window):
        places = np.sort(order[start : start + window])
        regions = 1 + np.count_nonzero(np.diff(places) > 2)
        assert regions <= REGIONS_IN_A_WINDOW + 2  # one may be cut at each end, and one is short


def test_the_order_within_a_window_is_shuffled() -> None:
    order = epoch_order(range(20_000), 0, 0, 320)
    assert np.count_nonzero(np.abs(np.diff(order)) == 1) < 500
    assert np.corrcoef(order, range(20_000))[0, 1] < 0.2


def test_an_order_given_to_the_images_does_not_matter_with_a_window() -> None:
    np.testing.assert_array_equal(epoch_order([*range(100)][::-1], 0, 0, 10), epoch_order(range(100), 0, 0, 10))


def test_a_window_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="window is 0 images"):
        epoch_order([1, 2, 3], 0, 0, 0)
