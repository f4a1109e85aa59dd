"""Measure trained networks and classical baselines: `python -m deblur.evaluate run=DIR`."""

import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig

from deblur.config import Config, check
from deblur.config.command_line import run
from deblur.config.commands import Evaluate, check_command
from deblur.errors import disk_errors_told
from deblur.text import Lines, as_bytes


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; see `python -m deblur.evaluate --help`.

    Args:
        words: the words of the command line; by default those of this process.

    Returns:
        The exit code.
    """
    given = sys.argv[1:] if words is None else words
    # A key of a group that is the run's own is not in conf/evaluate.yaml: `++` takes it, and is checked with the run's.
    taken = [re.sub(r"^(?=(data|blur)\.)", "++", word) for word in given]
    if "data=pairs" in taken and not any(word.startswith("blur=") for word in taken):
        taken.append("blur=none")  # conf/data/pairs.yaml says so, which Hydra applies to a blur that is chosen alone
    return run("evaluate", _task, taken)


def _task(composed: DictConfig) -> None:
    config = check_command(composed, Evaluate)
    with disk_errors_told():
        said = _compared(config) if config["compare"] else _measured(config)
    from deblur.console import say

    say(said)


def _compared(config: Config) -> Lines:
    from deblur.evaluation.comparison import compare

    name = f"compare-{hashlib.sha256(as_bytes('|'.join(config['compare']))).hexdigest()[:6]}"
    return compare(
        config["compare"], Path(config["output"] or Path(config["paths"]["output_root"]) / "evaluations" / name)
    )


def _measured(config: Config) -> Lines:
    loaded = GlobalHydra.instance().config_loader().load_configuration("train", overrides=[], run_mode=RunMode.RUN)
    defaults = check({str(key): loaded[key] for key in loaded if key != "hydra"})
    from deblur.evaluation.cross import cross  # seconds of imports
    from deblur.evaluation.receptive_field import filters
    from deblur.evaluation.session import evaluate

    if config["cross"]:
        return cross(config, defaults)
    return filters(config, defaults) if config["fir"] else evaluate(config, defaults)


if __name__ == "__main__":
    sys.exit(main())
