"""Show in the browser what a network makes of a blurred image: `python -m deblur.demo`."""

from collections.abc import Sequence

from omegaconf import DictConfig

from deblur.config.command_line import run
from deblur.config.commands import Demo, check_command


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; see `python -m deblur.demo --help`.

    Args:
        argv: the words of the command line; by default those of this process.

    Returns:
        The exit code: 130 after Ctrl-C, which is how the page is ended.
    """
    return run("demo", _task, argv)


def _task(composed: DictConfig) -> None:
    config = check_command(composed, Demo)
    from deblur.demo.server import serve

    serve(config)
