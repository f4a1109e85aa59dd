"""Trainings of a small network in this process, each with an output folder of its own."""

import csv
import json
from pathlib import Path
from typing import Any

from small_trainings import SMALLEST

from deblur.train import main

SMALL = ("data.max_images=16", "model.dropout=0.3", "trainer.max_epochs=3", *SMALLEST)


class Workplace:
    """Runs the command with its own output folder and finds the one run there."""

    def __init__(self, root: Path, cache_root: Path) -> None:
        self.root = root
        self.cache_root = cache_root
        self._places = (f"paths.output_root={root}", f"paths.cache_root={cache_root}")

    def train(self, *overrides: str) -> int:
        return main([*self._places, *overrides])

    def resume(self, *overrides: str) -> int:
        return main([f"resume={self.run}", *self._places, *overrides])

    @property
    def run(self) -> Path:
        (folder,) = (path.parent for path in self.root.rglob("status.json"))
        return folder

    def read(self, name: str) -> Any:
        return json.loads((self.run / name).read_text())

    def rows(self, name: str) -> list[dict[str, str]]:
        with (self.run / name).open(newline="") as file:
            return list(csv.DictReader(file))
