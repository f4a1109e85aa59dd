"""What a contender is asked for, and what it reached when: files between the command and its processes."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.processes import since_start


class Target(NamedTuple):
    """A quality of the validation images: a mean PSNR of at least `value` [dB], or a mean MSE of at most `value`."""

    metric: str  # psnr or mse
    value: float


@dataclass(frozen=True)
class Point:
    """The quality of the validation images during a training.

    Attributes:
        seconds: from the first step.
        startup: from the start of the process to the first step [s].
        epochs: passes over the training images; the study's program is also measured within one.
        psnr: mean over the images, restored images clamped to [0, 1] [dB].
        mse: likewise.
    """

    seconds: float
    startup: float
    epochs: float
    psnr: float
    mse: float

    def meets(self, target: Target) -> bool:
        """Return whether the point is as good as a target."""
        return self.psnr >= target.value if target.metric == "psnr" else self.mse <= target.value


@dataclass(frozen=True)
class Task:
    """One training of one contender.

    Attributes:
        images: the folder that `restated.prepare` wrote, with lossless sharp images.
        output: for the points, one JSON object per line.
        network: 9-1-5, 9-3-1-5 or 9-1-1-1-5.
        blur: box, gaussian or motion.
        seed: of the training.
        limit: of the training [s].
        targets: the training ends once all are met.
        packages: a folder with deepinv; None if it is installed.
    """

    images: Path
    output: Path
    network: str
    blur: str
    seed: int
    limit: float
    targets: Sequence[Target]
    packages: Path | None = None

    def write(self, path: Path) -> None:
        """Write the task to a file."""
        path.write_text(json.dumps(asdict(self), default=str), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Task":
        """Read a task from a file."""
        stored = json.loads(path.read_text(encoding="utf-8"))
        paths = {key: None if stored[key] is None else Path(stored[key]) for key in ("images", "output", "packages")}
        return cls(**{**stored, **paths, "targets": [Target(*target) for target in stored["targets"]]})


class Recorder:
    """Writes the points of a training that runs in this process."""

    def __init__(self, task: Task) -> None:
        """Take the task."""
        self._task = task
        self._startup: float | None = None
        self._missing = list(task.targets)

    @property
    def has_started(self) -> bool:
        """Return whether there was a first step."""
        return self._startup is not None

    def start(self) -> None:
        """Note that the first step begins."""
        self._startup = since_start()

    def seconds(self) -> float:
        """Return the seconds since the first step began."""
        return 0.0 if self._startup is None else since_start() - self._startup

    def add(self, seconds: float, epochs: float, psnr: float, mse: float) -> bool:
        """Write a point.

        Args:
            seconds: from the first step to the end of the measurement.
            epochs: passes over the training images until then.
            psnr: of the validation images [dB].
            mse: of the validation images.

        Returns:
            Whether the training may end: every target was met, or the time is over.
        """
        point = Point(seconds, self._startup or 0.0, epochs, psnr, mse)
        with self._task.output.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(point)) + "\n")
        self._missing = [target for target in self._missing if not point.meets(target)]
        return not self._missing or seconds >= self._task.limit


def read_points(path: Path) -> list[Point]:
    """Read the points of a training."""
    return [Point(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
