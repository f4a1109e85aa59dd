"""The list of `dry_run=true`: the runs of a command, their states, and the remaining epochs and bytes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deblur.config import TrainConfig
from deblur.config.schema import ComparisonGrids
from deblur.console import duration, fitted_table
from deblur.runs.records import read_status
from deblur.runs.states import is_lengthened, is_replaceable, state_of
from deblur.sweeps.progress import seconds_left
from deblur.sweeps.sweep import Job
from deblur.text import Lines, counted, lines, paragraphs

_WITHOUT_PARTS: Final = ("seed", "sweep", "resume", "overwrite", "fail_fast", "dry_run", "logger", "weights")
"""Sections that `rehearse` does not read: for runs that differ in these alone, it is called once."""

_BYTES_OF_PARAMETER: Final = 4
_CHECKPOINTS: Final = 2  # best.ckpt and last.ckpt
_BYTES_OF_CHECKPOINT: Final = 20_000  # besides the parameters and their optimizer states
_STATES: Final = {"SGD": 1}  # numbers per parameter that an optimizer keeps; Adam and its variants keep two
_USUAL_STATES: Final = 2
_BYTES_OF_PIXEL: Final = 0.8  # of a gray image as PNG
_USUAL_SIDE: Final = 256  # [px] of a test image that is not cropped
_SAMPLE_IMAGES: Final = 24  # in samples/: four test images three times, and once more in one comparison grid
_PANELS: Final = 4.5  # in a row of a comparison grid: blurred, restored, sharp, error; enlarged details take little


def listing(folder: Path, jobs: Sequence[Job], at_once: int = 1) -> Lines:
    """Check jobs as far as possible without a training, and return their list; nothing is written.

    Args:
        folder: in which all of them lie.
        jobs: in the order in which they start; they do not conflict with the runs in their folders.
        at_once: how many are trained at the same time.

    Raises:
        SweepRefused: for a job that cannot be trained.
    """
    from deblur.training.parts import rehearse  # seconds of imports

    checked: dict[str, int] = {}  # the parameters of the networks by configuration
    rows, still = [], {}
    size = 0.0
    for job in jobs:
        parts = {key: value for key, value in job.config.plain().items() if key not in _WITHOUT_PARTS}
        key = json.dumps(parts, sort_keys=True, default=str)
        try:
            if key not in checked:
                checked[key] = rehearse(job.config)
            state, epochs = _progress(job)
        except Exception as error:
            raise job.refused(error) from error
        all_epochs = job.config.trainer.max_epochs
        name = job.folder.relative_to(folder).as_posix()
        rows.append([name, state, f"{epochs}/{all_epochs}", f"{checked[key]:,}"])
        if state != "done":
            still[job] = {"epoch": epochs, "left": max(0, all_epochs - epochs)}
            size += bytes_of_run(job.config, checked[key]) / 1e6
    left = []
    if still:
        seconds = seconds_left(jobs, still, min(at_once, len(still)))
        time = "" if seconds is None else f", about {duration(seconds)} at the pace of finished epochs"
        epochs = sum(status["left"] for status in still.values())
        left = [f"Left to do: {counted(epochs, 'epoch')}{time}, and about {max(size, 1):,.0f} MB on the disk."]
    return paragraphs(
        f"{counted(len(jobs), 'run')} in {folder}: {len(jobs) - len(still)} done, {len(still)} open.",
        fitted_table("", ("run", "state", "epochs", "parameters"), rows),
        lines(*left, "dry_run=true: everything but the images was checked; nothing was trained or written."),
    )


def _progress(job: Job) -> tuple[str, int]:
    """Return the state of a run in the list, and the number of its finished epochs."""
    state = state_of(job.folder)
    epochs = 0 if state is None else read_status(job.folder).get("epoch") or 0
    if job.config.overwrite and is_replaceable(job.folder, job.config.plain()):
        return f"open ({state}, is replaced)", 0
    if state == "done" and is_lengthened(job.folder, job.config.plain()):
        return "open (done, is trained longer)", epochs
    if state in (None, "done", "running"):
        return state or "open", epochs
    return f"open ({state})", epochs


def bytes_of_run(config: TrainConfig, parameters: int) -> float:
    """Return an estimate of the size of a run's checkpoints and images [bytes]; its tables are small.

    Args:
        config: the checked configuration.
        parameters: number of parameters of the network.
    """
    callbacks = config.callbacks or {}
    copies = 1 + _STATES.get(config.optimizer.class_name, _USUAL_STATES) + ("ema" in callbacks)
    checkpoint = parameters * copies * _BYTES_OF_PARAMETER + _BYTES_OF_CHECKPOINT
    image = (config.data.eval_crop or _USUAL_SIDE) ** 2 * _BYTES_OF_PIXEL
    grids = callbacks.get("comparison_grids") if config.logger else None
    images: float = _SAMPLE_IMAGES
    if isinstance(grids, ComparisonGrids):
        times = 2 + config.trainer.max_epochs // grids.every_n_epochs
        images += times * grids.images * _PANELS
    return _CHECKPOINTS * checkpoint + images * image
