"""Every option of every group passes, alone and with any others."""

import itertools
from typing import Any

import numpy as np
import pytest
from checking import Change, few
from hypothesis import assume, given
from hypothesis import strategies as st

from deblur.config import check
from deblur.config.command_line import conf_dir
from deblur.config.commands import EvaluateConfig
from deblur.config.schema import BY_GROUP, BY_TARGET, Section, TrainConfig
from deblur.config.sections import allowed

DRAWN = ("mixed", "motion_random", "trajectory", "varying")  # blurs of a kernel for each image
GROUPS = ("model", "blur", "optimizer", "scheduler", "data", "trainer", "callbacks", "logger")


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


@pytest.fixture(scope="module")
def sections(changed: Change, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """The composed section of every option of every group, keys that have to be given filled in."""
    root = tmp_path_factory.mktemp("images")
    np.save(root / "kernel.npy", np.ones((3, 3)))
    composed: dict[str, list[Any]] = {group: [] for group in GROUPS}
    for index in range(max(len(options(group)) for group in GROUPS)):
        chosen = {group: options(group)[index] for group in GROUPS if index < len(options(group))}
        tree = changed(" ".join(f"{group}={option}" for group, option in chosen.items()))
        for group in chosen:
            composed[group].append(tree[group])
    (root / "blurred").mkdir()
    given = {"root": str(root), "sharp": str(root), "blurred": str(root / "blurred"), "path": str(root / "kernel.npy")}
    for section in itertools.chain(*composed.values()):
        for key, value in (section or {}).items():
            if value == "???" or key in ("sharp", "blurred"):  # pairs can lie in one tree instead
                section[key] = given[key]
    return composed


@pytest.mark.parametrize("group", GROUPS)
def test_every_option_passes(changed: Change, sections: dict[str, list[Any]], group: str) -> None:
    assert len(sections[group]) == len(options(group)) >= 2
    for section in sections[group]:
        check(changed("") | {group: section})


@few
@given(choice=st.data())
def test_any_combination_of_options_passes(
    changed: Change, sections: dict[str, list[Any]], choice: st.DataObject
) -> None:
    chosen = {group: choice.draw(st.sampled_from(sections[group]), label=group) for group in GROUPS}
    # That non-blind networks have to know the kernel is tested in test_unrolled_settings
    is_one_kernel = chosen["data"]["name"] != "pairs" and chosen["blur"]["name"] != "varying"
    assume(is_one_kernel or chosen["model"]["name"] != "unrolled")
    check(changed("") | chosen)


@pytest.mark.parametrize("schema", [TrainConfig, EvaluateConfig, *BY_GROUP.values(), *BY_TARGET.values()])
def test_every_key_says_what_is_allowed(schema: type[Section]) -> None:
    assert all(allowed(field) for field in schema.model_fields.values())
