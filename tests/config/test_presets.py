import itertools
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from prepared import prepare_argv

from deblur.config import check
from deblur.config.command_line import conf_dir

Accepted = Callable[..., list[dict[str, Any]]]

FILES = sorted(conf_dir().rglob("*.yaml"))
PRESETS = [path for path in FILES if path.parent.name in ("experiment", "debug")]
DEBUG_PRESETS = [path for path in PRESETS if path.parent.name == "debug"]
NAMED_GROUPS = ("model", "blur", "data")
TRAIN = "# python -m deblur.train"


def named(path: Path) -> str:
    return path.relative_to(conf_dir()).with_suffix("").as_posix()


def commands(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines()[:2] if line.startswith("# python -m deblur")]


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose("train", list(overrides), return_hydra_config=True)


def settings(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from settings(value, f"{prefix}{key}.")
        elif key != "defaults":
            yield f"{prefix}{key}", value


def chosen(tree: Mapping[str, Any]) -> dict[str, str]:
    """Return the options that a preset's defaults list chooses, by group."""
    overrides = [dict(entry) for entry in tree.get("defaults", []) if isinstance(entry, Mapping)]
    return {
        group.removeprefix("override ").lstrip("/"): option for entry in overrides for group, option in entry.items()
    }


def finds_each_key(preset: Path, config: DictConfig) -> int:
    tree = OmegaConf.to_container(OmegaConf.load(preset))
    assert isinstance(tree, dict)
    of_hydra = tree.pop("hydra", {})
    if "sweeper" in of_hydra:
        assert config.hydra.mode.name == of_hydra["mode"]
        assert config.hydra.sweeper.params == of_hydra["sweeper"]["params"]
    found = dict(settings(tree))
    for key, value in found.items():
        assert OmegaConf.select(config, key) == value, key
    for group, option in chosen(tree).items():
        assert config.hydra.runtime.choices[group] == option, group
    return len(found)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_file_starts_with_the_command_that_uses_it(path: Path) -> None:
    (command,) = commands(path)
    overrides = shlex.split(command.removeprefix("# "))
    group, option = path.parent.relative_to(conf_dir()).as_posix(), path.stem
    by_itself = {".": f"deblur.{option}", "hydra/help": "--help"}
    if group in by_itself:
        assert by_itself[group] in overrides
    else:
        chosen = re.findall(r"\w+", " ".join(word for word in overrides if word.startswith(f"{group}=")))
        assert option in chosen or any(word.startswith(f"{group}.") for word in overrides)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [path for path in FILES if commands(path)[0].startswith(TRAIN) and "--" not in commands(path)[0]], ids=named
)
def test_the_command_of_a_file_is_accepted(path: Path, tmp_path: Path) -> None:
    overrides = shlex.split(
        commands(path)[0]
        .removeprefix(TRAIN)
        .replace("data.blurred=DIR", f"data.blurred={shlex.quote(str(tmp_path.parent))}")
        .replace("DIR", shlex.quote(str(tmp_path)))
        .replace("FILE", shlex.quote(__file__))
    )
    config = composed(*prepare_argv(overrides))
    check(config)
    group, option = path.parent.name, path.stem
    if group in config.hydra.runtime.choices:
        assert option in config.hydra.runtime.choices[group]


@pytest.mark.parametrize("path", PRESETS, ids=named)
def test_each_key_of_a_preset_arrives(path: Path, tmp_path: Path) -> None:
    config = composed(f"{path.parent.name}={path.stem}", f"paths.cache_root={tmp_path}")
    assert finds_each_key(path, config) > 0
    check(config)


@pytest.mark.parametrize(
    ("debug", "experiment"),
    # Each preset once: their order in the defaults list is the same for all.
    list(zip(itertools.cycle(DEBUG_PRESETS), [path for path in PRESETS if path not in DEBUG_PRESETS], strict=False)),
    ids=named,
)
def test_a_debug_preset_wins_over_an_experiment(debug: Path, experiment: Path) -> None:
    finds_each_key(debug, composed(f"debug={debug.stem}", f"experiment={experiment.stem}"))


@pytest.mark.parametrize("kind", ["experiment", "debug"])
def test_a_preset_sets_any_key_and_any_group(accepted: Accepted, workplace: Path, kind: str) -> None:
    preset = workplace / "own" / kind / "mine.yaml"
    preset.parent.mkdir(parents=True)
    preset.write_text(
        """# @package _global_
defaults:
  - override /model: srcnn_9315
  - override /optimizer: sgd
seed: 7
sweep: grid
loss: l1
optimizer:
  lr: 0.5
model:
  dropout: 0.25
"""
    )
    (config,) = accepted("--config-dir", "own", f"{kind}=mine")
    assert (config.seed, config.sweep, config.loss) == (7, "grid", "l1")
    assert (config.optimizer.target, config.optimizer.lr) == ("torch.optim.SGD", 0.5)
    assert (config.model.name, config.model.dropout) == ("srcnn_9315", 0.25)


def test_the_command_line_wins_over_presets() -> None:
    config = composed("experiment=quick", "debug=overfit", "trainer.max_epochs=3", "model=srcnn_9315")
    assert config.trainer.max_epochs == 3
    assert config.hydra.runtime.choices.model == "srcnn_9315"
    assert composed("experiment=original", "model=original_9315").hydra.runtime.choices.model == "original_9315"


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.parent.name in NAMED_GROUPS and path.parent.parent == conf_dir()], ids=named
)
def test_an_option_is_named_as_its_file(path: Path) -> None:
    assert OmegaConf.load(path)["name"] == path.stem


def test_nothing_needs_hydra_to_be_resolved() -> None:
    assert not [named(path) for path in FILES if "${hydra:" in path.read_text(encoding="utf-8")]


def test_presets_come_last_and_the_primary_file_first() -> None:
    defaults = OmegaConf.load(conf_dir() / "train.yaml").defaults
    groups = [entry if isinstance(entry, str) else next(iter(entry)) for entry in defaults]
    own = [group for group in groups if not group.startswith("override ")]
    assert own[0] == "_self_"
    assert own[-2:] == ["experiment", "debug"]
