"""Measure trained networks and classical baselines: `python -m deblur.evaluate run=DIR`."""

import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig

from deblur.config.check import check, check_evaluation
from deblur.config.command_line import run


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; see `python -m deblur.evaluate --help`.

    Args:
        words: the words of the command line; by default those of this process.

    Returns:
        The exit code.
    """
    given = sys.argv[1:] if words is None else words
    # A key of a group that is the run's own is not in conf/evaluate.yaml: `++` takes it, and is checked with the run's.
    return run("evaluate", _task, [re.sub(r"^(?=(data|blur)\.)", "++", word) for word in given])


def _task(composed: DictConfig) -> None:
    config = check_evaluation(composed)
    if config["compare"]:
        from deblur.evaluation.comparison import compare

        name = f"compare-{hashlib.sha256('|'.join(config['compare']).encode()).hexdigest()[:6]}"
        output = Path(config["output"] or Path(config["paths"]["output_root"]) / "evaluations" / name)
        sys.stdout.write(f"{compare(config['compare'], output)}\n")
        return
    loaded = GlobalHydra.instance().config_loader().load_configuration("train", overrides=[], run_mode=RunMode.RUN)
    defaults = check({str(key): loaded[key] for key in loaded if key != "hydra"})
    from deblur.evaluation.session import cross, evaluate, filters  # seconds of imports

    if config["cross"]:
        said = cross(config)
    elif config["fir"]:
        said = filters(config, defaults)
    else:
        said = evaluate(config, defaults)
    sys.stdout.write(f"{said}\n")


if __name__ == "__main__":
    sys.exit(main())
