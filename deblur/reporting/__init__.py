"""Folders of runs -> tables, figures and a page that answers the question. Reads files only."""

from deblur.reporting.listing import listing, state_table, sweep_table
from deblur.reporting.page import findings_of, write_findings, write_report
from deblur.reporting.results import collect, read_sweep

__all__ = [
    "collect",
    "findings_of",
    "listing",
    "read_sweep",
    "state_table",
    "sweep_table",
    "write_findings",
    "write_report",
]
