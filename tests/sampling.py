"""Cases of slow tests that try the same on many things: some of them in every run, all of them in `make test-all`."""

from collections.abc import Iterable
from typing import TypeVar

import pytest
from _pytest.mark.structures import ParameterSet

Case = TypeVar("Case")


def sampled(cases: Iterable[Case], every: int) -> list[Case | ParameterSet]:
    """Return all cases; but for one in `every`, from the first on, they are exhaustive."""
    return [case if number % every == 0 else exhaustive(case) for number, case in enumerate(cases)]


def exhaustive(case: object, *, is_one: bool = False) -> ParameterSet:
    """Return a case that only `make test-all` tries.

    Args:
        case: the value of one parameter, or a tuple of the values of several.
        is_one: whether a tuple is the value of one parameter.
    """
    values = case if isinstance(case, tuple) and not is_one else (case,)
    return pytest.param(*values, marks=(pytest.mark.slow, pytest.mark.exhaustive))
