"""Write a trained network into one file that goes anywhere: `python -m deblur.export run=DIR format=onnx`."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from deblur.config.command_line import run
from deblur.config.commands import Export, check_command
from deblur.errors import disk_errors_as_user_errors
from deblur.inference.pretrained import PRETRAINED
from deblur.runs.whereabouts import refuse_no_run
from deblur.text import lines


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; see `python -m deblur.export --help`.

    Args:
        argv: the words of the command line; by default those of this process.

    Returns:
        The exit code.
    """
    return run("export", _task, argv)


def _task(composed: DictConfig) -> None:
    config = check_command(composed, Export)
    from deblur.console import say

    if config["run"] not in PRETRAINED:
        with disk_errors_as_user_errors():
            refuse_no_run(Path(config["run"]))
    from deblur.export.session import export  # seconds of imports

    with disk_errors_as_user_errors():
        exported = export(
            config["run"],
            config["format"],
            output=None if config["output"] is None else Path(config["output"]),
            overwrite=config["overwrite"],
            trusted=config["trusted"],
        )
    if exported.difference is not None:
        say(f"onnxruntime and torch differ by at most {exported.difference:.1e} on three sizes of images")
    say(lines(f"The network is {exported.file}", f"Its model card is {exported.card}"))
