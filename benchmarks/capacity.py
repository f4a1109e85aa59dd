"""Disk, memory, reading and hours of many images and runs: `python -m benchmarks.capacity --images 92219 --color rgb`.

The parts are measured now, on a sample of the images; `benchmarks.needs` derives the rest. Times are processor times of
one thread, which other programs change little. For other processors and GPUs, pass times per step with --step-ms;
without them nothing is said about their hours. Overrides of the training come first, as in
`python -m benchmarks.capacity trainer.max_epochs=5 --step-ms 5 10`.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import deblur
from benchmarks.clock import CLOCK_FILE, WORDS, Run, runs_in
from benchmarks.images import drawn_faces, write_images
from benchmarks.needs import (
    GIB,
    KIB,
    Images,
    Training,
    cpu_rows,
    device_rows,
    disk_rows,
    memory_rows,
    plan_of,
)
from benchmarks.processes import Finished, run
from benchmarks.results import Row, write_table
from benchmarks.scale import forget
from deblur.data.cache import ImageCache
from deblur.data.cache_files import PIXELS
from deblur.runs.records import IMAGES_FILE, METRICS_FILE, read_history

NETWORKS = ("srcnn_915", "srcnn_9315", "srcnn_91115")  # of experiment=grid
BLURS = ("gaussian", "box", "motion")  # likewise
EPOCHS = (1, 3)  # of the two short trainings of each network
FACES = 50  # drawn, of which the images of the sample are variants


def open_images(overrides: Sequence[str]) -> dict[str, float]:
    """Index and cache the images of a configuration; time it, and measure the files and the open index."""
    config = deblur.compose("train", overrides)
    start = time.process_time()
    names = deblur.data_module(config).images.names
    seconds = time.process_time() - start
    root = Path(config.data.plain()["root"])
    pixels = pixel_file(overrides)
    tracemalloc.start()
    opened = ImageCache(pixels.parent, memory_limit=0)
    return {
        "count": len(opened),
        "file_bytes": sum((root / name).stat().st_size for name in names),
        "pixel_bytes": pixels.stat().st_size,
        "index_bytes": sum(path.stat().st_size for path in pixels.parent.iterdir() if path != pixels),
        "index_memory": tracemalloc.get_traced_memory()[0],
        "seconds": seconds,
    }


def load(overrides: Sequence[str], *, cold: bool) -> dict[str, float]:
    """Prepare the batches of one epoch, with the pixels in the page cache or not; return time and bytes read."""
    data = deblur.data_module(overrides)
    if cold:
        forget(pixel_file(overrides).parent)
    before, start, batches = read_from_disk(), time.process_time(), 0
    for _ in data.train_dataloader():
        batches += 1
    seconds, read = time.process_time() - start, read_from_disk() - before
    return {"batch_ms": 1000 * seconds / batches, "read_per_image": read / len(data.splits.train)}


def pixel_file(overrides: Sequence[str]) -> Path:
    """Return the one file of decoded pixels in the cache of a configuration."""
    [pixels] = Path(deblur.compose("train", overrides).paths.cache_root or "").rglob(PIXELS)
    return pixels


def read_from_disk() -> int:
    """Return the bytes that this process has had read from a disk; proc(5)."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text(encoding="ascii").splitlines())
    return int(lines["read_bytes"])


def measured_images(overrides: Sequence[str]) -> Images:
    """Build the cache of the sample, and read it as trainings do, each in a separate process."""

    def phase(name: str, *more: str) -> Finished:
        return run("benchmarks.capacity", "--phase", name, *overrides, *more)

    built = phase("open")
    from_disk = ("data.num_workers=0", "data.cache_memory=0")
    cold, warm = (phase(name, *from_disk).output["read_per_image"] for name in ("cold", "warm"))
    batch_ms = [phase("warm", *from_disk, f"blur={blur}").output["batch_ms"] for blur in BLURS]
    rest = {"build_mib": built.peak_mib, "read_per_image": cold, "read_again_per_image": warm}
    return Images(**built.output, **rest, batch_ms=statistics.mean(batch_ms))


def measured_training(network: str, overrides: Sequence[str], outputs: Path) -> Training:
    """Train a network twice, for different numbers of epochs."""
    few, many = EPOCHS
    folders, ended = {}, {}
    for epochs in EPOCHS:
        place = outputs / network / str(epochs)
        words = [f"model={network}", f"trainer.max_epochs={epochs}", f"paths.output_root={place}", *WORDS]
        ended[epochs] = run("deblur.train", *overrides, *words)
        [folders[epochs]] = {path.parent for path in place.rglob(METRICS_FILE)}
    [made] = runs_in(outputs / network / str(many))
    tested = made["metrics"]["test"]["images"]
    sizes = {epochs: size_of(folder) for epochs, folder in folders.items()}
    epoch_bytes = (sizes[many] - sizes[few]) / (many - few)
    return Training(
        network=network,
        **times(made, folders[many]),
        process_mib=ended[many].peak_mib,
        worker_mib=ended[many].worker_mib,
        fixed_bytes=sizes[few] - few * epoch_bytes,
        epoch_bytes=epoch_bytes,
        test_image_bytes=(folders[many] / IMAGES_FILE).stat().st_size / tested,
    )


def times(made: Run, folder: Path) -> dict[str, float]:
    """Return the processor seconds of the parts of a run: per step, image and epoch."""
    parts, metrics = made["clock"]["processor_seconds"], made["metrics"]
    epochs = read_history(folder)
    return {
        "step": (parts["steps"] + parts["waiting for data"]) / (epochs[-1]["step"] or 1),
        "val_image": parts["validation"] / len(epochs) / metrics["data"]["counts"]["val"],
        "test_image": parts["test"] / metrics["test"]["images"],
        "epoch_end": parts["epoch ends"] / len(epochs),
        "start": parts["before the first step"],
    }


def size_of(folder: Path) -> int:
    """Return the bytes of a run's files that do not depend on the number of test images."""
    other = (IMAGES_FILE, CLOCK_FILE)
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name not in other)


def part_rows(images: Images, trainings: Sequence[Training]) -> list[Row]:
    """Return what was measured: one line per part."""
    of_images = {
        "bytes per image: file": images.file_bytes / images.count,
        "bytes per image: pixels in the cache": images.pixel_bytes / images.count,
        "bytes per image: index": images.index_bytes / images.count,
        "bytes per image: open index, in memory": images.index_memory / images.count,
        "bytes read per training image, not in the page cache": images.read_per_image,
        "the same, by a second process": images.read_again_per_image,
        "ms per image, to index and cache": 1000 * images.seconds / images.count,
        "MiB of that process": images.build_mib,
        "ms to prepare a batch on one core": images.batch_ms,
    }
    rows: list[Row] = [{"part": name, "measured": value} for name, value in of_images.items()]
    for one in trainings:
        of_training = {
            "ms per step": 1000 * one.step,
            "ms per validation image": 1000 * one.val_image,
            "ms per test image": 1000 * one.test_image,
            "seconds to the first step": one.start,
            "seconds per epoch besides": one.epoch_end,
            "MiB of the process": one.process_mib,
            "KiB of a run: fixed": one.fixed_bytes / KIB,
            "KiB of a run: per epoch": one.epoch_bytes / KIB,
            "bytes of a run: per test image": one.test_image_bytes,
        }
        rows += [{"part": f"{one.network}: {name}", "measured": value} for name, value in of_training.items()]
    return rows


def parsed(args: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=92_219, help="images to plan for (default: 92219)")
    parser.add_argument("--color", choices=("gray", "rgb"), default="gray", help="data.color (default: gray)")
    parser.add_argument("--runs", type=int, default=18, help="runs, a grid over the networks (default: 18)")
    parser.add_argument("--devices", type=int, default=8, help="runs at a time on one machine (default: 8)")
    parser.add_argument("--networks", nargs="+", default=NETWORKS, help="options of the group model")
    parser.add_argument("--step-ms", type=float, nargs="+", default=[], help="times per step on other hardware [ms]")
    parser.add_argument("--sample", type=int, default=200, help="images that are measured (default: 200)")
    parser.add_argument("--root", type=Path, help="a folder of images to take them from; without it they are drawn")
    parser.add_argument("--scratch", type=Path, help="folder to write to (default: a temporary one)")
    parser.add_argument("--phase", choices=("open", "cold", "warm"), help=argparse.SUPPRESS)
    parser.add_argument("overrides", nargs="*", help="overrides of the training, such as trainer.max_epochs=20")
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> None:
    """Measure the parts, and write the needs."""
    options = parsed(args)
    if options.phase:
        is_open, words = options.phase == "open", options.overrides
        print(json.dumps(open_images(words) if is_open else load(words, cold=options.phase == "cold")))
        return
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that are started
    with tempfile.TemporaryDirectory(dir=options.scratch) as temporary:
        scratch = Path(temporary)
        root = options.root
        if root is None:
            root = scratch / "images"
            write_images(drawn_faces(min(FACES, options.sample), scratch), root, options.sample)
        overrides = [f"data.color={options.color}", *options.overrides]
        sample = ["data=folder", f"data.root={root.absolute()}", f"data.max_images={options.sample}"]
        sample += [*overrides, f"paths.cache_root={scratch / 'cache'}"]
        config = deblur.compose("train", sample)
        images = measured_images(sample)
        if images.pixel_bytes / images.count * options.images > config.data.cache_memory * GIB:
            sample.append("data.cache_memory=0")  # so that the sample is read as all images are
        trainings = [measured_training(network, sample, scratch / "outputs") for network in options.networks]
    plan = plan_of(config, options.images)
    count, runs, devices = options.images, options.runs, options.devices
    write_table("capacity_parts", f"Measured on {images.count} images", part_rows(images, trainings))
    what = f"{count} images, {options.color}"
    steps = f"{plan.epochs} epochs of {plan.steps_per_epoch} steps; {plan.train}, {plan.val} and {plan.test} images"
    write_table("capacity_disk", f"Disk: {what}", disk_rows(images, trainings, plan, count, runs))
    workers = config.data.num_workers
    write_table("capacity_memory", f"Memory: {what}", memory_rows(images, trainings, count, devices, workers))
    at_once = sorted({1, os.cpu_count() or 1, devices})
    write_table(
        "capacity_cpu",
        f"Hours of this processor, one core per run: {steps}",
        cpu_rows(images, trainings, plan, count, runs, at_once),
    )
    rows = device_rows(images, plan, runs, devices, options.step_ms)
    write_table("capacity_devices", f"By the time per step: {steps}", rows)


if __name__ == "__main__":
    main()
