"""The optimal linear filters compared with the networks, by the size of the receptive field."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deblur.files import safe_name
from deblur.reporting.answers import Answer
from deblur.reporting.configurations import SAME_INPUT, Configuration
from deblur.reporting.figures import FigureFile, filter_figure, read_filters
from deblur.reporting.results import Sweep
from deblur.reporting.tables import NOTHING, TextTable, number
from studies.srcnn_2022.matching import in_order
from studies.srcnn_2022.published import rate_text

FURTHER = (27, 41)  # [px], sizes of filters beyond the receptive field of every network of the study

Filter = Mapping[str, float]


@dataclass(frozen=True)
class ReceptiveFields:
    """The optimal linear filters of a blur, and the best configuration of each local network on the same images."""

    blur: str
    filters: Sequence[Filter]
    configurations: Sequence[Configuration]


def receptive_fields(sweeps: Sequence[Sweep], answers: Sequence[Answer], order: Sequence[str]) -> list[ReceptiveFields]:
    """Return the filters and networks of the test settings whose filters were measured on the same test images.

    Args:
        sweeps: whose folders may hold filters.
        answers: the test settings, with their configurations.
        order: of the blurs; others come last.

    Raises:
        UserError: for a damaged file.
    """
    found = []
    for answer in in_order(answers, order):
        filters = next((known for sweep in sweeps if (known := _filters(sweep, answer))), None)
        if filters:
            found.append(ReceptiveFields(answer.test_setting.label, filters, _best_of_each_network(answer)))
    return found


def receptive_field_table(found: Sequence[ReceptiveFields]) -> TextTable:
    """Return each network with the optimal linear filter of the same receptive field, and larger filters."""
    columns = (
        "blur",
        "network",
        "learning rate",
        "receptive field [px]",
        "network [dB]",
        "optimal linear filter of that size [dB]",
        "network above [dB]",
    )
    rows = []
    for one in found:
        known = {int(row["size"]): row["psnr"] for row in one.filters}
        rows.append(
            (one.blur, "blurred input", NOTHING, NOTHING, number(one.filters[0]["input_psnr"], ".2f"), NOTHING, NOTHING)
        )
        for configuration in one.configurations:
            size, psnr = configuration.average("model.receptive_field"), configuration.mean("psnr")
            filtered = None if size is None else known.get(int(size))
            above = None if psnr is None or filtered is None else psnr - filtered
            shown = (number(size, ".0f"), number(psnr, ".2f"), number(filtered, ".2f"), number(above, "+.2f"))
            rows.append(
                (one.blur, configuration.model, rate_text(float(configuration.done[0].config["optimizer.lr"])), *shown)
            )
        rows += [
            (one.blur, NOTHING, NOTHING, str(size), NOTHING, number(known[size], ".2f"), NOTHING)
            for size in FURTHER
            if size in known
        ]
    return TextTable(columns, rows, texts=3)


def receptive_field_sentences(found: Sequence[ReceptiveFields]) -> list[str]:
    """Return sentences on the PSNR that a linear filter gains by a larger receptive field than the networks'."""
    parts = []
    for one in found:
        known = {int(row["size"]): row["psnr"] for row in one.filters}
        seen = [
            int(size)
            for configuration in one.configurations
            if (size := configuration.average("model.receptive_field")) in known
        ]
        further = [size for size in FURTHER if size in known and seen and size > max(seen)]
        if further:
            above = " and ".join(f"{known[size] - known[max(seen)]:+.2f} dB with {size} px" for size in further)
            parts.append(
                f"On {one.blur} blur the largest receptive field here is {max(seen)} px. Compared with the optimal "
                f"linear filter of that size, those of larger sizes reach {above}."
            )
    return parts


def receptive_field_figures(found: Sequence[ReceptiveFields]) -> list[FigureFile]:
    """Return a figure for each blur."""
    made = []
    for one in found:
        networks = []
        for configuration in one.configurations:
            size, psnr = configuration.average("model.receptive_field"), configuration.mean("psnr")
            if size is not None and psnr is not None:
                networks.append({"name": configuration.model, "size": int(size), "psnr": psnr})
        filters = [dict(row, size=int(row["size"])) for row in one.filters]
        slug = re.sub(r"[^A-Za-z0-9]+", "_", one.blur).strip("_")
        made.append(filter_figure(filters, networks, one.blur, f"filters_{safe_name(slug)}.png"))
    return made


def _best_of_each_network(answer: Answer) -> list[Configuration]:
    """Return the best configuration of each network whose receptive field has a size."""
    best: dict[str, Configuration] = {}
    for configuration in (answer.best, *(competitor.configuration for competitor in answer.competitors)):
        best.setdefault(configuration.model, configuration)
    return sorted(
        best.values(),
        key=lambda configuration: (configuration.average("model.receptive_field") or 0, configuration.model),
    )


def _filters(sweep: Sweep, answer: Answer) -> Sequence[Filter]:
    """Return the filters that a sweep's folder holds for the test images of a test setting; none if there are none."""
    names = {
        run.name
        for configuration in answer.test_setting.configurations
        for run in configuration.runs
        if run.sweep == sweep.name
    }
    by_run = read_filters(sweep.folder)
    known: Sequence[Filter] = next((rows for name, rows in by_run.items() if name in names), [])
    level = answer.best.mean("input_psnr")
    is_same = bool(known) and level is not None and abs(known[0]["input_psnr"] - level) <= SAME_INPUT
    return sorted(known, key=lambda row: row["size"]) if is_same else []
