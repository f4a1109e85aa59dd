"""The report of one or more sweeps: results.csv, report.md, report.html and the figures."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deblur.errors import UserError
from deblur.files import remove_partial_files, write_bytes, write_csv, write_text
from deblur.reading import UnusableFile
from deblur.reporting.answers import Answer, answer
from deblur.reporting.cells import Table, arrange
from deblur.reporting.markdown import markdown_environment
from deblur.reporting.origins import notices, origin_table
from deblur.reporting.results import Row, Sweep, read_sweep, rows_of
from deblur.reporting.tables import (
    answer_table,
    cell_table,
    cost_table,
    extremes_table,
    problem_table,
    run_table,
    unfinished_table,
)
from deblur.text import cell, kept_lines

if TYPE_CHECKING:  # matplotlib and jinja2 are loaded when a report is written
    from jinja2 import Environment

    from deblur.reporting.pictures import Picture

RESULTS_FILE = "results.csv"
MARKDOWN_FILE = "report.md"
PAGE_FILE = "report.html"


@dataclass(frozen=True)
class Findings:
    """What some sweeps tell."""

    sweeps: list[Sweep]
    table: Table
    answers: list[Answer]


def read_findings(folders: Sequence[Path]) -> Findings:
    """Read one sweep, or several side by side, and compare their finished runs.

    Raises:
        UserError: if a sweep holds no run.
    """
    return findings_of([read_sweep(folder) for folder in folders])


def findings_of(sweeps: list[Sweep]) -> Findings:
    """Compare the finished runs of sweeps that have been read; see `read_findings`."""
    for sweep in sweeps:
        if not sweep.runs:
            raise UserError(f"{sweep.folder} holds no runs.")
    table = arrange(sweeps)
    return Findings(sweeps, table, [found for problem in table.problems if (found := answer(problem)) is not None])


def write_report(folders: Sequence[Path], output: Path, *, strips: bool = True) -> Path:
    """Write the report of one sweep, or of several side by side.

    Args:
        folders: the folders of the sweeps.
        output: where results.csv, report.md, report.html and the figures go.
        strips: whether pictures of test images are part of it.

    Returns:
        The path of report.html.

    Raises:
        UserError: if a sweep holds no run.
    """
    page, _ = write_findings(read_findings(folders), output, strips=strips)
    return page


def write_findings(findings: Findings, output: Path, *, strips: bool) -> tuple[Path, list[str]]:
    """Write the report of what has been read; see `write_report`.

    Returns:
        The path of report.html, and a sentence for each file that could not be used: what is in it is left out.
    """
    damages = [damage for sweep in findings.sweeps for damage in sweep.damages]
    figures = _figures(findings, strips, damages)
    content = _texts(findings, damages) | figures
    remove_partial_files(output)
    write_csv(output / RESULTS_FILE, _rows(findings))
    if (output / PAGE_FILE).is_file():  # of an earlier report, whose pictures may be others
        for old in output.glob("strip_*.png"):
            old.unlink()
    for picture in (picture for pictures in figures.values() for picture in pictures):
        write_bytes(output / picture.file, picture.png)
    write_text(output / MARKDOWN_FILE, markdown_environment().get_template("report.md.jinja").render(content))
    write_text(output / PAGE_FILE, _page_environment().get_template("report.html.jinja").render(content))
    return output / PAGE_FILE, damages


def _figures(findings: Findings, with_strips: bool, damages: list[str]) -> dict[str, list["Picture"]]:
    """Draw all figures; those of damaged files are left out, and `damages` gets a sentence for each."""
    from deblur.reporting.crossing import crossings_of
    from deblur.reporting.curves import curves
    from deblur.reporting.filters import filter_figures
    from deblur.reporting.heatmap import heatmap
    from deblur.reporting.strips import strips
    from deblur.reporting.tradeoff import tradeoff

    def drawn(draw: Callable[[], list["Picture"]]) -> list["Picture"]:
        try:
            return draw()
        except UnusableFile as error:
            damages.append(str(error))
            return []

    gains = heatmap(findings.table)
    crossings: list[Picture] = []
    filters: list[Picture] = []
    are_several = len(findings.sweeps) > 1
    for number, sweep in enumerate(findings.sweeps, 1):
        name = sweep.name if are_several else None
        crossings += drawn(partial(crossings_of, sweep.folder, f"crossing_{number}.png", name))
        filters += drawn(partial(filter_figures, sweep.folder, findings.table.problems))
    return {
        "curves": curves(findings.table),
        "gains": [] if gains is None else [gains],
        "tradeoff": tradeoff(findings.table),
        "filters": filters,
        "crossings": crossings,
        "strips": strips(findings.answers, damages) if with_strips else [],
    }


def _texts(findings: Findings, damages: Sequence[str]) -> dict[str, Any]:
    sweeps, problems, answers = findings.sweeps, findings.table.problems, findings.answers
    return {
        "names": ", ".join(sweep.name for sweep in sweeps),
        "tests": [(sweep.name if len(sweeps) > 1 else "", sweep.measured_on) for sweep in sweeps],
        "problems": problem_table(problems),
        "notices": [*notices(sweeps, problems), *damages],
        "sentences": [found.sentence for found in answers],
        "answers": answer_table(answers),
        "comparisons": [(found.problem.label, cell_table(found)) for found in answers if found.rivals],
        "extremes": extremes_table(answers),
        "cost": cost_table(problems),
        "unfinished": unfinished_table(sweeps),
        "origins": origin_table(sweeps),
        "commands": [command for sweep in sweeps for command in sweep.commands],
        "runs": run_table(sweeps),
        "has_seeds": any(len(cell.done) > 1 for problem in problems for cell in problem.cells),
    }


def _rows(findings: Findings) -> list[Row]:
    rows = []
    for sweep in findings.sweeps:
        first = {"sweep": sweep.name} if len(findings.sweeps) > 1 else {}
        rows += [first | row for row in rows_of(sweep, findings.table.told.get(sweep.name))]
    return [{str(cell(key)): cell(value) for key, value in row.items()} for row in rows]


def _page_environment() -> "Environment":
    """Return an environment that shows texts of any origin as they are: clean, and with HTML escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def clean(value: Any) -> Any:
        return kept_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    made = Environment(
        loader=PackageLoader("deblur.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["embedded"] = _embedded
    return made


def _embedded(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
