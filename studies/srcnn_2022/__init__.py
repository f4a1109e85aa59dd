"""The runs of any sweeps beside what the 2022 course project published, as one page."""

from studies.srcnn_2022.page import write_study

__all__ = ["write_study"]
