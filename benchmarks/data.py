"""How fast images are decoded, blurred and loaded, and what training waits for: `python -m benchmarks.data`."""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.bare import BareLoop
from benchmarks.blurs import FIXED, MIXED, blurring
from benchmarks.images import drawn_faces, write_images
from benchmarks.networks import NETWORKS
from benchmarks.results import Row, write_table
from benchmarks.timing import interleaved, seconds
from deblur.blur import Box, Degradation
from deblur.config import schema
from deblur.data.cache import open_cache
from deblur.data.datamodule import DeblurDataModule, build_data_module
from deblur.data.sources import FolderData
from deblur.device import Device, DeviceRequest, keep_freed_memory, taken_device
from deblur.image_io.decoding import read_gray
from deblur.models import SRCNN

FILES = 200  # decoded in one repeat
EPOCHS_KEPT = 3  # timed once what is kept of blurred images is kept


def decoding(root: Path) -> list[Row]:
    """Compare ways of decoding JPEG files, and of filling a cache with them."""
    source = FolderData(root, FILES, 0)
    paths = [root / name for name in source.names]

    def cache(workers: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            open_cache(source, Path(folder), workers=workers, progress=False)

    ways: dict[str, Callable[[], object]] = {
        "decoded by deblur": lambda: [read_gray(path) for path in paths],
        "cv2.imread, color, then to gray": lambda: [
            cv2.cvtColor(np.asarray(cv2.imread(str(path))), cv2.COLOR_BGR2GRAY) for path in paths
        ],
        "cv2.imread, gray": lambda: [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in paths],
        "decoded into a cache, 1 thread": lambda: cache(1),
    }
    rates = interleaved(list(ways.values()), FILES)
    return [
        {"way": way, "images/s": rate, "of deblur's": ratio} for way, (rate, ratio) in zip(ways, rates, strict=True)
    ]


def data_of(root: Path, degradation: Degradation, context: int, workers: int) -> DeblurDataModule:
    """Open a folder as training does."""
    settings = {"seed": 0, "max_bad_fraction": 0.05, "patch_size": 64, "patches_per_image": 4, "batch_size": 16}
    more = {"flips": True, "eval_crop": 256, "eval_batch_size": 4, "num_workers": workers}
    cache = str(root.parent / "cache")
    section = {"_target_": "deblur.data.FolderData", "root": str(root), "max_images": None, **settings, **more}
    data = build_data_module(schema.FolderData.model_validate(section), degradation, cache_root=cache, context=context)
    data.setup()
    return data


def epochs(loader: Any) -> Iterator[Iterator[Any]]:
    """Give the batches of one epoch after another."""
    epoch = 0
    while True:
        for sampler in (loader.sampler, loader.batch_sampler):
            getattr(sampler, "set_epoch", lambda _: None)(epoch)
        yield iter(loader)
        epoch += 1


def loading(root: Path) -> list[Row]:
    """Time the epochs of the training loader."""
    rows: list[Row] = []
    for name, degradation in {**FIXED, "mixed": MIXED}.items():
        for workers in (0, 1, 2):
            data = data_of(root, degradation, 6, workers)
            turns = islice(epochs(data.train_dataloader()), 1 + EPOCHS_KEPT)
            times = [seconds(partial(list, turn)) for turn in turns]
            first, later = (len(data.splits.train) / each for each in (times[0], statistics.median(times[1:])))
            rows.append({"blur": name, "workers": workers, "first epoch [images/s]": first, "later [images/s]": later})
    return rows


def waiting(root: Path, device: Device, names: Sequence[str], steps: int, workers: int) -> list[Row]:
    """Measure which share of the training steps is spent waiting for data, in the first epoch and later."""
    rows: list[Row] = []
    for name in names:
        for blur, degradation in {**FIXED, "box, noise 2": Box(7, noise_sigma=2), "mixed": MIXED}.items():
            network = SRCNN(*NETWORKS[name])
            data = data_of(root, degradation, network.halo, workers)
            step = stepper(network, data, device)
            turns = epochs(data.train_dataloader())
            first = next(turns)
            step(next(first))  # what is built once
            began, _ = wait_and_work(first, step, steps)
            list(first)  # the rest of the epoch: what is kept of its images is kept now
            for each in islice(turns, EPOCHS_KEPT):
                list(each)
            share, rate = wait_and_work(next(turns), step, steps)
            row = {"network": name, "blur": blur, "first epoch": began, "later": share}
            rows.append(row | {"steps/s": rate, "precision": device.precision})
    return rows


def stepper(network: SRCNN, data: DeblurDataModule, device: Device) -> Callable[[Any], None]:
    """Return what makes one step of a training with a batch."""
    place = device.place
    loop = BareLoop(network, place, bfloat16=device.precision == "bf16-mixed")

    def step(batch: Any) -> None:
        moved = {key: value.to(place, non_blocking=True) for key, value in batch.items()}
        loop.step(data.on_after_batch_transfer(moved, 0))
        if place.type == "cuda":
            torch.cuda.synchronize(place)  # or the wait for the device would count as one for data

    return step


def wait_and_work(batches: Iterator[Any], step: Callable[[Any], None], steps: int) -> tuple[float, float]:
    """Make steps; return the share of the time that is spent waiting for batches, and steps a second."""
    waited, made, start = 0.0, 0, time.perf_counter()
    for _ in range(steps):
        asked = time.perf_counter()
        batch = next(batches, None)
        waited += time.perf_counter() - asked
        if batch is None:
            break
        step(batch)
        made += 1
    whole = time.perf_counter() - start
    return waited / whole, made / whole


def main(args: Sequence[str] | None = None) -> None:
    """Measure the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = ["decoding", "blurring", "loading", "waiting"]
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts, help="what to measure")
    parser.add_argument("--images", type=int, default=1000, help="files in the folder that is loaded")
    parser.add_argument("--steps", type=int, default=100, help="training steps that are timed for each share")
    known = list(NETWORKS)
    parser.add_argument("--networks", nargs="+", choices=known, default=known, help="that wait for data")
    parser.add_argument("--workers", type=int, default=0, help="loader processes in these trainings")
    options = parser.parse_args(args)
    cv2.setNumThreads(0)
    keep_freed_memory()
    with (
        tempfile.TemporaryDirectory() as temporary,
        taken_device(DeviceRequest()) as device,
    ):
        scratch, root = Path(temporary), Path(temporary) / "images"
        faces = drawn_faces(min(options.images, 200), scratch)
        write_images(faces, root, options.images)
        if "decoding" in options.parts:
            write_table("data_decoding", f"Decoding {FILES} color JPEG files of 256x256 px", decoding(root))
        if "blurring" in options.parts:
            write_table("data_blurring", "Blurring a gray image of 256x256 px", blurring(faces, scratch))
        if "loading" in options.parts:
            write_table("data_loading", f"The training loader, on {os.cpu_count()} CPUs", loading(root))
        if "waiting" in options.parts:
            rows = waiting(root, device, options.networks, options.steps, options.workers)
            write_table("data_waiting", "Share of the training steps spent waiting for data", rows)


if __name__ == "__main__":
    main()
