"""The speed of training and restoring on a CUDA GPU: `python -m benchmarks.gpu`.

Without a GPU, `python -m benchmarks.gpu --accelerator cpu --steps 3 --epochs 1 data.max_images=60` tries the code; its
figures say nothing about a GPU. Further arguments are overrides of the trainings.
"""

import argparse
import logging
import statistics
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.clock import Run, runs_in
from benchmarks.gpu_steps import BareTraining, Setting, Training
from benchmarks.grid import STAGES, launcher, train
from benchmarks.networks import NETWORKS
from benchmarks.results import Row, median_ratio, write_table
from benchmarks.timing import seconds
from benchmarks.train_step import operations
from deblur.inference.tiles import TiledNetwork
from deblur.inference.torch_network import TorchNetwork
from deblur.models import SRCNN

SETTINGS = (
    Setting("float32", "32-true"),
    Setting("float32, TF32", "32-true", tf32=True),
    Setting("bf16", "bf16-mixed"),
    Setting("bf16, contiguous", "bf16-mixed", channels_last=False),
    Setting("bf16, cudnn.benchmark", "bf16-mixed", benchmark=True),
    Setting("bf16, compiled", "bf16-mixed", compiled=True),
    Setting("bf16, CUDA graphs", "bf16-mixed", compiled="reduce-overhead"),
)
WORKERS = (0, 2, 4)
AT_A_TIME = (1, 2, 4)
SEEDS = 4  # runs that are shared out among those at a time
SHAPE = (3000, 4000)  # an image of 12 megapixels
PRODUCT = {"cuda": 8192, "cpu": 512}  # side of the matrices whose product measures the speed of the machine


@dataclass(frozen=True)
class Options:
    """What is measured, and how long.

    Attributes:
        accelerator: gpu, or cpu to try the code.
        steps: of a training, for each figure.
        repeats: of each pair of measurements.
        epochs: of the trainings from the command line.
        overrides: further ones for them.
    """

    accelerator: str
    steps: int
    repeats: int
    epochs: int
    overrides: list[str]

    @property
    def device(self) -> torch.device:
        """Return torch's name of the device."""
        return torch.device("cuda" if self.accelerator == "gpu" else "cpu")


def measure_steps(options: Options) -> None:
    """Compare our training steps with those of a bare loop, and with the rate of matrix products in bf16."""
    rate = product_rate(options)
    rows: list[Row] = []
    for name, (kernel_sizes, widths) in NETWORKS.items():
        for setting in SETTINGS:
            network = partial(SRCNN, kernel_sizes, widths)
            ours = Training(network(), setting, options.accelerator, options.steps)
            bare = BareTraining(network(), setting, options.device, options.steps)
            with allowing_tf32(setting.tf32):
                pairs = [(ours.seconds_a_step(), bare.seconds_a_step()) for _ in range(options.repeats)]
            step, loop = (statistics.median(times) for times in zip(*pairs, strict=True))
            work = operations(network(), ours.shape)
            rows.append(
                {
                    "network": name,
                    "setting": setting.name,
                    "ms a step": step * 1e3,
                    "ms, bare loop": loop * 1e3,
                    "ours / bare": median_ratio(pairs),
                    "patches/s": ours.shape[0] / step,
                    "share of the bf16 product": work / step / rate,
                }
            )
    write_table("gpu_steps", f"Training steps; the product in bf16: {rate / 1e12:.3g} TFLOP/s", rows)


def measure_loading(options: Options) -> None:
    """Compare numbers of loader processes by the images a second of a training, waiting for data included."""
    rows: list[Row] = []
    for workers in WORKERS:
        (run,), _ = trained(options, f"data.num_workers={workers}")
        parts = run["clock"]["seconds"]
        spent = parts["steps"] + parts["waiting for data"]
        images = run["metrics"]["data"]["counts"]["train"] * options.epochs
        rate, share = images / spent, parts["waiting for data"] / spent
        first = rows[0]["images/s"] if rows else rate
        rows.append(
            {
                "loader processes": workers,
                "images/s": rate,
                "rate / first": rate / first,
                "share of waiting": share,
                "s a run": staged(run),
                "validation s": parts["validation"],
                "epoch ends s": parts["epoch ends"],
            }
        )
    write_table("gpu_loading", f"A run of the grid, {options.epochs} epochs", rows)


def measure_sharing(options: Options) -> None:
    """Compare numbers of runs at a time on one GPU by the time that several runs take together."""
    rows: list[Row] = []
    seeds = ",".join(str(seed) for seed in range(SEEDS))
    for at_a_time in AT_A_TIME:
        runs, wall = trained(options, "-m", "sweep=shared", f"seed={seeds}", *launcher(at_a_time))
        rows.append(
            {
                "at a time": at_a_time,
                "wall s": wall,
                "wall / first": wall / (rows[0]["wall s"] if rows else wall),
                "s a run": statistics.median(staged(run) for run in runs),
            }
        )
    write_table("gpu_sharing", f"{SEEDS} runs of {options.epochs} epochs on one GPU", rows)


def measure_restoring(options: Options) -> None:
    """Measure how many megapixels a second are restored, the way to the device and back included."""
    rows: list[Row] = []
    rate = product_rate(options)
    plane = np.random.default_rng(0).random(SHAPE if options.accelerator == "gpu" else (256, 256), dtype=np.float32)
    for name, (kernel_sizes, widths) in NETWORKS.items():
        network = SRCNN(kernel_sizes, widths)
        for precision in ("float32", "bf16"):
            tiled = TiledNetwork(TorchNetwork(network, options.device, bfloat16=precision == "bf16"))
            tiled.restore(plane)
            spent = statistics.median(seconds(partial(tiled.restore, plane)) for _ in range(options.repeats))
            work = 2 * network.macs_per_pixel * plane.size
            rows.append(
                {
                    "network": name,
                    "precision": precision,
                    "MP/s": plane.size / spent / 1e6,
                    "share of the bf16 product": work / spent / rate,
                }
            )
    write_table("gpu_restoring", f"Restoring a plane of {plane.size / 1e6:.2g} megapixels", rows)


def trained(options: Options, *overrides: str) -> tuple[list[Run], float]:
    """Train from the command line with the images in the cache; return the runs and the time of the command [s]."""
    given = [f"trainer.accelerator={options.accelerator}", f"trainer.max_epochs={options.epochs}", *options.overrides]
    with tempfile.TemporaryDirectory() as scratch:
        place, cache = Path(scratch) / "outputs", Path(scratch) / "cache"
        train([*given, "trainer.max_epochs=1"], Path(scratch) / "warm_up", cache)
        wall = seconds(partial(train, [*overrides, *given], place, cache))
        return runs_in(place), wall


def staged(run: Run) -> float:
    """Return the seconds of a run from its metrics.json."""
    return sum(float(run["metrics"]["seconds"].get(stage, 0.0)) for stage in STAGES)


def product_rate(options: Options) -> float:
    """Return the operations a second of a product of bf16 matrices on the device."""
    side = PRODUCT[options.device.type]
    left, right = (torch.rand(side, side, device=options.device).bfloat16() for _ in range(2))

    def multiply() -> None:
        for _ in range(8):
            left @ right
        if left.is_cuda:
            torch.cuda.synchronize()

    multiply()
    return 8 * 2 * side**3 / statistics.median(seconds(multiply) for _ in range(7))


@contextmanager
def allowing_tf32(allowed: bool) -> Iterator[None]:
    """Let convolutions of float32 round their factors to TF32, or not."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


PARTS: dict[str, Callable[[Options], None]] = {
    "steps": measure_steps,
    "restoring": measure_restoring,
    "loading": measure_loading,
    "sharing": measure_sharing,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all parts, or those that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accelerator", choices=("gpu", "cpu"), default="gpu", help="cpu only tries the code")
    parser.add_argument("--parts", nargs="+", choices=tuple(PARTS), default=list(PARTS), help="default: all")
    parser.add_argument("--steps", type=int, default=300, help="steps for each figure (default: 300)")
    parser.add_argument("--repeats", type=int, default=5, help="of each pair of measurements (default: 5)")
    parser.add_argument("--epochs", type=int, default=20, help="of each whole training (default: 20)")
    parser.add_argument("overrides", nargs="*", help="overrides of the trainings")
    given: dict[str, Any] = vars(parser.parse_args(arguments))
    parts = given.pop("parts")
    if given["accelerator"] == "gpu" and not torch.cuda.is_available():
        sys.exit(f"error: torch {torch.__version__} sees no CUDA GPU here; --accelerator cpu --steps 3 tries the code.")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    for part in parts:
        PARTS[part](Options(**given))


if __name__ == "__main__":
    main()
