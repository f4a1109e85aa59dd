"""Sentences for arguments that are neither settings nor flags of Hydra, with what they may mean."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deblur.config.keys import PATH_KEYS, did_you_mean, known_keys, nearest, options, question, top_keys
from deblur.config.places import CONFIG_FILE

_FLAGS: Final = (
    "--help",
    "--hydra-help",
    "--version",
    "--info",
    "--cfg",
    "--package",
    "--resolve",
    "--multirun",
    "--config-path",
    "--config-name",
    "--config-dir",
    "--shell-completion",
)
_NEAR_FLAG: Final = 0.75  # of 1, the similarity of a misspelled flag; a setting is far more often meant
_BARE_KEYS: Final = {"evaluate": "run"}  # the key that a file or a name alone stands for


def is_bare(argument: str) -> bool:
    """Return whether an argument can be no override."""
    return "=" not in argument and not argument.startswith("~")


def explain_flag(flag: str, argv: Sequence[str], config_name: str) -> str:
    """Return a sentence for a flag that does not exist: other programs take their settings as flags.

    Args:
        flag: such as `--epochs` or `--lr=1e-3`.
        argv: the arguments that it is one of; the next one may be its value.
        config_name: the command, a file in conf/.
    """
    shown, equals, value = flag.partition("=")
    if not equals and flag in argv[:-1]:
        follower = argv[argv.index(flag) + 1]
        value = follower if is_bare(follower) and not follower.startswith("-") else ""
    name = shown.lstrip("-").replace("-", "_")
    near = None if name in top_keys(config_name) else nearest(shown, _FLAGS, _NEAR_FLAG)
    asked = question([near]) if near else _setting(name, value, config_name)
    asked = asked or f" python -m deblur.{config_name} --help lists the keys."
    return f"{shown} is no flag: settings are written KEY=VALUE, without hyphens before them.{asked}"


def explain_bare(place: int, overrides: Sequence[str], config_name: str) -> str:
    """Return a sentence for an argument without an equals sign.

    Args:
        place: which of the overrides it is.
        overrides: of the command.
        config_name: the command, a file in conf/.
    """
    argument, before = overrides[place], overrides[place - 1] if place else ""
    key, equals, value = before.partition("=")
    if not argument.strip():
        return "One of the arguments is empty: settings are written KEY=VALUE. Leave it out."
    if equals and not value:
        return f"{key}= has a blank after its equals sign: write {shlex.quote(f'{key}={argument}')}."
    if value.count("[") > value.count("]"):
        return f"{before} {argument} has a blank in its list: write {key}=[a,b] without blanks."
    if key in PATH_KEYS and equals and Path(f"{value} {argument}").exists():
        return f"{before} {argument} has a blank in its path: write {shlex.quote(f'{before} {argument}')}."
    asked = _meaning(place, overrides, config_name) or f" python -m deblur.{config_name} --help lists the keys."
    return f"{argument} is no setting: settings are written KEY=VALUE.{asked}"


def _setting(name: str, value: str, config_name: str) -> str:
    """Return a question for a key or an option that was written as a flag; nothing if it is like none."""
    if not value and isinstance(known_keys(config_name).get(name), bool):
        value = "true"
    if name in top_keys(config_name):
        return question([shlex.quote(f"{name}={value or 'VALUE'}")])
    return question([] if value else _choices(name, config_name)) or did_you_mean(name, config_name, value or None)


def _choices(name: str, config_name: str) -> list[str]:
    """Return GROUP=NAME for all groups of a command that have an option of this name, whatever its case."""
    groups = [group for group in sorted(top_keys(config_name)) if name.lower() in options(group)]
    return [f"{group}={name.lower()}" for group in groups]


def _meaning(place: int, overrides: Sequence[str], config_name: str) -> str:
    """Return a question for an argument without an equals sign, by what it looks like; nothing if it is unknown."""
    argument, follower = overrides[place], overrides[place + 1] if place + 1 < len(overrides) else ""
    if f"--{argument.lower()}" in _FLAGS and argument not in known_keys(config_name):
        return question([f"--{argument.lower()}"])
    name, colon, value = argument.partition(":")
    value = value.strip() if colon else follower if is_bare(follower) else ""
    is_key = name in known_keys(config_name) or name in top_keys(config_name)
    if is_key and (value or not _choices(argument, config_name)):  # search is an option and a section
        return question([shlex.quote(f"{name}={value or 'VALUE'}")])
    key, given = _BARE_KEYS.get(config_name), {override.partition("=")[0] for override in overrides}
    if key and key not in given and not any(map(is_bare, overrides[:place])):
        return question([shlex.quote(f"{key}={argument}")])
    if Path(argument, CONFIG_FILE).is_file() and "resume" in top_keys(config_name):
        return question([shlex.quote(f"resume={argument}")])
    if Path(argument).is_dir() and "data" in top_keys(config_name):
        return question([f"data=folder {shlex.quote(f'data.root={argument}')}"])
    return question(_choices(argument, config_name)) or did_you_mean(name, config_name, value or None)
