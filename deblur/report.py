"""Tabulate the runs of a sweep: `python -m deblur.report sweep=NAME`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from deblur.config import check_report
from deblur.config.command_line import run
from deblur.errors import UserError
from deblur.files import write_csv
from deblur.reporting.results import collect, markdown


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; see `python -m deblur.report --help`.

    Args:
        words: the words of the command line; by default those of this process.

    Returns:
        The exit code.
    """
    return run("report", _task, words)


def _task(composed: DictConfig) -> None:
    config = check_report(composed)
    sweeps = Path(config["paths"]["output_root"]) / "sweeps"
    folder = sweeps / config["sweep"]
    if not folder.is_dir():
        known = ", ".join(sorted(path.name for path in sweeps.glob("*") if path.is_dir())) or "none"
        raise UserError(f"sweep={config['sweep']} does not exist in {sweeps}: the sweeps there are {known}.")
    rows = collect(folder)
    if not rows:
        raise UserError(f"{folder} holds no runs.")
    table = folder / "report" / "results.csv"
    write_csv(table, rows)
    sys.stdout.write(f"{markdown(rows)}\n\nAll columns are in {table}\n")


if __name__ == "__main__":
    sys.exit(main())
