"""Restore one's own images: `python -m deblur.restore input=photo.jpg`."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from deblur.config.command_line import run
from deblur.config.commands import Restore, check_command
from deblur.errors import disk_errors_as_user_errors


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; see `python -m deblur.restore --help`.

    Args:
        argv: the words of the command line; by default those of this process.

    Returns:
        The exit code: 0 where every image was restored, or had been before.
    """
    return run("restore", _task, argv, _adapted)


def _adapted(overrides: Sequence[str]) -> list[str]:
    """Return the overrides with `++` before keys of the network's own blur, which are checked with that."""
    return [re.sub(r"^(?=blur\.)", "++", override) for override in overrides]


def _task(composed: DictConfig) -> None:
    config = check_command(composed, Restore)
    from deblur.console import say  # rich takes a while to import
    from deblur.inference.places import plan
    from deblur.inference.session import compare_networks, restore_images

    with disk_errors_as_user_errors():
        tasks = plan(Path(config["input"]), None if config["output"] is None else Path(config["output"]))
        said = compare_networks(tasks, config) if config["network"] == "list" else restore_images(tasks, config)
    say(said)


if __name__ == "__main__":
    sys.exit(main())
