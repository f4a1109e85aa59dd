"""What an evaluation by a protocol shows and writes: its facts, measured rows, and published rows marked as such."""

from collections.abc import Mapping, Sequence
from typing import Any

from deblur.console import table
from deblur.evaluation.protocols.measuring import Result
from deblur.evaluation.protocols.protocol import Averaging, Protocol
from deblur.evaluation.protocols.published import PublishedRow
from deblur.metrics import PSNR, MetricInfo
from deblur.reporting.tables import interval, number
from deblur.text import Lines, cell, counted, lines, one_line, paragraphs

INPUT = "blurred input"
_OTHERS: Mapping[Averaging, str] = {
    "mean_of_psnrs": "PSNR of the mean MSE [dB]",
    "psnr_of_mean_mse": "mean of the PSNRs [dB]",
}


def facts_text(facts: Mapping[str, str]) -> Lines:
    """Return the facts of a protocol, one a line."""
    return lines(*(f"{name}: {text}" for name, text in facts.items()))


class NoiseTable:
    """The rows of one level of noise."""

    def __init__(
        self,
        protocol: Protocol,
        noise_sigma: float,
        results: Sequence[Result],
        published: Sequence[PublishedRow],
        infos: Sequence[MetricInfo],
    ) -> None:
        """Make the table.

        Args:
            protocol: whose numbers they are.
            noise_sigma: that was added [gray levels of 255].
            results: one for each method.
            published: one for each published number.
            infos: of the protocol's metrics, PSNR first.
        """
        cases = counted(results[0].means["images"], "case")
        noise = f", noise of {noise_sigma:g} gray levels added" if protocol.has_kernels and noise_sigma else ""
        self.title = f"{protocol.name}: {cases}{noise}"
        others = [info for info in infos if info != PSNR.info]
        self.columns = [
            "", PSNR.info.heading, "95 % interval", "gain [dB]", *(info.heading for info in others),
            _OTHERS[protocol.averaging],
        ]  # fmt: skip
        inputs = results[0].means
        blank = number(None, "")
        self.rows = [[INPUT, number(inputs["input_psnr"], ".2f"), "", "",
                      *(number(inputs[f"input_{info.name}"], info.digits) for info in others), ""]]  # fmt: skip
        for one in results:
            other = one.psnr("psnr_of_mean_mse" if protocol.averaging == "mean_of_psnrs" else "mean_of_psnrs")
            self.rows.append([
                one.method, number(one.psnr(protocol.averaging), ".2f"), interval(one.interval),
                number(one.means["gain"], "+.2f"),
                *(number(one.means[info.name], info.digits) for info in others), number(other, ".2f"),
            ])  # fmt: skip
        sources = list(dict.fromkeys(row.source for row in published))
        self.sources = [f"[{place}] {source}" for place, source in enumerate(sources, start=1)]
        for row in sorted(published, key=lambda row: -row.psnr):
            mark = f"published [{sources.index(row.source) + 1}]: {row.method}, {row.data}"
            self.rows.append([mark, f"{row.psnr:.2f}", blank, blank, *(blank for _ in others), blank])
        remarks = dict.fromkeys((row.method, row.remark) for row in published if row.remark)
        by_remark: dict[str, list[str]] = {}
        for method, remark in remarks:
            by_remark.setdefault(remark, []).append(method)
        self.remarks = [f"{', '.join(methods)}: {remark}." for remark, methods in by_remark.items()]

    def text(self) -> Lines:
        """Return the table for a terminal."""
        return paragraphs(table(self.title, self.columns, self.rows), *([lines(*self.below())] if self.below() else []))

    def below(self) -> list[str]:
        """Return the sources and remarks of the published rows."""
        return [*self.sources, *self.remarks]

    def markdown(self) -> str:
        """Return the table in Markdown."""
        rules = ["---", *("---:" for _ in self.columns[1:])]
        body = [self.columns, rules, *self.rows]
        shown = ["| " + " | ".join(one_line(text).replace("|", "\\|") for text in row) + " |" for row in body]
        return "\n".join([f"## {self.title}", "", *shown, "", *(f"- {one_line(text)}" for text in self.below()), ""])


def report(protocol: Protocol, facts: Mapping[str, str], tables: Sequence[NoiseTable], notes: Sequence[str]) -> str:
    """Return report.md: the facts of the protocol, the tables and the notes."""
    parts = [f"# Protocol {protocol.name}", ""]
    parts += [f"- **{name}**: {one_line(text)}" for name, text in facts.items()]
    parts += ["", *(each.markdown() for each in tables), *(f"{one_line(note)}\n" for note in notes)]
    return "\n".join(parts)


def result_rows(
    protocol: Protocol, results: Sequence[Result], published: Sequence[PublishedRow]
) -> list[dict[str, Any]]:
    """Return the rows of results.csv, measured and published ones."""
    rows: list[dict[str, Any]] = []
    for one in results:
        low, high = one.interval or (None, None)
        rows.append({
            "protocol": protocol.name, "noise_sigma": one.noise_sigma, "kind": "measured", "method": cell(one.method),
            "cases": one.means["images"], "psnr": one.psnr(protocol.averaging), "psnr_low": low, "psnr_high": high,
            "gain": one.means["gain"], **{name: one.means[name] for name in protocol.metrics if name != "psnr"},
            "mean_of_psnrs": one.means["psnr"], "psnr_of_mean_mse": one.psnr_of_mean_mse,
            "input_psnr": one.means["input_psnr"],
        })  # fmt: skip
    rows += [
        {"protocol": row.protocol, "noise_sigma": row.noise_sigma, "kind": "published", "method": row.method,
         "psnr": row.psnr, "data": row.data, "remark": row.remark, "source": row.source}
        for row in published
    ]  # fmt: skip
    return rows
