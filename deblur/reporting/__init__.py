"""Folders of runs -> tables, figures and a page that answers the question. Reads files only."""

from deblur.reporting.listing import listing, state_table
from deblur.reporting.page import write_report
from deblur.reporting.results import collect

__all__ = ["collect", "listing", "state_table", "write_report"]
