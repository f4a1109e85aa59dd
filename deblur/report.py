"""Turn the runs of a sweep into a report: `python -m deblur.report sweep=NAME`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from deblur.config.command_line import run
from deblur.config.commands import check_report
from deblur.errors import UserError
from deblur.reporting.listing import listing, state_table
from deblur.reporting.page import RESULTS_FILE, read_findings, write_findings
from deblur.reporting.study import write_study
from deblur.runs.whereabouts import sweep_folder


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
    root = Path(config["paths"]["output_root"])
    folders = [sweep_folder(root, name) for name in config["sweep"]]
    if config["list"]:
        sys.stdout.write("\n\n".join(map(state_table, folders)) if folders else listing(root))
        sys.stdout.write("\n")
        return
    together = root / "reports" / "+".join(config["sweep"])
    usual = folders[0] / "report" if len(folders) == 1 else together
    output = usual if config["output"] is None else Path(config["output"])
    findings = read_findings(folders)
    try:
        if config["study"]:
            page = write_study(findings, output)
        else:
            page = write_findings(findings, output, strips=config["strips"])
    except OSError as error:
        raise UserError(f"{output} cannot be written ({error.strerror}): choose another with output=DIR.") from error
    if config["study"]:
        sys.stdout.write(f"The page is {page}\nIts figures are in {page.with_suffix('')}\n")
        return
    parts = [*map(state_table, folders), *(found.sentence for found in findings.answers)]
    parts.append(f"The report is {page}\nAll numbers are in {page.with_name(RESULTS_FILE)}")
    sys.stdout.write("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    sys.exit(main())
