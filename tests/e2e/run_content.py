"""What a finished run has to say, without the times that differ from run to run."""

import csv
import json
from pathlib import Path
from typing import Any

import torch
from tensorboard.backend.event_processing.event_accumulator import STORE_EVERYTHING_SIZE_GUIDANCE, EventAccumulator

from deblur.training.events import PATTERN, read_records

TIMES = frozenset({"seconds", "git", "events"})  # the last is a length, and a time may take a byte more


def content_of(run: Path) -> dict[str, Any]:
    """Return everything that has to be equal in an undisturbed run and in one that was interrupted and resumed."""
    status = json.loads((run / "status.json").read_text())
    with (run / "history.csv").open(newline="") as file:
        history = list(csv.DictReader(file))
    (events,) = run.glob(PATTERN)
    return {
        "status": (status["state"], status["epoch"], status["error"]),
        "metrics": _without_times(json.loads((run / "metrics.json").read_text())),
        "history": _without_times(history),
        "images": (run / "images.csv").read_text(),
        "samples": {path.relative_to(run).as_posix(): path.read_bytes() for path in (run / "samples").rglob("*.png")},
        "best": _without_times(torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)),
        "last": _without_times(torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)),
        "tensorboard": tensorboard_of(run),
        "events": sorted(
            (value.tag, record.event.step) for record in read_records(events) for value in record.event.summary.value
        ),
        "files": sorted(
            path.relative_to(run).as_posix() for path in run.rglob("*") if path != events and path.name != ".lock"
        ),
    }


def tensorboard_of(run: Path) -> dict[str, Any]:
    """Return the scalars and images that TensorBoard shows."""
    shown = EventAccumulator(str(run), size_guidance=STORE_EVERYTHING_SIZE_GUIDANCE).Reload()
    tags = shown.Tags()
    scalars = {tag: [(event.step, event.value) for event in shown.Scalars(tag)] for tag in tags["scalars"]}
    images = {tag: [(event.step, event.encoded_image_string) for event in shown.Images(tag)] for tag in tags["images"]}
    return {"scalars": scalars, "images": images}


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(inner) for key, inner in value.items() if key not in TIMES}
    if isinstance(value, list):
        return [_without_times(inner) for inner in value]
    return (str(value.dtype), value.tolist()) if isinstance(value, torch.Tensor) else value
