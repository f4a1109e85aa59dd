"""What the tests of `check` share."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings

from deblur.config import check
from deblur.errors import UserError

Change = Callable[..., dict[str, Any]]

few = settings(max_examples=30, deadline=None)


def refusal(config: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        check(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)
