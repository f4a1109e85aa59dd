"""How long the rest of a sweep takes, from the epochs that are behind it, and how much a run writes."""

from collections.abc import Iterable, Mapping
from statistics import mean
from typing import Any, Final

from deblur.reading import UnusableFile
from deblur.runs.records import read_history
from deblur.sweeps.sweep import Job

_BYTES_OF_PARAMETER: Final = 4
_CHECKPOINTS: Final = 2  # best.ckpt and last.ckpt
_ROOM_OF_CHECKPOINT: Final = 20_000  # [bytes] beside the parameters and what the optimizer keeps of them
_STATES: Final = {"SGD": 1}  # [numbers for each parameter] that an optimizer keeps; Adam and its kind keep two
_USUAL_STATES: Final = 2
_BYTES_OF_PIXEL: Final = 0.8  # of a gray image as PNG
_USUAL_SIDE: Final = 256  # [px] of a test image that is taken whole
_SAMPLE_IMAGES: Final = 24  # in samples/: four test images three times, and once more in one comparison grid
_PANELS: Final = 4  # in a row of a comparison grid: blurred, restored, sharp, error


def seconds_left(jobs: Iterable[Job], still: Mapping[Job, Mapping[str, Any]], at_once: int) -> float | None:
    """Return an estimate of the time that the open runs need [s], or None before the first epoch has ended.

    An epoch is taken to last as long as those of the same network have lasted; networks that have not been trained yet
    are taken for average ones.

    Args:
        jobs: all of the sweep.
        still: those that have not ended, and what status.json says of each; nothing where it has not begun.
        at_once: how many are trained at the same time.
    """
    measured: dict[str, list[float]] = {}
    for job in jobs:
        measured.setdefault(_network(job), []).extend(_epochs(job))
    every = [seconds for epochs in measured.values() for seconds in epochs]
    if not every:
        return None
    left = 0.0
    for job, status in still.items():
        epochs = measured[_network(job)] or every
        left += mean(epochs) * max(0, job.config["trainer"]["max_epochs"] - (status.get("epoch") or 0))
    return left / at_once


def _network(job: Job) -> str:
    return str(job.config["model"])


def _epochs(job: Job) -> list[float]:
    """Return the seconds of each finished epoch of a run; none if its history cannot be used."""
    try:
        return [float(seconds) for row in read_history(job.folder) if (seconds := row.get("seconds")) is not None]
    except UnusableFile:
        return []


def bytes_of_run(config: Mapping[str, Any], parameters: int) -> float:
    """Return an estimate of what a run writes [bytes]: its checkpoints and images; its tables are small beside them.

    Args:
        config: the checked configuration.
        parameters: of the network.
    """
    optimizer = str(config["optimizer"]["_target_"]).rpartition(".")[2]
    copies = 1 + _STATES.get(optimizer, _USUAL_STATES) + ("ema" in (config["callbacks"] or {}))
    checkpoint = parameters * copies * _BYTES_OF_PARAMETER + _ROOM_OF_CHECKPOINT
    image = (config["data"]["eval_crop"] or _USUAL_SIDE) ** 2 * _BYTES_OF_PIXEL
    grids = (config["callbacks"] or {}).get("comparison_grids") if config["logger"] else None
    images = _SAMPLE_IMAGES
    if grids and {"images", "every_n_epochs"} <= grids.keys():
        times = 2 + config["trainer"]["max_epochs"] // grids["every_n_epochs"]
        images += times * grids["images"] * _PANELS
    return _CHECKPOINTS * checkpoint + images * image
