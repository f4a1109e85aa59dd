import functools
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from prepared import prepare_argv

from deblur.config import check
from deblur.config.command_line import USAGE_ERRORS, conf_dir, explain, run
from deblur.errors import UserError
from deblur.train import main

Tree = dict[str, Any]


@functools.cache
def _composed(choices: tuple[str, ...]) -> Tree:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return OmegaConf.to_container(compose("train", list(choices)))


@pytest.fixture(scope="session")
def changed() -> Callable[..., Tree]:
    """Return the composed configuration of some chosen options, with keys set as by the words of a command line."""

    def change(choices: str, *overrides: str) -> Tree:
        tree = deepcopy(_composed(tuple(choices.split())))
        for override in OverridesParser.create().parse_overrides(list(overrides)):
            *sections, key = override.key_or_group.split(".")
            node = tree
            for section in sections:
                node = node.setdefault(section, {})
            node[key] = override.value()
        return tree

    return change


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    place = tmp_path / "workplace"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    return place


@pytest.fixture
def accepted(workplace: Path) -> Callable[..., list[Tree]]:  # noqa: ARG001
    """Run a command that does no more than checking; return the configuration of each job."""

    def configs(*overrides: str) -> list[Tree]:
        seen: list[Tree] = []
        assert run("train", lambda composed: seen.append(check(composed)), overrides) == 0
        return seen

    return configs


@pytest.fixture
def explained(workplace: Path) -> Callable[..., str]:  # noqa: ARG001
    """Return why words are refused, without the rest of a command; several times faster than `refused`."""

    def sentence(*overrides: str) -> str:
        try:
            with initialize_config_dir(str(conf_dir()), version_base="1.3"):
                check(compose("train", prepare_argv(overrides)))
        except UserError as error:
            return str(error)
        except USAGE_ERRORS as error:
            return explain(error, "train", overrides)
        pytest.fail("These words were accepted.")

    return sentence


@pytest.fixture
def refused(workplace: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a training command that is refused with one sentence and leaves nothing behind; return the sentence."""

    def sentence(*overrides: str) -> str:
        before = sorted(workplace.rglob("*"))
        assert main(overrides) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("error: ")
        assert said.err.endswith((".\n", "?\n"))
        assert said.err.count("\n") == 1
        assert "Error executing job" not in said.err
        assert sorted(workplace.rglob("*")) == before
        return said.err.removeprefix("error: ").rstrip()

    return sentence
