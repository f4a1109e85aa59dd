"""Measure trained networks and classical baselines: `python -m deblur.evaluate run=DIR`."""

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deblur.announcing import announce_measuring
from deblur.errors import PartlyDone, disk_errors_as_user_errors
from deblur.streams import guarded_output
from deblur.text import Lines, as_bytes

if TYPE_CHECKING:  # what is imported here comes before the first line
    from omegaconf import DictConfig

    from deblur.config import EvaluateConfig


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; see `python -m deblur.evaluate --help`.

    Args:
        argv: the words of the command line; by default those of this process.

    Returns:
        The exit code.
    """
    with guarded_output():
        announce_measuring(sys.argv[1:] if argv is None else argv)
        from deblur.config.command_line import run

        return run("evaluate", _task, argv, _adapted)


def _adapted(overrides: Sequence[str]) -> list[str]:
    """Return the overrides with `blur=none` if they choose pairs and no blur.

    conf/data/pairs.yaml says so, but Hydra applies that only to commands with a chosen blur.
    """
    lacks_blur = "data=pairs" in overrides and not any(override.startswith("blur=") for override in overrides)
    return [*overrides, *(["blur=none"] if lacks_blur else [])]


def _task(composed: "DictConfig") -> None:
    from deblur.config.commands import check_evaluate
    from deblur.console import say
    from deblur.evaluation.protocols.protocol import PROTOCOLS
    from deblur.inference.hub import refuse_no_network
    from deblur.runs.paths import refuse_unwritable

    config = check_evaluate(composed)

    try:
        with disk_errors_as_user_errors():
            for each in config.runs:
                refuse_no_network(each)
            if config.protocol is not None:
                PROTOCOLS[config.protocol.name].root(config.data)
            refuse_unwritable(Path(config.output or config.paths.output_root))  # measuring can take long
            measure = _compared if config.compare else _measured if config.protocol is None else _by_protocol
            said = measure(config)
    except PartlyDone as partly:
        say(partly.shown)
        raise
    say(said)


def _refuse_no_sweep(config: "EvaluateConfig") -> None:
    from deblur.runs.paths import sweep_folder

    if config.sweep is not None:
        sweep_folder(Path(config.paths.output_root), config.sweep)


def _compared(config: "EvaluateConfig") -> Lines:
    from deblur.evaluation.comparison import compare

    name = f"compare-{hashlib.sha256(as_bytes('|'.join(config.compare))).hexdigest()[:6]}"
    return compare(config.compare, Path(config.output or Path(config.paths.output_root) / "evaluations" / name))


def _by_protocol(config: "EvaluateConfig") -> Lines:
    _refuse_no_sweep(config)
    from deblur.evaluation.protocols.session import evaluate  # seconds of imports

    return evaluate(config)


def _measured(config: "EvaluateConfig") -> Lines:
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    from deblur.config import check

    _refuse_no_sweep(config)
    loaded = GlobalHydra.instance().config_loader().load_configuration("train", overrides=[], run_mode=RunMode.RUN)
    defaults = check({str(key): loaded[key] for key in loaded if key != "hydra"})
    from deblur.evaluation.matrix import matrix  # seconds of imports
    from deblur.evaluation.receptive_field import filters
    from deblur.evaluation.session import evaluate

    if config.matrix:
        return matrix(config, defaults)
    return filters(config, defaults) if config.optimal_linear else evaluate(config, defaults)


if __name__ == "__main__":
    sys.exit(main())
