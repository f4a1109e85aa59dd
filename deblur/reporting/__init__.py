"""Folders of runs -> tables, figures and a page that answers the question. Reads files only."""

from deblur.reporting.listing import listing, state_table, sweep_table
from deblur.reporting.page import findings_of, read_findings, write_findings
from deblur.reporting.results import read_sweep

__all__ = [
    "findings_of",
    "listing",
    "read_findings",
    "read_sweep",
    "state_table",
    "sweep_table",
    "write_findings",
]
