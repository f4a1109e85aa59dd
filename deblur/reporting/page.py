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
from deblur.reporting.configurations import Table, arrange
from deblur.reporting.markdown import markdown_environment
from deblur.reporting.origins import notices, origin_table
from deblur.reporting.results import Row, Sweep, read_sweep, rows_of
from deblur.reporting.tables import (
    answer_table,
    configuration_table,
    cost_table,
    extremes_table,
    run_table,
    test_setting_table,
    unfinished_table,
)
from deblur.text import cell, kept_lines

if TYPE_CHECKING:  # matplotlib and jinja2 are loaded when a report is written
    from jinja2 import Environment

    from deblur.reporting.figure_files import FigureFile

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
    return Findings(
        sweeps, table, [found for test_setting in table.test_settings if (found := answer(test_setting)) is not None]
    )


def write_report(folders: Sequence[Path], output: Path, *, grids: bool = True) -> Path:
    """Write the report of one sweep, or of several side by side.

    Args:
        folders: the folders of the sweeps.
        output: where results.csv, report.md, report.html and the figures go.
        grids: whether images of test images are part of it.

    Returns:
        The path of report.html.

    Raises:
        UserError: if a sweep holds no run.
    """
    page, _ = write_findings(read_findings(folders), output, grids=grids)
    return page


def write_findings(findings: Findings, output: Path, *, grids: bool) -> tuple[Path, list[str]]:
    """Write the report of what has been read; see `write_report`.

    Returns:
        The path of report.html, and a sentence for each file that could not be used: what is in it is left out.
    """
    damages = [damage for sweep in findings.sweeps for damage in sweep.damages]
    figures = _figures(findings, grids, damages)
    content = _texts(findings, damages) | figures
    remove_partial_files(output)
    write_csv(output / RESULTS_FILE, _rows(findings))
    if (output / PAGE_FILE).is_file():  # of an earlier report, whose images may be others
        for old in output.glob("grid_*.png"):
            old.unlink()
    for figure_file in (figure_file for figure_files in figures.values() for figure_file in figure_files):
        write_bytes(output / figure_file.file, figure_file.png)
    write_text(output / MARKDOWN_FILE, markdown_environment().get_template("report.md.jinja").render(content))
    write_text(output / PAGE_FILE, _page_environment().get_template("report.html.jinja").render(content))
    return output / PAGE_FILE, damages


def _figures(findings: Findings, with_grids: bool, damages: list[str]) -> dict[str, list["FigureFile"]]:
    """Draw all figures; those of damaged files are left out, and `damages` gets a sentence for each."""
    from deblur.reporting.curves import curves
    from deblur.reporting.filters import filter_figures
    from deblur.reporting.grids import grids
    from deblur.reporting.heatmap import heatmap
    from deblur.reporting.matrix import matrices_of
    from deblur.reporting.tradeoff import tradeoff

    def drawn(draw: Callable[[], list["FigureFile"]]) -> list["FigureFile"]:
        try:
            return draw()
        except UnusableFile as error:
            damages.append(str(error))
            return []

    gains = heatmap(findings.table)
    matrices: list[FigureFile] = []
    filters: list[FigureFile] = []
    are_several = len(findings.sweeps) > 1
    for number, sweep in enumerate(findings.sweeps, 1):
        name = sweep.name if are_several else None
        matrices += drawn(partial(matrices_of, sweep.folder, f"crossing_{number}.png", name))
        filters += drawn(partial(filter_figures, sweep.folder, findings.table.test_settings))
    return {
        "curves": curves(findings.table),
        "gains": [] if gains is None else [gains],
        "tradeoff": tradeoff(findings.table),
        "filters": filters,
        "matrices": matrices,
        "grids": grids(findings.answers, damages) if with_grids else [],
    }


def _texts(findings: Findings, damages: Sequence[str]) -> dict[str, Any]:
    sweeps, test_settings, answers = findings.sweeps, findings.table.test_settings, findings.answers
    return {
        "names": ", ".join(sweep.name for sweep in sweeps),
        "tests": [(sweep.name if len(sweeps) > 1 else "", sweep.measured_on) for sweep in sweeps],
        "test_settings": test_setting_table(test_settings),
        "notices": [*notices(sweeps, test_settings), *damages],
        "sentences": [found.sentence for found in answers],
        "answers": answer_table(answers),
        "comparisons": [
            (found.test_setting.label, configuration_table(found)) for found in answers if found.competitors
        ],
        "extremes": extremes_table(answers),
        "cost": cost_table(test_settings),
        "unfinished": unfinished_table(sweeps),
        "origins": origin_table(sweeps),
        "commands": [command for sweep in sweeps for command in sweep.commands],
        "runs": run_table(sweeps),
        "has_seeds": any(
            len(configuration.done) > 1
            for test_setting in test_settings
            for configuration in test_setting.configurations
        ),
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
