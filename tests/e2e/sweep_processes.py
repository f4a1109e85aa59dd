"""Sweeps as users start them, in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from small_trainings import SMALLEST

from deblur.runs.states import state_of

SMALL = ("data.max_images=16", "trainer.max_epochs=2", *SMALLEST)
AXES = ("-m", "blur=gaussian,box", "optimizer.lr=1e-3,1e-2", "sweep=four")
BOMB = """
from lightning.pytorch import Callback

class Bomb(Callback):
    def on_train_epoch_start(self, trainer, module):
        if trainer.optimizers[0].param_groups[0]["lr"] == 0.01:
            raise RuntimeError("boom")
"""


class Sweeps:
    """Starts sweeps in an output folder of their own."""

    def __init__(self, place: Path, cache: Path) -> None:
        self.folder = place / "outputs" / "sweeps" / "four"
        self.place = place
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(cache)}

    def start(self, *overrides: str, program: str = "train", new_session: bool = False) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", f"deblur.{program}", *overrides],
            cwd=self.place,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=new_session,
        )

    def run(self, *overrides: str, program: str = "train") -> tuple[int, str, str]:
        process = self.start(*overrides, program=program)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    def tests(self) -> dict[str, Any]:
        """Return the test means of every finished run."""
        return {
            path.parent.name: json.loads(path.read_text())["test"]
            for path in sorted(self.folder.glob("*/metrics.json"))
        }

    def states(self) -> dict[str, str | None]:
        return {path.parent.name: state_of(path.parent) for path in sorted(self.folder.glob("*/status.json"))}

    def files(self, run: str) -> dict[str, int]:
        """Return when each file of a run was last written."""
        return {path.name: path.stat().st_mtime_ns for path in (self.folder / run).rglob("*") if path.name != ".lock"}

    def has_a_report(self) -> bool:
        return all((self.folder / "report" / name).is_file() for name in ("results.csv", "report.md", "report.html"))
