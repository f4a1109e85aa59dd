"""The runs of any sweeps compared with the published results of the 2022 course project, as one page."""

from studies.srcnn_2022.page import write_study

__all__ = ["write_study"]
