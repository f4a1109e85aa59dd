import numpy as np
import pytest

from deblur.reporting.intervals import mean_interval


def test_the_interval_of_a_normal_sample_is_that_of_the_textbook() -> None:
    values = np.random.default_rng(1).normal(3.0, 0.5, 400)
    found = mean_interval(values)
    assert found is not None
    half = 1.96 * values.std(ddof=1) / np.sqrt(400)
    assert found == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)
    assert 3.0 in found
    assert 3.2 not in found


def test_95_of_100_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(2)
    holding = [2.0 in found for _ in range(100) if (found := mean_interval(rng.exponential(2.0, 60)))]
    assert len(holding) == 100
    assert 88 <= sum(holding) <= 99


def test_a_second_call_says_the_same() -> None:
    values = np.random.default_rng(3).normal(size=30)
    assert mean_interval(values) == mean_interval(values)


def test_equal_values_are_an_interval_of_no_width() -> None:
    assert mean_interval(np.full(5, 0.25)) == (0.25, 0.25)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, np.nan], [np.inf, 2.0, np.nan]])
def test_one_image_tells_nothing_of_others(values: list[float]) -> None:
    assert mean_interval(np.array(values)) is None


def test_what_is_not_finite_is_left_out() -> None:
    values = np.random.default_rng(4).normal(size=20)
    assert mean_interval(np.append(values, [np.nan, np.inf])) == mean_interval(values)


@pytest.mark.filterwarnings("error")
def test_two_values_have_an_interval_between_them() -> None:
    found = mean_interval(np.array([1.0, 2.0]))
    assert found is not None
    assert (found.low, found.high) == (1.0, 2.0)
