"""The test results as LaTeX tables for a paper, with the rules of the package booktabs."""

import re
from collections.abc import Iterator, Sequence

from deblur.metrics import MetricInfo
from deblur.reporting.answers import Answer
from deblur.reporting.results import infos_of
from deblur.reporting.tables import NOTHING, number, over_seeds
from deblur.text import one_line

MOST_ROWS = 40  # of a table that fits on a page
COST = "model.macs_per_pixel"

_BEYOND_LATIN = "\u0250"  # from here on, a letter needs another engine than pdfLaTeX
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "`": r"\textasciigrave{}",
    "[": "{[}",  # after the end of a row, a bracket or a star would be an argument of it
    "*": "{*}",
    "±": r"$\pm$",
    "\N{MINUS SIGN}": "$-$",
    "\N{EN DASH}": "--",
    "…": r"\ldots{}",
    **{letter: f"\\{letter}" for letter in "{}&%$#_"},
}


def latex(text: str) -> str:
    """Return a text of any origin as LaTeX that shows it."""
    return "".join(_SPECIAL.get(letter, letter) for letter in one_line(text))


def latex_tables(answers: Sequence[Answer], names: Sequence[str]) -> str:
    """Return the results of all test settings as one table, or as several if it would not fit on a page.

    Args:
        answers: the test settings; with none there is no table.
        names: of the sweeps.
    """
    # The PSNR first.
    infos = infos_of(run for found in answers for one in found.test_setting.done for run in one.done)
    groups = [(found, list(_rows(found, infos))) for found in answers]
    tables: list[list[tuple[Answer, list[str]]]] = []
    for group in groups:
        if not tables or sum(len(rows) + 1 for _, rows in (*tables[-1], group)) > MOST_ROWS:
            tables.append([])
        tables[-1].append(group)
    label = re.sub(r"[^A-Za-z0-9]+", "-", "-".join(names)).strip("-") or "results"
    body = "\n".join(
        _table(table, infos, label if index == 1 else f"{label}-{index}") for index, table in enumerate(tables, 1)
    )
    first = [
        f"% python -m deblur.report {' '.join(map(one_line, names))}",
        r"% In the preamble: \usepackage{booktabs}. Where the table goes: \input{table}.",
    ]
    if any(letter >= _BEYOND_LATIN for letter in body):
        first.append("% Some letters need XeLaTeX or LuaLaTeX, and a font that has them.")
    return "\n".join([*first, body or "% No run has a result.", ""])


def _table(groups: Sequence[tuple[Answer, list[str]]], infos: Sequence[MetricInfo], label: str) -> str:
    metrics = (latex(info.quantity) + ("" if info.higher_is_better else r" $\downarrow$") for info in infos)
    columns = ["configuration", "MACs per pixel", *metrics, latex("gain [dB]")]
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{latex(_caption([found for found, _ in groups]))}}}",
        rf"  \label{{tab:{label}}}",
        rf"  \begin{{tabular}}{{@{{}}l{'r' * (len(columns) - 1)}@{{}}}}",
        r"    \toprule",
        rf"    {' & '.join(columns)} \\",
    ]
    for found, rows in groups:
        lines.append(r"    \midrule")
        lines.append(rf"    \multicolumn{{{len(columns)}}}{{@{{}}l}}{{{latex(found.test_setting.heading)}}} \\")
        lines += rows
    return "\n".join([*lines, r"    \bottomrule", r"  \end{tabular}", r"\end{table}"])


def _caption(answers: Sequence[Answer]) -> str:
    counts = sorted({len(found.best.images) for found in answers} - {0})
    images = " or ".join(map(str, counts))
    data = {found.test_setting.measured_on.get("data") for found in answers}
    of = f" ({data.pop()})" if len(data) == 1 and None not in data else ""
    return (
        f"Means over {f'{images} ' if images else ''}test images{of}. Bold: the highest PSNR of a blur. Underlined: "
        "not significantly different from it (the 95 % bootstrap interval of the per-image difference contains 0)."
    )


def _rows(found: Answer, infos: Sequence[MetricInfo]) -> Iterator[str]:
    """Yield the row of the blurred images, and one for each configuration in the order of the report."""
    blurred = (_number(number(found.best.mean(f"input_{info.name}"), info.digits)) for info in infos)
    yield _row("blurred input", latex(NOTHING), *blurred, latex(NOTHING))
    close = [competitor.configuration for competitor in found.not_significant]
    for one in found.test_setting.done:
        cost = one.average(COST)
        values = [_number(over_seeds(one, info.name, info.digits)) for info in infos]
        if one is found.best:
            values[0] = rf"\textbf{{{values[0]}}}"
        elif any(one is other for other in close):
            values[0] = rf"\underline{{{values[0]}}}"
        macs = latex(NOTHING) if cost is None else f"{cost:,.0f}"
        yield _row(one.name, macs, *values, _number(over_seeds(one, "gain", "+.2f")))


def _row(name: str, *cells: str) -> str:
    return rf"    {' & '.join([latex(name), *cells])} \\"


def _number(text: str) -> str:
    """Return a number with a sign that is a minus, not a hyphen."""
    return re.sub(r"(?<![\d.e])([-+])(?=\d)", r"$\1$", latex(text))
