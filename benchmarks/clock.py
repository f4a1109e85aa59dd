"""Where the time and the memory of a run go: a callback that measures the parts of `python -m deblur.train`."""

import json
import os
import resource
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from benchmarks.processes import since_start
from deblur.files import write_json
from deblur.runs.records import METRICS_FILE

WORDS = ("+callbacks.clock._target_=benchmarks.clock.Clock", "trusted=[benchmarks.clock]")
CLOCK_FILE = "clock.json"
PARTS = ("steps", "waiting for data", "validation", "epoch ends", "before the first step")
MIB = 2**20  # bytes
Run = dict[str, Any]


class Clock(Callback):
    """Divides the time of a training among its parts, and writes them and the memory into the run's folder.

    On a GPU a step only queues its work: unfinished work counts in the part in which the processor waits next.
    """

    def __init__(self) -> None:
        """Start with the first part."""
        self._seconds: dict[str, float] = defaultdict(float)
        self._processor_seconds: dict[str, float] = defaultdict(float)  # the same in processor time, of all threads
        self._since = time.perf_counter()
        self._processor_since = 0.0  # its clock starts with the process
        self._began = time.time()
        self._first_step: float | None = None  # its beginning and its end, since the process was started [s]
        self._first_step_made: float | None = None
        self._validated_within = ""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002 # Lightning's
        """Forget what came before the training."""
        if stage == "fit":
            self._since = time.perf_counter()

    def on_train_batch_start(self, *_: Any) -> None:
        """Waiting for data is over, or what comes before an epoch's first step."""
        if self._first_step is None:
            self._first_step = since_start()
            self._end("before the first step")
        else:
            self._end(self._validated_within or "waiting for data")
        self._validated_within = ""

    def on_train_batch_end(self, *_: Any) -> None:
        """A step is over."""
        self._end("steps")
        self._first_step_made = self._first_step_made or since_start()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002 # Lightning's
        """An epoch's steps are over."""
        if not trainer.sanity_checking:
            self._end("epoch ends")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002 # Lightning's
        """What is left are the files of an epoch, until the next step."""
        if not trainer.sanity_checking:
            self._end("validation")
            self._validated_within = "epoch ends"

    def on_train_end(self, *_: Any) -> None:
        """The last epoch's end is over."""
        self._end("epoch ends")

    def on_test_start(self, *_: Any) -> None:
        """Forget what came between the training and its test."""
        self._processor_since = time.process_time()

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002 # Lightning's
        """Write everything down, with the memory of the process as Linux reports it."""
        self._processor_seconds["test"] += time.process_time() - self._processor_since
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
        measured = {
            "seconds": {name: round(self._seconds[name], 3) for name in PARTS},
            "processor_seconds": {name: round(seconds, 3) for name, seconds in self._processor_seconds.items()},
            "first_step": self._first_step,
            "first_step_made": self._first_step_made,
            "process": os.getpid(),
            "began": self._began,
            "ended": time.time(),
            "resident_mib": resident / MIB,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,  # kB on Linux
        }
        write_json(Path(trainer.default_root_dir) / CLOCK_FILE, measured)

    def _end(self, part: str) -> None:
        now, processor_now = time.perf_counter(), time.process_time()
        self._seconds[part] += now - self._since
        self._processor_seconds[part] += processor_now - self._processor_since
        self._since, self._processor_since = now, processor_now


def runs_in(folder: Path) -> list[Run]:
    """Return what the runs in a folder measured, in the order in which they ended: metrics.json and clock.json."""
    runs = []
    for path in folder.rglob(CLOCK_FILE):
        metrics = json.loads((path.parent / METRICS_FILE).read_text())
        runs.append({"name": path.parent.name, "clock": json.loads(path.read_text()), "metrics": metrics})
    return sorted(runs, key=lambda run: float(run["clock"]["ended"]))
