"""A table of all that is logged, in the folder of the run."""

from collections.abc import Mapping
from typing import Final

from deblur.blur.images import AnyImage
from deblur.errors import UserError
from deblur.files import write_csv
from deblur.reading import read_csv
from deblur.training.loggers.run_logger import HeldBackLogger, Settings

METRICS_TABLE: Final = "metrics.csv"


class CSV(HeldBackLogger):
    """Writes a table of all that is logged: one row per step, one column per name."""

    def open(self, settings: Settings) -> set[tuple[str, int]]:
        """Keep the rows before the checkpoint; config.yaml has the settings."""
        self._path = self.folder / METRICS_TABLE
        self._table: dict[int, dict[str, float]] = {}
        if self.steps and self._path.exists():
            try:
                rows = read_csv(self._path, needed=("step",))
                self._table = {
                    int(row["step"]): {name: float(text) for name, text in row.items() if text and name != "step"}
                    for row in rows
                    if int(row["step"]) < self.steps
                }
            except (UserError, ValueError):  # damaged: the checkpoint has the rows of its epochs
                self._table = {}
        return {(name, step) for step, numbers in self._table.items() for name in numbers}

    def write(self, values: Mapping[int, Mapping[str, float]], images: Mapping[tuple[str, int], AnyImage]) -> None:
        """Write the table; it has no images.

        Raises:
            OSError: if it cannot be written.
        """
        for step, numbers in values.items():
            self._table.setdefault(step, {}).update(numbers)
        write_csv(self._path, [{"step": step, **self._table[step]} for step in sorted(self._table)])

    def end(self, state: str) -> None:
        """Leave the file as it is."""
