"""The first line of a command: what it is about to do, before imports that take seconds."""

import re
import shlex
import sys
from collections.abc import Sequence
from typing import Final

from deblur.console import is_terminal, say
from deblur.processes import shared_run_folder

_SHOWING: Final = re.compile(r"(-h|-c|-i|-sc|--(help|hydra-help|cfg|info|shell-completion|version))(=.*)?")
"""Flags of Hydra's commands that ask for a text, in place of a run."""


def announce(text: str, *, when_piped: bool = True) -> None:
    """Print the first line of a command.

    A process that has imported torch before, such as a notebook, need not wait, and goes without; so do the further
    processes of a training on several devices.

    Args:
        text: what the command is about to do.
        when_piped: whether it is printed also if standard output is no terminal.
    """
    if "torch" not in sys.modules and shared_run_folder() is None and (when_piped or is_terminal()):
        say(f"{text} (loading libraries)")


def announce_training(argv: Sequence[str]) -> None:
    """Print the first line of `python -m deblur.train`, before its arguments are read."""
    overrides = _overrides(argv)
    if overrides is None:
        return
    folder = next((one.partition("=")[2] for one in overrides if one.startswith("resume=")), None)
    others = shlex.join(one for one in overrides if not one.startswith("resume="))
    if folder is not None:
        announce(f"Resuming {folder}{f' with {others}' if others else ''}")
        return
    doing = "Checking" if "dry_run=true" in map(str.lower, overrides) else "Training"
    what = " a sweep" if {"-m", "--multirun"} & set(argv) else ""
    announce(f"{doing}{what} with {others or 'the default settings'}")


def announce_measuring(argv: Sequence[str]) -> None:
    """Print the first line of `python -m deblur.evaluate`, before its arguments are read."""
    overrides = _overrides(argv)
    if overrides:  # without an argument it does nothing
        announce(f"Measuring with {shlex.join(overrides)}")


def _overrides(argv: Sequence[str]) -> list[str] | None:
    """Return the arguments besides the flags; None if the command shows a text."""
    if any(_SHOWING.fullmatch(argument) for argument in argv):
        return None
    return [argument for argument in argv if "=" in argument.lstrip("-+~") and not argument.startswith("-")]
