"""How fast pictures are restored: `python -m benchmarks.restoring`."""

import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.timing import seconds
from deblur.device import Device, taken_device
from deblur.models import SRCNN
from deblur.restoring.batch import restore_all
from deblur.restoring.pictures import Picture
from deblur.restoring.places import Task
from deblur.restoring.restorer import Restorer
from deblur.restoring.tiles import TiledNetwork
from deblur.restoring.torch_network import TorchNetwork

SHAPE = (1500, 2000)  # 3 megapixels
PRODUCT = 2048  # side of the matrices whose product tells what the machine can do
PICTURES, SIDE = 200, 256
LARGE = (6720, 4480)  # px
REPEATS = 7
START = "import deblur; deblur.load()"


def main() -> None:
    """Measure on the processor."""
    with taken_device({"accelerator": "cpu", "precision": "auto"}) as device:
        print(f"{device.name}, {device.threads} threads")
        network = SRCNN((9, 3, 1, 5), (64, 32, 16))
        for is_fast in (False, True) if device.precision == "bf16-mixed" else (False,):
            measure_rate(network, is_fast)
        measure_batch(network, device)
    starts = [seconds(lambda: subprocess.run([sys.executable, "-c", START], check=True)) for _ in range(REPEATS)]
    print(f"start-up: a network is loaded {statistics.median(starts):.1f} s after the command")
    measure_memory()


def measure_rate(network: SRCNN, is_fast: bool) -> None:
    """Print the megapixels a second of 9-3-1-5, and its share of the rate of matrix products, measured in turn."""
    tiled = TiledNetwork(TorchNetwork(network, torch.device("cpu"), is_fast))
    plane = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    kind = torch.bfloat16 if is_fast else torch.float32
    left, right = (torch.rand(PRODUCT, PRODUCT).to(kind) for _ in range(2))
    tiled.restore(plane[:256, :256])
    pairs = [(seconds(lambda: tiled.restore(plane)), seconds(lambda: left @ right)) for _ in range(REPEATS)]
    rates = [2 * network.macs_per_pixel * plane.size / restoring / 1e9 for restoring, _ in pairs]
    limits = [2 * PRODUCT**3 / product / 1e9 for _, product in pairs]
    share = statistics.median(rate / limit for rate, limit in zip(rates, limits, strict=True))
    speed = plane.size / 1e6 / statistics.median(restoring for restoring, _ in pairs)
    print(
        f"9-3-1-5, {'bf16' if is_fast else 'float32'}: {speed:.1f} MP/s, {statistics.median(rates):.0f} GFLOP/s, "
        f"{share:.2f} of the {statistics.median(limits):.0f} GFLOP/s of a matrix product"
    )


def measure_batch(network: SRCNN, device: Device) -> None:
    """Print how much longer reading, restoring and writing many small pictures takes than the network alone."""
    is_fast = device.precision == "bf16-mixed"
    restorer = Restorer("9-3-1-5", {}, TorchNetwork(network, torch.device("cpu"), is_fast))
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        tasks = []
        for index in range(PICTURES):
            smooth = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).resize((SIDE, SIDE))
            smooth.save(root / f"{index}.jpg")
            name = f"{index}.jpg"
            tasks.append(Task(name, root / name, root / "out" / name, str(index)))
        alone: list[float] = []

        def work(task: Task, picture: Picture) -> Iterator[tuple[Path, Picture]]:
            yield task.target, restorer.restore_picture(picture)

        def everything() -> None:
            restore_all(tasks, work, lambda _, error: sys.exit(str(error)), 1.0, lambda _: None)

        picture = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        restorer(picture)
        ratios = []
        for _ in range(3):
            alone.append(seconds(lambda: [restorer(picture) for _ in range(PICTURES)]))
            ratios.append(seconds(everything) / alone[-1])
    print(
        f"{PICTURES} JPEG files of {SIDE}x{SIDE} px: reading, restoring and writing takes "
        f"{statistics.median(ratios):.2f} "
        f"of the network's own {statistics.median(alone):.1f} s"
    )


def measure_memory() -> None:
    """Print the largest memory of a command that restores a picture of 30 megapixels."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.jpg"
        detail = np.random.default_rng(0).integers(0, 256, (112, 168, 3), dtype=np.uint8)
        Image.fromarray(detail).resize(LARGE).save(path)
        command = [sys.executable, "-m", "deblur.restore", f"input={path}", "network=gaussian", "accelerator=cpu"]
        subprocess.run(command, check=True, capture_output=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # kB on Linux
    print(f"a colour JPEG of {LARGE[0] * LARGE[1] / 1e6:.0f} megapixels: {peak:.0f} MiB in all")


if __name__ == "__main__":
    main()
