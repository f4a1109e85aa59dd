"""The report of one or more sweeps: results.csv, report.md, report.html, table.tex and the figures."""

import base64
import re
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
from deblur.reporting.latex import latex_tables
from deblur.reporting.results import Row, Sweep, read_sweep, rows_of
from deblur.reporting.searches import Search, read_searches, search_figures
from deblur.reporting.tables import (
    TextTable,
    answer_table,
    configuration_table,
    cost_table,
    extremes_table,
    notices,
    origin_table,
    run_table,
    test_setting_table,
    unfinished_table,
)
from deblur.text import cell, kept_lines, one_line

if TYPE_CHECKING:  # matplotlib and jinja2 are loaded when a report is written
    from jinja2 import Environment

    from deblur.reporting.figures import FigureFile

RESULTS_FILE = "results.csv"
MARKDOWN_FILE = "report.md"
PAGE_FILE = "report.html"
LATEX_FILE = "table.tex"


@dataclass(frozen=True)
class Findings:
    """The results of some sweeps."""

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
    return Findings(sweeps, table, [found for one in table.test_settings if (found := answer(one)) is not None])


def write_findings(findings: Findings, output: Path, *, grids: bool, vector: bool = False) -> tuple[Path, list[str]]:
    """Write the report of what has been read.

    Args:
        findings: one sweep, or several side by side.
        output: the folder of results.csv, report.md, report.html, table.tex and the figures.
        grids: whether comparison grids of test images are part of it.
        vector: whether each figure is also a PDF and an SVG file, which takes as long as all the rest.

    Returns:
        The path of report.html, and a sentence for each file that could not be used; its content is left out.
    """
    from deblur.reporting.figures import VECTOR_KINDS

    damages = [damage for sweep in findings.sweeps for damage in sweep.damages]
    searches = read_searches(findings.sweeps, damages)
    figures = _figures(findings, searches, grids, damages)
    content = _texts(findings, searches, damages) | figures | {"has_vector": vector and any(figures.values())}
    remove_partial_files(output)
    write_csv(output / RESULTS_FILE, _rows(findings))
    if (output / PAGE_FILE).is_file():  # of an earlier report, whose images may be others
        for old in output.glob("grid_*"):
            if old.suffix in (".png", *(f".{kind}" for kind in VECTOR_KINDS)):
                old.unlink()
    for figure_file in (figure_file for figure_files in figures.values() for figure_file in figure_files):
        write_bytes(output / figure_file.file, figure_file.png)
        for kind in VECTOR_KINDS:
            path = (output / figure_file.file).with_suffix(f".{kind}")
            if vector:
                write_bytes(path, figure_file.vector(kind))
            else:  # one of an earlier report may show other numbers
                path.unlink(missing_ok=True)
    write_text(output / LATEX_FILE, latex_tables(findings.answers, [sweep.name for sweep in findings.sweeps]))
    write_text(output / MARKDOWN_FILE, markdown_environment().get_template("report.md.jinja").render(content))
    write_text(output / PAGE_FILE, _page_environment().get_template("report.html.jinja").render(content))
    return output / PAGE_FILE, damages


def _figures(
    findings: Findings, searches: Sequence[Search], with_grids: bool, damages: list[str]
) -> dict[str, list["FigureFile"]]:
    """Draw all figures; those of damaged files are left out, and `damages` gets a sentence for each."""
    from deblur.reporting.curves import curves
    from deblur.reporting.figures import filter_figures, tradeoff
    from deblur.reporting.grids import grids
    from deblur.reporting.heatmaps import heatmap, matrices_of

    def drawn(draw: Callable[[], list["FigureFile"]]) -> list["FigureFile"]:
        try:
            return draw()
        except UnusableFile as error:
            damages.append(str(error))
            return []

    matrices: list[FigureFile] = []
    filters: list[FigureFile] = []
    for number, sweep in enumerate(findings.sweeps, 1):
        name = sweep.name if len(findings.sweeps) > 1 else None
        matrices += drawn(partial(matrices_of, sweep.folder, f"matrix_{number}.png", name))
        filters += drawn(partial(filter_figures, sweep.folder, findings.table.test_settings))
    return {
        "search_figures": search_figures(searches),
        "curves": curves(findings.table),
        "gains": heatmap(findings.table),
        "tradeoff": tradeoff(findings.table),
        "filters": filters,
        "matrices": matrices,
        "grids": grids(findings.answers, damages) if with_grids else [],
    }


def _texts(findings: Findings, searches: Sequence[Search], damages: Sequence[str]) -> dict[str, Any]:
    sweeps, test_settings, answers = findings.sweeps, findings.table.test_settings, findings.answers
    compared = [found for found in answers if found.competitors]
    return {
        "names": ", ".join(sweep.name for sweep in sweeps),
        "tests": [(sweep.name if len(sweeps) > 1 else "", sweep.measured_on) for sweep in sweeps],
        "test_settings": test_setting_table(test_settings),
        "notices": [*notices(sweeps, test_settings), *damages],
        "sentences": [found.sentence for found in answers],
        "answers": answer_table(answers),
        "searches": searches,
        "comparisons": [(found.test_setting.heading, configuration_table(found)) for found in compared],
        "extremes": extremes_table(answers),
        "cost": cost_table(test_settings),
        "unfinished": unfinished_table(sweeps),
        "origins": origin_table(sweeps),
        "commands": [command for sweep in sweeps for command in sweep.commands],
        "runs": run_table(sweeps),
        "latex_file": LATEX_FILE,
        "results_file": RESULTS_FILE,
        "has_seeds": any(configuration.seeds > 1 for configuration in findings.table.configurations),
        "has_folds": any(configuration.folds is not None for configuration in findings.table.configurations),
    }


def _rows(findings: Findings) -> list[Row]:
    rows = []
    for sweep in findings.sweeps:
        first = {"sweep": sweep.name} if len(findings.sweeps) > 1 else {}
        rows += [first | row for row in rows_of(sweep, findings.table.settings)]
    return [{str(cell(key)): cell(value) for key, value in row.items()} for row in rows]


def _page_environment() -> "Environment":
    """Return an environment that shows texts of any origin as they are: clean, and with HTML escaped."""
    from markupsafe import Markup

    def clean(value: Any) -> Any:
        return kept_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    made = _environment("deblur.reporting", clean, is_html=True)
    made.filters["embedded"] = lambda png: f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return made


def markdown_environment(package: str = "deblur.reporting") -> "Environment":
    """Return an environment that escapes every value for Markdown.

    Args:
        package: whose folder `templates` has the templates.
    """
    from markupsafe import Markup

    def escaped(value: Any) -> Any:
        return value if isinstance(value, Markup) else markdown(str(value))

    made = _environment(package, escaped, is_html=False)
    made.filters["table"] = lambda table: Markup(_markdown_table(table))
    made.filters["code"] = lambda text: Markup("\n".join(f"    {line}" for line in kept_lines(str(text)).split("\n")))
    return made


def _environment(package: str, finalize: Callable[[Any], Any], *, is_html: bool) -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=is_html,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def markdown(text: str) -> str:
    """Return a text of any origin as one line of Markdown that shows it, and is no list, heading or formula."""
    text = re.sub(r"([\\`*\[\]<>|&~$])", r"\\\1", one_line(" ".join(text.split())))
    text = re.sub(r"^(\d*)(?=[-+=.)](?:[-+=\s]|$)|#)", r"\1\\", text)
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)


def _markdown_table(table: TextTable) -> str:
    lines = ["| " + " | ".join(map(markdown, table.columns)) + " |"]
    lines.append("|" + "---|" * table.texts + "---:|" * (len(table.columns) - table.texts))
    for index, row in enumerate(table.rows):
        cells = [f"**{markdown(one)}**" if index in table.marked and one else markdown(one) for one in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
