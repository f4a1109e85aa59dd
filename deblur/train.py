"""Train one network, or one for each job of a sweep: `python -m deblur.train`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from deblur.config import check
from deblur.config.command_line import run
from deblur.errors import UserError
from deblur.resume import resumed_config
from deblur.run_names import run_folder
from deblur.runs import shared_run_folder


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; see `python -m deblur.train --help`.

    Args:
        words: the words of the command line; by default those of this process.

    Returns:
        The exit code.
    """
    return run("train", _task, words)


def _task(composed: DictConfig) -> None:
    config = check(composed)
    overrides = list(HydraConfig.get().overrides.task)
    if config["trusted"] and not any(word.lstrip("+").startswith("trusted=") for word in overrides):
        raise UserError(
            f"A configuration file asks to trust the modules {', '.join(config['trusted'])}: if you do, add "
            f"trusted=[{','.join(config['trusted'])}] to the command line."
        )
    if config["resume"] is not None:
        folder = Path(config["resume"]).resolve()
        config = check(resumed_config(folder, config, overrides))
    else:
        folder = shared_run_folder() or run_folder(config, overrides)
    from deblur.training.session import train  # seconds of imports, after everything that can be refused without them

    train(config, folder)


if __name__ == "__main__":
    sys.exit(main())
