"""The arguments of a training as Hydra gets them."""

from collections.abc import Sequence

from deblur.config.arguments import read_arguments
from deblur.config.command_line import hydra_argv, prepare_overrides


def prepare_argv(argv: Sequence[str]) -> list[str]:
    """Return the arguments of a training as Hydra's parser and grammar want them."""
    arguments = read_arguments(argv, "train")
    return hydra_argv(arguments, prepare_overrides(arguments))
