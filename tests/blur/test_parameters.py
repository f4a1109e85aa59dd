from collections import Counter

import numpy as np
import pytest

from deblur.blur.parameters import Interval

DRAWS = 4000


def drawn(interval: Interval, count: int = DRAWS) -> list[float]:
    rng = np.random.default_rng(0)
    return [interval.draw(rng) for _ in range(count)]


@pytest.mark.parametrize("setting", [3, 3.0, np.float64(3), [3, 3], (3.0, 3.0)])
def test_a_scalar_is_a_fixed_value(setting: float) -> None:
    interval = Interval.of(setting)
    assert interval.is_fixed
    assert set(drawn(interval, 10)) == {3.0}


def test_a_pair_is_drawn_uniformly() -> None:
    values = np.array(drawn(Interval.of([2, 6])))
    assert values.min() >= 2
    assert values.max() <= 6
    shares = np.histogram(values, bins=8, range=(2, 6))[0] / DRAWS
    np.testing.assert_allclose(shares, 1 / 8, atol=0.02)  # 4 standard deviations


def test_whole_numbers_are_all_equally_likely() -> None:
    counts = Counter(drawn(Interval.of([70, 73], "whole")))
    assert counts.keys() == {70, 71, 72, 73}
    np.testing.assert_allclose(np.array(list(counts.values())) / DRAWS, 1 / 4, atol=0.03)


@pytest.mark.parametrize("setting", [[3, 9], [2, 10]])
def test_odd_numbers_are_all_equally_likely(setting: list[float]) -> None:
    counts = Counter(drawn(Interval.of(setting, "odd")))
    assert counts.keys() == {3, 5, 7, 9}
    np.testing.assert_allclose(np.array(list(counts.values())) / DRAWS, 1 / 4, atol=0.03)


@pytest.mark.parametrize("setting", [[3, 2], [1, 2, 3], [1], "3", [None, 3], float("nan"), [0, float("inf")]])
def test_what_is_no_interval_is_refused(setting: list[float]) -> None:
    with pytest.raises(ValueError, match=r"must be .*\[low, high\]"):
        Interval.of(setting)


def test_whole_and_odd_numbers_are_required_where_asked_for() -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        Interval.of([1, 2.5], "whole")
    with pytest.raises(ValueError, match="no odd number"):
        Interval.of(4, "odd")
