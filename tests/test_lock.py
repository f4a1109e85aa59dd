"""The versions of each lock go together; those of requirements-oldest.lock are the lower bounds of pyproject.toml."""

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pinned(name: str) -> dict[str, Version]:
    """Return the versions of a lock."""
    pins = re.findall(r"^(.+)==(.+)$", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
    return {canonicalize_name(package): Version(version) for package, version in pins}


LOCK = pinned("requirements.lock")
OLDEST = pinned("requirements-oldest.lock")
INSTALLED = ("dev", "demo")  # extras, by `make`


def demands(texts: list[str], extra: str = "") -> Iterator[Requirement]:
    """Yield the requirements that are in force here."""
    for requirement in map(Requirement, texts):
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement


OWN = [*PROJECT["dependencies"], *(each for extra in INSTALLED for each in PROJECT["optional-dependencies"][extra])]


def test_each_requirement_of_the_project_has_an_allowed_version_in_the_lock() -> None:
    wrong = [str(one) for one in demands(OWN) if LOCK[canonicalize_name(one.name)] not in one.specifier]
    assert wrong == []


@pytest.mark.parametrize("lock", [LOCK, OLDEST], ids=["lock", "oldest"])
def test_what_a_locked_package_requires_is_locked_in_an_allowed_version(lock: dict[str, Version]) -> None:
    if lock is OLDEST and sys.version_info[:2] != (3, 11):
        pytest.skip("requirements-oldest.lock is for Python 3.11")
    packages = {canonicalize_name(one.name): one for one in distributions()}
    # Packages of other versions have other requirements, and some are of extras that are not installed.
    known = [name for name in lock if name in packages and Version(packages[name].version).public == str(lock[name])]
    wrong = [
        f"{name} requires {one}: the lock has {lock[key]}"
        for name in known
        for one in demands(packages[name].requires or [])
        if (key := canonicalize_name(one.name)) in lock and lock[key] not in one.specifier
    ]
    assert wrong == []


def test_the_oldest_lock_has_the_lower_bound_of_each_requirement_of_the_project() -> None:
    extras = PROJECT["optional-dependencies"].values()
    wrong = []
    for one in map(Requirement, [*PROJECT["dependencies"], *(each for extra in extras for each in extra)]):
        (bound,) = (Version(part.version) for part in one.specifier if part.operator in (">=", "=="))
        version = OLDEST[canonicalize_name(one.name)]
        if version not in one.specifier or version.release[: len(bound.release)] != bound.release:
            wrong.append(f"{one}: the lock has {version}")
    assert wrong == []
