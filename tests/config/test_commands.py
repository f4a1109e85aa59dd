"""What the commands beside the training take."""

from typing import Any

import pytest

from deblur.config.commands import check_report
from deblur.errors import UserError


def test_a_report_needs_the_name_of_a_sweep() -> None:
    paths = {"output_root": "outputs", "cache_root": None}
    given = {"sweep": "???", "list": False, "strips": True, "study": False, "output": None, "paths": paths}
    with pytest.raises(UserError, match=r"^sweep is missing: give the name of a sweep: sweep=NAME.$"):
        check_report(given)
    with pytest.raises(UserError, match=r"^paths.output_root=3 is not allowed: give a folder.$"):
        check_report(given | {"sweep": "grid", "paths": paths | {"output_root": 3}})
    assert check_report(given | {"list": True}) == given | {"list": True, "sweep": []}


@pytest.mark.parametrize(
    ("value", "names"), [("grid", ["grid"]), ("[a,b]", ["a", "b"]), ("[a, b,a]", ["a", "b"]), (["a", "b"], ["a", "b"])]
)
def test_a_report_takes_several_sweeps(value: Any, names: list[str]) -> None:
    paths = {"output_root": "outputs", "cache_root": None}
    given = {"sweep": value, "list": False, "strips": True, "study": False, "output": None, "paths": paths}
    assert check_report(given)["sweep"] == names
