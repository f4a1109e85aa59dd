"""The arguments of a command, separated: Hydra's flags in any place, and overrides KEY=VALUE."""

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from hydra._internal.utils import get_args_parser

from deblur.config.keys import options
from deblur.config.misplaced import explain_bare, explain_flag, is_bare
from deblur.config.places import conf_dir
from deblur.errors import UserError

_SWITCHES: Final = ("help", "hydra_help", "resolve", "run", "shell_completion")
_VALUES: Final = ("cfg", "info", "package", "config_path", "config_name", "config_dir")
_SHOWING: Final = ("help", "hydra_help", "cfg", "info", "shell_completion")


@dataclass(frozen=True)
class Arguments:
    """The parts of a command line.

    Attributes:
        overrides: KEY=VALUE, +KEY=VALUE, ++KEY=VALUE and ~KEY, as they were given.
        flags: Hydra's, in their long form and each in one word, without `--multirun`.
        multirun: whether the command is a sweep.
        shows: the flag that asks for a text in place of a run; None if there is none.
        folders: with configuration files, that with the main one first.
        config_name: the main file, without its suffix.
    """

    overrides: tuple[str, ...]
    flags: tuple[str, ...]
    multirun: bool
    shows: str | None
    folders: tuple[str, ...]
    config_name: str


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message.removeprefix('argument ').rstrip('.')}.")


def read_arguments(argv: Sequence[str], config_name: str) -> Arguments:
    """Separate Hydra's flags and the overrides.

    Args:
        argv: the arguments, without the program's name.
        config_name: the command, a file in conf/.

    Raises:
        UserError: for a flag that does not exist or lacks its value, for an argument that is neither a flag nor an
            override, for a key that is given twice, and for what this program does not support of Hydra.
    """
    parser = _Parser(parents=[get_args_parser()], add_help=False)
    known, unknown = parser.parse_known_intermixed_args(list(_with_value_of_info(argv)))
    if unknown:
        raise UserError(explain_flag(unknown[0], argv, config_name))
    if known.experimental_rerun is not None:
        raise UserError(
            "--experimental-rerun is not supported: python -m deblur.train resume=DIR continues a run, and a sweep is "
            "continued by the same command."
        )
    if known.multirun and config_name != "train":
        raise UserError(
            f"-m is for python -m deblur.train: leave it out, and give python -m deblur.{config_name} once for each "
            "value."
        )
    for name in ("config_path", "config_dir"):
        setattr(known, name, _absolute(getattr(known, name)))
    name = (known.config_name or config_name).removesuffix(".yaml")
    folders = _folders_with(name, known, config_name)
    shows = next((name for name in _SHOWING if getattr(known, name)), None)
    overrides = [] if shows == "hydra_help" else list(known.overrides)  # it is composed without our configuration
    if shows == "help":
        overrides = [override for override in overrides if not is_bare(override)]
    elif shows != "shell_completion":
        for place, override in enumerate(overrides):
            if is_bare(override):
                raise UserError(explain_bare(place, overrides, config_name))
        if config_name != "train":  # whose commands are widened by adding to them: the last one counts
            _refuse_twice(overrides)
    flags = [f"--{name.replace('_', '-')}" for name in _SWITCHES if getattr(known, name)]
    flags += [f"--{name.replace('_', '-')}={getattr(known, name)}" for name in _VALUES if getattr(known, name)]
    return Arguments(tuple(overrides), tuple(flags), known.multirun, shows, folders, name)


def _with_value_of_info(argv: Sequence[str]) -> Iterator[str]:
    """Yield the arguments, with the value of an `--info` that has none: argparse would take an override for it."""
    for place, argument in enumerate(argv):
        follower = argv[place + 1] if place + 1 < len(argv) else ""
        is_alone = argument in ("--info", "-i") and ("=" in follower or follower.startswith(("-", "~")))
        yield "--info=all" if is_alone else argument


def _absolute(place: str | None) -> str | None:
    """Return a folder as Hydra finds it from anywhere: it takes `--config-path` to be relative to this package."""
    return place if place is None or "://" in place else os.path.abspath(os.path.expanduser(place))  # noqa: PTH100, PTH111 # as below


def _folders_with(name: str, known: argparse.Namespace, config_name: str) -> tuple[str, ...]:
    """Return the folders of configuration files.

    Raises:
        UserError: for one that is not there, and if none has the main file: Hydra does not name the folders.
    """
    for key in ("config_path", "config_dir"):
        place = getattr(known, key)
        if place is not None and "://" not in place and not Path(place).is_dir():
            raise UserError(f"--{key.replace('_', '-')}={place} is no folder: give one with configuration files.")
    own = str(conf_dir())
    folders = tuple(filter(None, (known.config_path or own, known.config_dir)))
    having = [folder for folder in folders if "://" in folder or Path(folder, f"{name}.yaml").is_file()]
    if not having:
        preset = f" For the preset write experiment={name}." if name in options("experiment") else ""
        raise UserError(
            f"There is no {name}.yaml in {' or '.join(folders)}: name a file that is there with --config-name, or "
            f"leave out --config-name and --config-path.{preset}"
        )
    if having == [own] and name != config_name:
        raise UserError(f"--config-name={name} is for python -m deblur.{name}: leave it out, or name a file of yours.")
    return folders


def _refuse_twice(overrides: Sequence[str]) -> None:
    """Refuse a key that is given two values: all but the last one would be left out silently."""
    values: dict[str, str] = {}
    for override in overrides:
        key, equals, value = override.lstrip("+").partition("=")
        if equals and values.setdefault(key, value) != value:
            raise UserError(f"{key} is given twice, as {values[key]} and {value}: give it once.")
