"""Seconds until a training reaches a quality of the validation images: `python -m studies.time_to_quality`.

The contenders train one after the other on the same images, blurred alike, on the same device, each in a process of its
own; then again, with the next seed:

- ours: `python -m deblur.train` with its defaults;
- deepinv: deepinv's Trainer with the same network, optimizer and learning rate, on patches of the same size and number,
  otherwise as deepinv has it (float32, torch's own layers);
- tuned: the same with bf16, channels last, our CPU operators and fused Adam (see `with_deepinv`);
- study: a reimplementation of the program of the 2022 study, with its wider networks, whole images, batches of one and
  its learning rate (see `studies.srcnn_2022.restated`).

Targets: a PSNR on the default images and network, and the validation losses that the study published for each network
and blur. The quality is the mean over the same validation images, of which none is compressed and all are clamped to
[0, 1]; it is measured after each epoch, that of the study's program also within epochs, with its clock stopped. The
clocks contain each program's own validation. A ratio is the time of a contender divided by ours. A contender that is
not there within the limit has no time, and the best value of its measurements is given.
"""

import argparse
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.results import Row, median_ratio, write_table
from studies.srcnn_2022.published import read_published
from studies.srcnn_2022.restated import BLURS, NETWORKS, Study, prepare
from studies.time_to_quality import ours, with_deepinv
from studies.time_to_quality.recording import Point, Target, Task, read_points

NAMES = {"ours": "ours", "deepinv": "deepinv", "tuned": "deepinv, tuned", "study": "the study's program"}
DRAWN = "drawn"


class Setting(NamedTuple):
    """One training of each contender: its images, None for drawn ones, and its targets."""

    root: Path | None
    network: str
    blur: str
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Measured:
    """What the trainings of a setting reached.

    Attributes:
        setting: of the trainings.
        limit: of each training [s].
        given: the quality of the blurred images.
        trainings: the points of each training, by contender, in the order of the repeats.
    """

    setting: Setting
    limit: float
    given: Point
    trainings: Mapping[str, Sequence[Sequence[Point]]]

    def rows(self) -> list[Row]:
        """Return a row per target, with the seconds from the first step, and ratios."""
        return [self._row(target) for target in self.setting.targets]

    def details(self) -> list[Row]:
        """Return a row per target and contender."""
        return [self._detail(target, contender) for target in self.setting.targets for contender in self.trainings]

    def times(self, contender: str, target: Target) -> list[float]:
        """Return the seconds of each training from the first step to a target; infinite if it is not met in time."""
        firsts = self._firsts(contender, target)
        return [math.inf if first is None else first.seconds for first in firsts]

    def _firsts(self, contender: str, target: Target) -> list[Point | None]:
        return [
            next((point for point in points if point.meets(target) and point.seconds <= self.limit), None)
            for points in self.trainings[contender]
        ]

    def _row(self, target: Target) -> Row:
        row = self._head(target)
        for contender in self.trainings:
            row[f"{NAMES[contender]} [s]"] = self._shown_time(contender, target)
        if "ours" in self.trainings:
            for contender in self.trainings:
                if contender != "ours":
                    row[f"{NAMES[contender]} / ours"] = self._ratio(contender, target)
        return row

    def _detail(self, target: Target, contender: str) -> Row:
        firsts = [first for first in self._firsts(contender, target) if first is not None]
        every = [point for points in self.trainings[contender] for point in points]
        repeats = len(self.trainings[contender])
        times = [first.seconds for first in firsts]
        return {
            **self._head(target),
            "contender": NAMES[contender],
            "met": f"{len(firsts)} of {repeats}",
            "from the first step [s]": f"{min(times):.3g} to {max(times):.3g}" if times else None,
            "from the start of the process [s]": _median([first.seconds + first.startup for first in firsts]),
            "epochs": _median([first.epochs for first in firsts]),
            "best PSNR [dB]": max(point.psnr for point in every),
            "best MSE": min(point.mse for point in every),
            "epochs trained": _median([points[-1].epochs for points in self.trainings[contender]]),
        }

    def _head(self, target: Target) -> Row:
        shown = f"{target.value:g} dB" if target.metric == "psnr" else f"MSE {target.value:g}"
        return {
            "images": DRAWN if self.setting.root is None else self.setting.root.name,
            "network": self.setting.network,
            "blur": self.setting.blur,
            "target": shown,
            "blurred": f"{self.given.psnr:.2f} dB" if target.metric == "psnr" else f"{self.given.mse:.4f}",
        }

    def _shown_time(self, contender: str, target: Target) -> float | str:
        median = statistics.median(self.times(contender, target))
        if math.isfinite(median):
            return median
        points = [point for points in self.trainings[contender] for point in points]
        is_psnr = target.metric == "psnr"
        best = (
            f"{max(point.psnr for point in points):.2f} dB" if is_psnr else f"{min(point.mse for point in points):.4f}"
        )
        return f"not within {self.limit:g} s ({best})"

    def _ratio(self, contender: str, target: Target) -> float | str | None:
        theirs, own = self.times(contender, target), self.times("ours", target)
        if not all(map(math.isfinite, own)):
            return None
        if all(map(math.isfinite, theirs)):
            return median_ratio(list(zip(theirs, own, strict=True)))
        if math.isfinite(statistics.median(theirs)):
            return None
        return f"> {self.limit / statistics.median(own):.3g}"


def settings_of(options: argparse.Namespace) -> Iterator[Setting]:
    """Return the trainings that are asked for: the default one to the PSNR, and each network and blur to its losses."""
    losses = read_published().losses
    decibels = Target("psnr", options.psnr)
    asked = [(network, blur) for network in options.networks for blur in options.blurs]
    if options.root is not None:
        yield Setting(None, "9-1-5", "box", (decibels,))
    for network, blur in asked:
        published = {value for place, value in losses.items() if (place.network, place.blur) == (network, blur)}
        targets = [Target("mse", value) for value in sorted(published, reverse=True)]
        if options.root is None and (network, blur) == ("9-1-5", "box"):
            targets.insert(0, decibels)
        yield Setting(options.root, network, blur, tuple(targets))


def measure(setting: Setting, options: argparse.Namespace, scratch: Path) -> Measured:
    """Train all contenders in turn.

    Args:
        setting: of the trainings.
        options: of the command line.
        scratch: an empty folder.
    """
    images = scratch / "images"
    prepare(images, setting.root, options.images, setting.blur, lossless=True)
    given = blurred_quality(setting.network, images)
    missing = tuple(target for target in setting.targets if not given.meets(target))
    for target in setting.targets:
        if target not in missing:
            print(
                f"{setting.network} {setting.blur}: the blurred images meet {target.metric} {target.value:g} already."
            )
    trainings: dict[str, list[list[Point]]] = {contender: [] for contender in options.contenders}
    for seed in range(options.repeats if missing else 0):
        for contender, measured in trainings.items():
            folder = scratch / f"{contender}_{seed}"
            folder.mkdir()
            points = folder / "points.jsonl"
            task = Task(images, points, setting.network, setting.blur, seed, options.limit, missing, options.deepinv)
            measured.append(train(contender, task, folder))
            last = measured[-1][-1]
            reached = f"{last.psnr:.2f} dB, MSE {last.mse:.4f}, {last.seconds:.1f} s"
            print(f"{setting.network} {setting.blur}, seed {seed}, {NAMES[contender]}: {reached}", flush=True)
    return Measured(setting._replace(targets=missing), options.limit, given, trainings)


def train(contender: str, task: Task, folder: Path) -> list[Point]:
    """Train one contender in a process of its own and return its points.

    Raises:
        SystemExit: if the process fails.
    """
    path = folder / "task.json"
    task.write(path)
    modules = {
        "ours": ["deblur.train", *ours.overrides(task, path, folder)],
        "deepinv": ["studies.time_to_quality.with_deepinv", str(path)],
        "tuned": ["studies.time_to_quality.with_deepinv", str(path), "tuned"],
        "study": ["studies.time_to_quality.with_study", str(path)],
    }
    command = [sys.executable, "-m", *modules[contender]]
    finished = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if finished.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{finished.stdout}")
    return read_points(task.output)


def blurred_quality(network: str, images: Path) -> Point:
    """Return the quality of the blurred validation images."""
    decibels, loss = Study(network, images).given_quality()
    return Point(0.0, 0.0, 0.0, decibels, loss)


def main(args: Sequence[str] | None = None) -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contenders", nargs="+", choices=NAMES, default=list(NAMES), help="by default all")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=["9-1-5"], help="default 9-1-5")
    parser.add_argument("--blurs", nargs="+", choices=BLURS, default=["box"], help="default box")
    parser.add_argument("--psnr", type=float, default=26.0, help="target of the default training [dB] (default 26)")
    parser.add_argument(
        "--root",
        type=Path,
        help="a folder of images of 256x256 px or more, for the published losses; by default the drawn faces",
    )
    parser.add_argument("--images", type=int, default=1000, help="how many, three in four for training (default 1000)")
    parser.add_argument("--repeats", type=int, default=2, help="trainings of each contender (default 2)")
    parser.add_argument("--limit", type=float, default=600, help="of each training [s] (default 600)")
    parser.add_argument("--deepinv", type=Path, metavar="DIR", help="a folder with deepinv, if it is not installed")
    options = parser.parse_args(args)
    if {"deepinv", "tuned"} & set(options.contenders) and not with_deepinv.is_installed(options.deepinv):
        parser.error(
            "deepinv is missing: `pip install --no-deps --target DIR deepinv==0.5.0 torchvision einops natsort h5py`, "
            "with the torchvision of the installed torch, then --deepinv DIR; or leave it out: --contenders ours study."
        )
    measured = []
    for setting in settings_of(options):
        with tempfile.TemporaryDirectory() as scratch:
            measured.append(measure(setting, options, Path(scratch)))
    rows = [row for one in measured for row in one.rows()]
    if not rows:
        return
    write_table("time_to_quality", f"Seconds from the first step, medians of {options.repeats}", rows)
    write_table("time_to_quality_details", "Each contender", [row for one in measured for row in one.details()])


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


if __name__ == "__main__":
    main()
