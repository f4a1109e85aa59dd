"""The study's contender: `python -m studies.time_to_quality.with_study TASK`.

The clock counts its steps and its validation after each epoch. The quality is measured more often than that, with the
clock stopped.
"""

import sys
from pathlib import Path

import torch

from studies.srcnn_2022.restated import Study
from studies.time_to_quality.recording import Recorder, Task

MEASUREMENTS = 20  # within the limit


def train(task: Task) -> None:
    """Train until the targets are met or the time is over."""
    torch.manual_seed(task.seed)
    study = Study(task.network, task.images)
    recorder = Recorder(task)
    interval = task.limit / MEASUREMENTS
    stopped, due = 0.0, interval
    recorder.start()
    for count, step in enumerate(study.steps(), 1):
        seconds = recorder.seconds() - stopped
        is_last = seconds + sum(step) >= task.limit  # the next step would end too late
        if seconds < due and not is_last:
            continue
        due = seconds + interval
        if recorder.add(seconds, count / study.images, *study.quality()) or is_last:
            return
        stopped = recorder.seconds() - seconds


if __name__ == "__main__":
    train(Task.read(Path(sys.argv[1])))
