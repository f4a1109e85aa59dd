"""Turn the runs of a sweep into a report: `python -m deblur.report sweep=NAME`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from deblur.config.command_line import run
from deblur.config.commands import check_report
from deblur.console import say
from deblur.errors import UserError
from deblur.reporting.listing import listing, state_table, sweep_table
from deblur.reporting.page import RESULTS_FILE, read_findings, write_findings
from deblur.runs.whereabouts import sweep_folder
from deblur.streams import output_failure
from deblur.text import lines, paragraphs


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; see `python -m deblur.report --help`.

    Args:
        argv: the words of the command line; by default those of this process.

    Returns:
        The exit code.
    """
    return run("report", _task, argv)


def _task(composed: DictConfig) -> None:
    config = check_report(composed)
    root = Path(config["paths"]["output_root"])
    folders = [sweep_folder(root, name) for name in config["sweep"]]
    if config["list"]:
        say(paragraphs(*map(state_table, folders)) if folders else listing(root))
        lost = output_failure()
        if lost is not None:  # the list is all that was asked for
            raise UserError(f"The list could not be written to standard output ({lost.strerror}).")
        return
    together = root / "reports" / "+".join(config["sweep"])
    usual = folders[0] / "report" if len(folders) == 1 else together
    output = usual if config["output"] is None else Path(config["output"])
    findings = read_findings(folders)
    try:
        page, damages = write_findings(findings, output, grids=config["grids"])
    except OSError as error:
        raise UserError(f"{output} cannot be written ({error.strerror}): choose another with output=DIR.") from error
    parts = [*map(sweep_table, findings.sweeps), *(found.sentence for found in findings.answers)]
    parts.append(lines(f"The report is {page}", f"All numbers are in {page.with_name(RESULTS_FILE)}"))
    say(paragraphs(*parts))
    if damages:
        raise UserError(" ".join(damages))


if __name__ == "__main__":
    sys.exit(main())
