"""The keys that a command line can set, and those that a wrong key may mean."""

import difflib
import functools
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from omegaconf import DictConfig, OmegaConf

from deblur.config import schema
from deblur.config.places import conf_dir
from deblur.config.sections import Section

PATH_KEYS: Final = frozenset(
    {
        "blur.path",
        "data.blurred",
        "data.root",
        "data.sharp",
        "output",
        "paths.cache_root",
        "paths.output_root",
        "protocol.kernels",
        "resume",
        "run",
        "weights",
    }
)
TEXT_KEYS: Final = PATH_KEYS | {"data.blurred_folder", "data.sharp_folder", "sweep"}
"""Their values are text, even if they look like a number or a list."""

COMMANDS: Final = ("train", "evaluate")
"""The programs of Hydra: each has a file in conf/ and a schema."""

CAMERAS: Final = "blur/camera"
"""The group of the cameras, whose options are the section `blur.camera`."""

PRESETS: Final = ("experiment", "debug")
"""The groups whose options set keys of other groups."""

_LABELS: Final = ("_target_", "name")
_SYNONYMS: Final[Mapping[str, str]] = {  # what other programs call a key, if its spelling is far from ours
    "learning_rate": "optimizer.lr",
    "n_epochs": "trainer.max_epochs",
    "bs": "data.batch_size",
    "noise": "blur.noise_sigma",
    "device": "trainer.accelerator",
    "gpus": "trainer.devices",
    "channels": "model.widths",
    "filters": "model.widths",
    "checkpoint": "run",
    "ckpt": "run",
    "out": "output",
    "pretrained": "weights",
}
NEAR: Final = 0.6  # of 1, how similar two words are of which one can be a misspelling of the other
_VERY_NEAR: Final = 0.8
_MOST_ANNOTATED: Final = 2  # suggested keys of which each is shown with the options that have it


def read_yaml(path: Path) -> DictConfig:
    """Return a file of conf/, not resolved."""
    return DictConfig(OmegaConf.load(path))


def _plain(path: Path) -> dict[str, Any]:
    content = OmegaConf.to_container(read_yaml(path))
    return {str(key): value for key, value in content.items()} if isinstance(content, dict) else {}


def preset(group: str, name: str) -> dict[str, Any]:
    """Return the settings of an option of a group."""
    return _plain(conf_dir() / group / f"{name}.yaml")


def option_settings(group: str, name: str) -> dict[str, Any]:
    """Return the settings of an option of a group, with those of the options that it is based on."""
    content = preset(group, name)
    inherited: dict[str, Any] = {}
    for base in content.pop("defaults", []):
        if isinstance(base, str) and base != "_self_":
            inherited |= option_settings(group, base)
    return inherited | content


def options(group: str) -> list[str]:
    """Return the names of the options of a group that come with the package; none if it is no group."""
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml")) if group else []


@functools.cache
def top_keys(config_name: str) -> frozenset[str]:
    """Return the keys and groups at the top level of `conf/<config_name>.yaml`."""
    config = _plain(conf_dir() / f"{config_name}.yaml")
    groups = [str(next(iter(entry))) for entry in config["defaults"] if isinstance(entry, dict)]
    return frozenset({*config, *(name for name in groups if not name.startswith("override "))} - {"defaults", "hydra"})


@functools.cache
def known_keys(config_name: str) -> Mapping[str, Any]:
    """Return all full dotted keys of a command, those of all options of its groups, each with a value it may have."""
    top, found = _plain(conf_dir() / f"{config_name}.yaml"), {}
    for name in sorted(top_keys(config_name)):
        if name in PRESETS:
            continue
        if not options(name) and not isinstance(top[name], dict):
            found[name] = top[name]
        for choice in options(name):
            found |= _of_option(name, choice)
        if name in schema.BY_GROUP:
            found |= {**_of_schema(name, schema.BY_GROUP[name]), **found}
        if isinstance(top.get(name), dict):
            found |= dict(_below(name, top[name]))
    return found


@functools.cache
def _of_option(group: str, choice: str) -> Mapping[str, Any]:
    content = _plain(conf_dir() / group / f"{choice}.yaml")
    bases = [entry for entry in content.get("defaults", []) if isinstance(entry, str) and entry != "_self_"]
    inherited: dict[str, Any] = {}
    for base in bases:
        inherited |= _of_option(group, base)
    is_empty = group.rpartition("/")[2] in content  # scheduler=none and its kind: they set the group itself to null
    return inherited if is_empty else inherited | dict(_below(group.replace("/", "."), content))


def _below(prefix: str, content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the keys of a file or of a section in it with their values, and those that only the schema knows."""
    known = schema.BY_TARGET.get(str(content.get("_target_")))
    if known is not None:
        yield from _of_schema(prefix, known).items()
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _below(f"{prefix}.{key}", value)
        elif key != "defaults":
            yield f"{prefix}.{key}", value


def _of_schema(prefix: str, known: type[Section]) -> dict[str, Any]:
    return {
        f"{prefix}.{field.alias or name}": None if field.is_required() else field.default
        for name, field in known.model_fields.items()
    }


def candidates(key: str, config_name: str) -> list[str]:
    """Return the keys or the group that an unknown key may mean, the likeliest first.

    A key of the same last segment is taken before one that is only spelled alike, unless that stands in the section
    that was named: `lr` and `model.lr` mean `optimizer.lr`, `blur.sizes` means `blur.size`.

    Args:
        key: such as `lr`, `optimizer.lr` or `batch-size`.
        config_name: the command, a file in conf/.
    """
    known = known_keys(config_name)
    unshuffled = key.lower().replace("-", "_")
    section, _, last = unshuffled.rpartition(".")
    same = [one for one in known if one.lower() == unshuffled]
    if same:
        return same
    usual = sorted((one for one in known if _last(one) not in _LABELS), key=_by_depth)
    if section:
        near = nearest(last, [_last(one) for one in usual if one.rpartition(".")[0] == section])
        if near:
            return [f"{section}.{near}"]
        whole = nearest(unshuffled, usual, _VERY_NEAR)
        if whole:
            return [whole]
    same = [one for one in known if _last(one).lower() == last]
    if same:
        return sorted(same, key=_by_depth)  # blur.sigma before blur.families.gaussian.sigma
    if _SYNONYMS.get(last) in known:
        return [_SYNONYMS[last]]
    groups = [name for name in sorted(top_keys(config_name)) if options(name)]
    near = None if section else nearest(last, [*groups, *(one for one in usual if "." not in one)], _VERY_NEAR)
    if near:
        return [near]  # weights before blur.families.box.weight, and model before scheduler.mode
    names = [_last(one) for one in usual]
    parts = [name for name in names if f"_{last}_" in f"_{name}_"]  # batch is batch_size, and not path
    near = nearest(last, names, _VERY_NEAR) or nearest(last, parts) or nearest(last, names)
    return [one for one in usual if _last(one) == near][:1]


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _by_depth(key: str) -> tuple[int, str]:
    return key.count("."), key


def nearest(word: str, overrides: Collection[str], cutoff: float = NEAR) -> str | None:
    """Return the word of which another one is likeliest a misspelling, whatever the case of letters.

    Args:
        word: what was written.
        overrides: what can have been meant.
        cutoff: the least similarity, as difflib measures it, 0 to 1.

    Returns:
        One of `overrides`; None if none is near.
    """
    lower = {one.lower(): one for one in overrides}
    near = difflib.get_close_matches(word.lower(), list(lower), 1, cutoff)
    return lower[near[0]] if near else None


def did_you_mean(key: str, config_name: str, value: str | None = None) -> str:
    """Return a question with the keys that an unknown one may mean, as a sentence to add; nothing if none is near.

    Args:
        key: the unknown key.
        config_name: the command, a file in conf/.
        value: what the key was to be set to, if that is known.
    """
    return question(_assignments(candidates(key, config_name), config_name, value))


def _assignments(keys: Sequence[str], config_name: str, value: str | None) -> list[str]:
    shown = []
    for key in keys:
        group = key.partition(".")[0]
        # Most parameters of a blur are a number or a pair; any other list is always one.
        wants_list = isinstance(known_keys(config_name).get(key), list) and group != "blur"
        text = key if value is None or (wants_list and not value.startswith("[")) else f"{key}={value}"
        having = owners(key)
        # An option is not chosen for the sake of a key that most of them have.
        if len(keys) <= _MOST_ANNOTATED and 0 < len(having) <= len(options(group)) // 2:
            text += f" (of {group}={' or '.join(having)})"
        shown.append(text)
    return shown


def owners(key: str) -> list[str]:
    """Return the options that have a key, of the group that it lies in: gaussian for `blur.sigma`."""
    group = key.partition(".")[0]
    return [choice for choice in options(group) if key in _of_option(group, choice)]


def question(asked: Sequence[str]) -> str:
    """Return `Did you mean A, B or C?` as a sentence to add; nothing for none."""
    if not asked:
        return ""
    *first, last = asked
    return f" Did you mean {', '.join(first)} or {last}?" if first else f" Did you mean {last}?"
