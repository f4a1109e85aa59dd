"""What many images cost in time and memory: `python -m benchmarks.scale`.

Each figure comes from a separate process. Memory is what such a process holds beyond the page cache, in which the
system keeps the pages of mapped files as long as it has no other use for them (RssAnon of /proc/PID/status, Linux).
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import lightning.pytorch as L
import numpy as np
from numpy.typing import NDArray

from benchmarks.bare import BareLoop
from benchmarks.clock import WORDS, runs_in
from benchmarks.images import drawn_faces, write_images
from benchmarks.networks import NETWORKS
from benchmarks.processes import Finished, run, since_start
from benchmarks.results import Row, write_table
from deblur.blur import Box
from deblur.config.schema import FolderData
from deblur.data.cache import ImageCache
from deblur.data.cache_files import PIXELS
from deblur.data.datamodule import DeblurDataModule, build_data_module
from deblur.data.patches import ANNOUNCED
from deblur.device import keep_freed_memory, multiplies_bfloat16
from deblur.models import SRCNN

GIB, MIB = 1024**3, 1024**2
BYTES_PER_IMAGE = 256 * 256 + 32 * 1024  # decoded, and as a file
STEPS = 200
READ = 2000  # images
REPEATS = 3
UNTOLD = "random order, as the system reads by itself"
READING = {"random order": 0, "random order, announced": ANNOUNCED}  # how many images are announced at a time


def data_of(root: Path, cache_root: Path, gib: float) -> DeblurDataModule:
    """Describe a folder as training does."""
    settings = {"seed": 0, "max_bad_fraction": 0.05, "patch_size": 64, "patches_per_image": 4, "batch_size": 16}
    more = {"flips": True, "eval_crop": 256, "eval_batch_size": 4, "num_workers": 0}
    section = {"_target_": "deblur.data.FolderData", "root": str(root), "max_images": None, "cache_memory": gib}
    return build_data_module(
        FolderData.model_validate({**section, **settings, **more}), Box(7), cache_root=str(cache_root), context=6
    )


def open_data(root: Path, cache_root: Path, gib: float) -> dict[str, float]:
    """Time the opening of the data."""
    start = time.perf_counter()
    data_of(root, cache_root, gib).setup()
    return {"seconds": time.perf_counter() - start}


def train(root: Path, cache_root: Path, gib: float, *, cold: bool) -> dict[str, float]:
    """Time the first step of a training and those that follow, with the pixels in the page cache or not."""
    if cold:
        forget(cache_root)
    keep_freed_memory()
    start = time.perf_counter()
    data = data_of(root, cache_root, gib)
    data.setup()
    loop = BareLoop(SRCNN(*NETWORKS["9-1-5"]), "cpu", bfloat16=multiplies_bfloat16("cpu", 0))
    ended = []
    for batch in islice(data.train_dataloader(), STEPS + 1):
        loop.step(data.on_after_batch_transfer(batch, 0))
        ended.append(time.perf_counter())
    rate = (len(ended) - 1) / (ended[-1] - ended[0])
    return {"seconds": ended[0] - start, "first_step": since_start() - (ended[-1] - ended[0]), "rate": rate}


def read_cold(cache_root: Path) -> dict[str, float]:
    """Compare ways of reading images that are not in the page cache [images/s], in turn."""
    [folder] = {path.parent for path in cache_root.rglob(PIXELS)}
    rates: dict[str, list[float]] = {name: [] for name in (*READING, UNTOLD)}
    for repeat in range(REPEATS):
        order = np.random.default_rng(repeat).permutation(len(ImageCache(folder, memory_limit=0)))[:READ]
        for name, ahead in READING.items():
            images = ImageCache(folder, memory_limit=0)
            forget(cache_root)
            start = time.perf_counter()
            for place, index in enumerate(order):
                if ahead and place % ahead == 0:
                    images.announce(order[place : place + 2 * ahead])
                images[int(index)].max()
            rates[name].append(len(order) / (time.perf_counter() - start))
        del images  # the system keeps what is mapped
        rates[UNTOLD].append(plain_rate(cache_root, folder / PIXELS, order))
    return {name: statistics.median(values) for name, values in rates.items()}


def plain_rate(cache_root: Path, path: Path, order: NDArray[np.int64]) -> float:
    """Read 256x256 px for each image from a mapping without read-ahead advice; return images per second."""
    forget(cache_root)
    pixels = np.load(path, mmap_mode="r")
    start = time.perf_counter()
    for index in order:
        pixels[index * 256**2 : (index + 1) * 256**2].max()
    return len(order) / (time.perf_counter() - start)


def forget(cache_root: Path) -> None:
    """Drop the pixels of all caches from the page cache, as far as no process maps them."""
    for path in cache_root.rglob(PIXELS):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(count: int, scratch: Path, faces: int, gib: float) -> Iterator[Row]:
    """Write images and measure what they cost; yield the lines of the table."""
    root, caches, outputs = (scratch / f"{count}" / name for name in ("images", "cache", "outputs"))
    file_bytes = write_images(drawn_faces(faces, scratch), root, count)
    print(f"{count} JPEG files of 256x256 px, {file_bytes / MIB:.0f} MiB, {count / 16:.0f} MiB decoded", flush=True)

    def row(what: str, seconds: float, ended: Finished, *, rate: float | None = None) -> Row:
        memory = {"beyond the page cache [MiB]": ended.peak_mib, "largest worker [MiB]": ended.worker_mib or None}
        print(f"  {what}: {seconds:.3g} s, {ended.peak_mib:.0f} MiB", flush=True)
        return {"images": count, "what": what, "seconds": seconds, "rate [1/s]": rate, **memory}

    def phase(name: str) -> Finished:
        return run("benchmarks.scale", "--phase", name, str(root), str(caches), "--cache-memory", str(gib))

    built = phase("open")
    yield row("index and cache", built.output["seconds"], built, rate=count / built.output["seconds"])
    opened = min((phase("open") for _ in range(REPEATS)), key=lambda ended: ended.output["seconds"])
    yield row("open again (best of 3)", opened.output["seconds"], opened)
    for name, what in (("warm", "in the page cache"), ("cold", "not in the page cache")):
        ended = phase(name)
        yield row(f"to the first step, pixels {what}", ended.output["seconds"], ended)
        yield row("the same, from the start of the process", ended.output["first_step"], ended)
        yield row(f"{STEPS} further steps of 9-1-5", STEPS / ended.output["rate"], ended, rate=ended.output["rate"])
    overrides = ["data=folder", f"data.root={root}", f"paths.cache_root={caches}", f"paths.output_root={outputs}"]
    overrides += [f"data.cache_memory={gib}", "trainer.max_epochs=1", "logger=none", *WORDS]
    overrides += [f"+trainer.limit_{kind}_batches=10" for kind in ("train", "val", "test")]
    ended = run("deblur.train", *overrides)
    [trained] = runs_in(outputs)
    yield row("deblur.train, to its first step", trained["clock"]["first_step_made"], ended)
    ended, read = phase("read"), min(READ, count)
    for name, rate in ended.output.items():
        yield row(f"read {read} images not in the page cache, {name}", read / rate, ended, rate=rate)


def main(args: Sequence[str] | None = None) -> None:
    """Measure each count of images, and remove what was written for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10_000, 100_000], help="numbers of images")
    parser.add_argument("--faces", type=int, default=2000, help="faces drawn, of which the images are variants")
    parser.add_argument("--scratch", type=Path, help="folder to write to (default: a temporary one)")
    parser.add_argument("--cache-memory", type=float, default=1.0, help="data.cache_memory [GiB]")
    parser.add_argument("--phase", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(args)
    if options.phase:
        L.seed_everything(0, verbose=False)
        name, root, caches = options.phase[0], Path(options.phase[1]), Path(options.phase[2])
        gib = options.cache_memory
        phases = {"open": lambda: open_data(root, caches, gib), "read": lambda: read_cold(caches)}
        phases |= {each: lambda: train(root, caches, gib, cold=name == "cold") for each in ("warm", "cold")}
        print(json.dumps(phases[name]()))
        return
    with tempfile.TemporaryDirectory(dir=options.scratch) as temporary:
        needed = max(options.counts) * BYTES_PER_IMAGE
        free = shutil.disk_usage(temporary).free
        if free < needed:
            parser.error(f"{temporary} has {free / GIB:.1f} GiB left, {needed / GIB:.1f} GiB are needed: --scratch DIR")
        rows: list[Row] = []
        for count in options.counts:
            rows += measure(count, Path(temporary), options.faces, options.cache_memory)
            shutil.rmtree(Path(temporary) / str(count))
    write_table("scale", "What many images cost", rows)


if __name__ == "__main__":
    main()
