"""Turn the runs of sweeps into a report: `python -m deblur.report NAME`."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from deblur.cli import PlainCommand, command_app, not_empty, place, run_app
from deblur.errors import UserError, disk_error

EXAMPLES = """\b
Examples:
  python -m deblur.report grid          writes outputs/sweeps/grid/report/report.html
  python -m deblur.report grid other    two or more sweeps side by side, in outputs/reports/grid+other/
  python -m deblur.report --list        all runs and sweeps with their states
  python -m deblur.report grid --list   the runs of one sweep
  python -m deblur.report grid --vector every figure as PDF and SVG too; table.tex, for LaTeX, is always written"""

app = command_app()


@app.command("report", cls=PlainCommand, epilog=EXAMPLES)
def report(
    sweeps: Annotated[
        list[str] | None,
        typer.Argument(parser=not_empty, metavar="SWEEPS", help="Names of sweeps; with --list they may be left out."),
    ] = None,
    list_runs: Annotated[
        bool, typer.Option("--list", help="Show runs and sweeps with their states in place of a report.")
    ] = False,
    grids: Annotated[
        bool, typer.Option("--grids/--no-grids", help="Whether the report holds comparison grids of test images.")
    ] = True,
    vector: Annotated[
        bool, typer.Option("--vector", help="Write each figure also as a PDF and an SVG file, for papers.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            parser=place,
            metavar="DIR",
            help="Folder of the report. [default: report/ in the sweep's folder; of several sweeps, a folder in "
            "reports/]",
        ),
    ] = None,
    output_root: Annotated[
        Path, typer.Option(parser=place, metavar="DIR", help="Folder that holds runs/ and sweeps/.")
    ] = Path("outputs"),
) -> None:
    """Write tables, figures and a page that answers which network removes which blur."""
    names = list(dict.fromkeys(sweeps or ()))
    if not names and not list_runs:
        raise UserError("SWEEPS is missing: give the name of a sweep, or --list to see them.")
    from deblur.announcing import announce  # rich takes a while to import

    announce(f"Reading {', '.join(names) or output_root}", when_piped=not list_runs)
    from deblur.files import no_folder
    from deblur.runs.paths import sweep_folder

    refused = None if output is None else no_folder(output)
    if refused:
        raise UserError(f"--output {output} {refused}")
    folders = [sweep_folder(output_root, name, "--output-root DIR") for name in names]
    if list_runs:
        _list(folders, output_root)
    else:
        together = output_root / "reports" / "+".join(names)
        usual = folders[0] / "report" if len(folders) == 1 else together
        _write(folders, usual if output is None else output, grids=grids, vector=vector)


def _list(folders: Sequence[Path], root: Path) -> None:
    from deblur.console import say  # rich takes a while to import
    from deblur.reporting.listing import listing, state_table
    from deblur.streams import output_failure
    from deblur.text import paragraphs

    say(paragraphs(*map(state_table, folders)) if folders else listing(root))
    lost = output_failure()
    if lost is not None:  # the list is all that was asked for
        raise UserError(f"The list could not be written to standard output ({lost.strerror}).")


def _write(folders: Sequence[Path], output: Path, *, grids: bool, vector: bool) -> None:
    from deblur.console import say
    from deblur.reporting.listing import sweep_table
    from deblur.reporting.page import LATEX_FILE, RESULTS_FILE, read_findings, write_findings
    from deblur.text import lines, paragraphs

    findings = read_findings(folders)
    try:
        page, damages = write_findings(findings, output, grids=grids, vector=vector)
    except OSError as error:
        raise disk_error(
            error, f"{output} cannot be written ({error.strerror}): choose another with --output DIR."
        ) from error
    parts = [*map(sweep_table, findings.sweeps), *(found.sentence for found in findings.answers)]
    numbers = f"All numbers are in {page.with_name(RESULTS_FILE)}, a LaTeX table in {page.with_name(LATEX_FILE)}"
    parts.append(lines(f"The report is {page}", numbers))
    say(paragraphs(*parts))
    if damages:
        raise UserError(" ".join(damages))


main: Final = partial(run_app, app, program="python -m deblur.report")
"""Run the command line, by default that of this process, and return its exit code."""


if __name__ == "__main__":
    sys.exit(main())
