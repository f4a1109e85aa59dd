"""The page that compares runs with the published results of the study."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deblur.files import write_bytes, write_text
from deblur.reporting.answers import answer
from deblur.reporting.configurations import arrange
from deblur.reporting.page import Findings, markdown_environment
from deblur.reporting.results import Run
from deblur.reporting.tables import cost_table, notices, origin_table
from studies.srcnn_2022.answer import sentences
from studies.srcnn_2022.claims import CLAIMS, COMMAND
from studies.srcnn_2022.classical import COMMAND as CLASSICAL_COMMAND
from studies.srcnn_2022.classical import classical_evaluations, classical_table
from studies.srcnn_2022.evidence import evidence, evidence_table
from studies.srcnn_2022.loss_tables import configurations_of, mse_table, psnr_table, seeds_sentence, share_table
from studies.srcnn_2022.matching import IN_THE_STUDYS_WAY, OURS, Selection, select
from studies.srcnn_2022.published import Published, read_published
from studies.srcnn_2022.settings import setting_table
from studies.srcnn_2022.verdicts import LEAST_SEEDS, SMALLEST, Verdict

if TYPE_CHECKING:  # matplotlib is loaded when a page is written
    from deblur.reporting.figures import FigureFile

STUDY_FILE = "original_study.md"
FIGURES_FOLDER = "original_study"
TEMPLATE = "original_study.md.jinja"


def write_study(findings: Findings, output: Path) -> Path:
    """Write the page and its figures.

    Args:
        findings: the runs of any sweeps.
        output: the folder of the page and of the folder with its figures.

    Returns:
        The path of the page.

    Raises:
        UserError: for a damaged file.
        OSError: if the folder cannot be written.
    """
    content, figure_files = _content(findings)
    text = markdown_environment("studies.srcnn_2022").get_template(TEMPLATE).render(content)
    if (output / STUDY_FILE).is_file():  # of an earlier page, which may have had other blurs
        for old in (output / FIGURES_FOLDER).glob("filters_*.png"):
            old.unlink()
    for figure_file in figure_files:
        write_bytes(output / FIGURES_FOLDER / figure_file.file, figure_file.png)
    write_text(output / STUDY_FILE, text)
    return output / STUDY_FILE


def _content(findings: Findings) -> tuple[dict[str, Any], list["FigureFile"]]:
    from studies.srcnn_2022.receptive_field import (
        receptive_field_figures,
        receptive_field_sentences,
        receptive_field_table,
        receptive_fields,
    )

    published = read_published()
    runs = [run for sweep in findings.sweeps for run in sweep.runs]
    ours, studys_way = select(runs, OURS), select(runs, IN_THE_STUDYS_WAY)
    configurations = configurations_of(ours)
    defined = _without_undefined(findings)
    compared = [run for sweep in defined.sweeps for run in sweep.runs]
    found = [evidence(claim, compared, published) for claim in CLAIMS]
    seen = receptive_fields(defined.sweeps, defined.answers, published.blurs)
    classical = classical_evaluations(defined.sweeps, defined.answers, published.blurs)
    figures = receptive_field_figures(seen)
    way = _studys_way(published, studys_way)
    content = {
        "folder": FIGURES_FOLDER,
        "published": published,
        "notices": [*notices(findings.sweeps, findings.table.test_settings), *_undefined_notice(runs)],
        "sentences": sentences(published, configurations, configurations_of(studys_way), found),
        "left_out": ours.left_out,
        "shares": share_table(published, configurations) if configurations else None,
        "losses": mse_table(published, configurations) if configurations else None,
        "psnrs": psnr_table(published, configurations) if configurations else None,
        "seeds": seeds_sentence(configurations),
        "input_apart": _input_apart(ours),
        "settings": setting_table({"ours": ours, "ours in the study's way": studys_way}),
        "way": way,
        "way_left_out": studys_way.left_out,
        "evidence": [(one, evidence_table(one), one.verdict is not Verdict.UNKNOWN) for one in found],
        "classical": classical_table(classical) if classical else None,
        "boundary": _boundary(runs),
        "has_dotted_lines": any("valid_psnr" in row for one in seen for row in one.filters),
        "classical_command": CLASSICAL_COMMAND,
        "claims_command": COMMAND,
        "smallest": SMALLEST,
        "least_seeds": LEAST_SEEDS,
        "receptive_fields": receptive_field_table(seen) if seen else None,
        "receptive_field_sentences": receptive_field_sentences(seen),
        "receptive_field_figures": figures,
        "commands": [without_places(command) for sweep in findings.sweeps for command in sweep.commands],
        "cost": cost_table(findings.table.test_settings),
        "origins": origin_table(findings.sweeps),
        "counts": [(sweep.name, sum(run.measured for run in sweep.runs), len(sweep.runs)) for sweep in findings.sweeps],
    }
    return content, [*([way["figure"]] if way else []), *figures]


def _studys_way(published: Published, selection: Selection) -> dict[str, Any] | None:
    """Return the page's content on the study's networks trained in its way; None without runs."""
    from studies.srcnn_2022.epochs import comparison, curves_of, epoch_figure, epoch_tables, opposed, time_table

    curves = curves_of(selection)
    if not curves:
        return None
    configurations = configurations_of(selection)
    return {
        "figure": epoch_figure(published, curves),
        "tables": epoch_tables(published, curves),
        "times": time_table(published, selection.runs, IN_THE_STUDYS_WAY),
        "comparison": comparison(published, curves),
        "opposed": opposed(selection),
        "shares": share_table(published, configurations, {place.blur for place in configurations}),
        "seeds": seeds_sentence(configurations),
    }


def _without_undefined(findings: Findings) -> Findings:
    """Return the findings without runs that lack the PSNR of test images: the mean of the others would flatter them."""
    if not any(run.has_undefined for sweep in findings.sweeps for run in sweep.runs):
        return findings
    sweeps = [replace(one, runs=tuple(run for run in one.runs if not run.has_undefined)) for one in findings.sweeps]
    table = arrange(sweeps)
    return Findings(
        sweeps, table, [found for test_setting in table.test_settings if (found := answer(test_setting)) is not None]
    )


def _undefined_notice(runs: Sequence[Run]) -> list[str]:
    names = [run.name for run in runs if run.has_undefined]
    notice = "These runs have test images whose PSNR is not defined, and are left out of all comparisons"
    return [f"{notice}: {', '.join(names)}."] if names else []


def _boundary(runs: Sequence[Run]) -> str | None:
    """Return the boundary of all runs; older versions knew the symmetric one alone."""
    boundaries = {str(run.config.get("data.boundary", "symmetric")) for run in runs if run.measured}
    return boundaries.pop() if len(boundaries) == 1 else None


def _input_apart(selection: Selection) -> float | None:
    """Return by how much the blurred validation images differ at most from the blurred test images [dB]."""
    apart = [_validation_input(run) - (run.number("test.input_psnr") or np.nan) for run in selection.runs]
    known = [abs(one) for one in apart if np.isfinite(one)]
    return max(known) if known else None


def _validation_input(run: Run) -> float:
    row = run.history[-1] if run.history else {}
    return row.get("val/psnr", np.nan) - row.get("val/gain", np.nan)


def without_places(command: str) -> str:
    """Return a command with the last name of each folder only, without the paths of one machine.

    A value such as `paths.output_root=/home/me/outputs` becomes `paths.output_root=outputs`.
    """
    try:
        overrides: Sequence[str] = shlex.split(command)
    except ValueError:  # a quotation mark that nothing closes
        overrides = command.split()
    shorter = (re.sub(r"(?<![^='\"\[,])/(?:[^/'\",\]]+/)+", "", word) for word in overrides)
    return shlex.join(re.sub(r"='([\w.-]+)'$", r"=\1", word) for word in shorter)
