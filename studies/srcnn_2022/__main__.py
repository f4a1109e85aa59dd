"""The 2022 study compared with our runs: `python -m studies.srcnn_2022 grid original_box claims --output docs`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from deblur.cli import PlainCommand, command_app, run_app
from deblur.console import say
from deblur.errors import UserError, disk_error
from deblur.reporting.page import read_findings
from deblur.runs.paths import sweep_folder
from deblur.text import lines
from studies.srcnn_2022.page import write_study

app = command_app()


@app.command(cls=PlainCommand)
def page(
    sweeps: Annotated[list[str], typer.Argument(help="Names of sweeps.")],
    output: Annotated[Path, typer.Option(help="Folder for the page and its figures.")] = Path("docs"),
    output_root: Annotated[Path, typer.Option(help="Folder that holds the sweeps' folder.")] = Path("outputs"),
) -> None:
    """Write original_study.md: runs compared with the losses and claims that the 2022 study published."""
    try:
        findings = read_findings([sweep_folder(output_root, name, "--output-root DIR") for name in sweeps])
        output.mkdir(parents=True, exist_ok=True)
        page = write_study(findings, output)
    except OSError as error:
        raise disk_error(
            error, f"{output} cannot be written ({error.strerror}): choose another with --output."
        ) from error
    say(lines(f"The page is {page}", f"Its figures are in {page.with_suffix('')}"))
    damages = [damage for sweep in findings.sweeps for damage in sweep.damages]
    if damages:
        raise UserError(" ".join(damages))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; see `python -m studies.srcnn_2022 --help`.

    Args:
        argv: the arguments; by default those of this process.

    Returns:
        The exit code.
    """
    return run_app(app, argv, program="python -m studies.srcnn_2022")


if __name__ == "__main__":
    sys.exit(main())
