"""What many images and runs need, derived from parts that were measured on a few of them: arithmetic alone."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.results import Row
from deblur.config import TrainConfig
from deblur.data.splits import split

GIB, MIB, KIB = 1024**3, 1024**2, 1024
MB = 10**6
HOUR = 3600


@dataclass(frozen=True, kw_only=True)
class Images:
    """A sample of images, and what was measured on it without a training.

    Attributes:
        count: Images in the sample.
        file_bytes: Of all their files.
        pixel_bytes: Of all their decoded pixels, in the cache.
        index_bytes: Of the other files of the cache.
        index_memory: What the open index takes in a process [bytes].
        seconds: Processor time to index the folder and build the cache.
        build_mib: Peak memory of that process beyond the page cache.
        read_per_image: What the disk reads for one training image that is not in the page cache [bytes].
        read_again_per_image: The same in the next process, which finds the pixels in the page cache [bytes].
        batch_ms: Processor time to prepare one batch of training patches, the mean of the blurs.
    """

    count: int
    file_bytes: int
    pixel_bytes: int
    index_bytes: int
    index_memory: int
    seconds: float
    build_mib: float
    read_per_image: float
    read_again_per_image: float
    batch_ms: float


@dataclass(frozen=True, kw_only=True)
class Training:
    """What was measured on short trainings of one network.

    Attributes:
        network: Its name.
        step: Processor seconds per training step, its data included.
        val_image: The same per validation image.
        test_image: The same per test image.
        epoch_end: The same per epoch besides steps and validation.
        start: The same from the start of the process to the first step.
        process_mib: Peak memory beyond the page cache, without its loader processes.
        worker_mib: The same of its largest loader process; 0 without one.
        fixed_bytes: Files of a run, whatever its length and its images.
        epoch_bytes: What each epoch adds to them.
        test_image_bytes: What each test image adds to them.
    """

    network: str
    step: float
    val_image: float
    test_image: float
    epoch_end: float
    start: float
    process_mib: float
    worker_mib: float
    fixed_bytes: float
    epoch_bytes: float
    test_image_bytes: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The counts of one run.

    Attributes:
        train: Training images.
        val: Validation images.
        test: Test images.
        images_per_step: Images whose patches make one batch.
        epochs: Passes over the training images.
    """

    train: int
    val: int
    test: int
    images_per_step: int
    epochs: int

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one epoch; the last batch may be smaller."""
        return math.ceil(self.train / self.images_per_step)

    @property
    def steps(self) -> int:
        """Steps of the run."""
        return self.epochs * self.steps_per_epoch


def plan_of(config: TrainConfig, images: int) -> Plan:
    """Count what a configuration does with so many images of equal size, none of them identical."""
    data = config.data
    divided = split(
        [str(index) for index in range(images)], data.seed, max_val=data.max_val_images, max_test=data.max_test_images
    )
    per_image = 1 if data.patch_size is None else data.patches_per_image
    return Plan(
        train=len(divided.train),
        val=len(divided.val),
        test=len(divided.test),
        images_per_step=data.batch_size // per_image,
        epochs=config.trainer.max_epochs,
    )


def run_seconds(training: Training, plan: Plan) -> float:
    """Return the duration of one run on one core of the processor that was measured."""
    epoch = plan.steps_per_epoch * training.step + plan.val * training.val_image + training.epoch_end
    return training.start + plan.epochs * epoch + plan.test * training.test_image


def run_bytes(training: Training, plan: Plan) -> float:
    """Return the size of the files that one run leaves."""
    of_epochs = plan.epochs * training.epoch_bytes
    return training.fixed_bytes + of_epochs + plan.test * training.test_image_bytes


def makespan(durations: Sequence[float], devices: int) -> float:
    """Return when the last run ends, if each run takes the first device that becomes free."""
    free = [0.0] * devices
    for duration in durations:
        heapq.heapreplace(free, free[0] + duration)
    return max(free)


def spread(trainings: Sequence[Training], runs: int) -> list[Training]:
    """Return the training of each run of a grid, whose first axis is the network."""
    return [trainings[run * len(trainings) // runs] for run in range(runs)]


def disk_rows(images: Images, trainings: Sequence[Training], plan: Plan, count: int, runs: int) -> list[Row]:
    """Return the needs of disk space: of all images and runs."""
    scale = count / images.count
    largest = max(trainings, key=lambda training: run_bytes(training, plan))
    every = sum(run_bytes(training, plan) for training in spread(trainings, runs))
    return [
        {"disk": "image files", "GiB": images.file_bytes * scale / GIB},
        {"disk": "cache: decoded pixels", "GiB": images.pixel_bytes * scale / GIB},
        {"disk": "cache: index", "GiB": images.index_bytes * scale / GIB},
        {"disk": "largest run", "GiB": run_bytes(largest, plan) / GIB},
        {"disk": f"{runs} runs", "GiB": every / GIB},
    ]


def memory_rows(images: Images, trainings: Sequence[Training], count: int, devices: int, workers: int) -> list[Row]:
    """Return the needs of memory: of one process, and of as many on one machine as it has devices."""
    pixels = images.pixel_bytes * count / images.count / GIB
    process = (
        max(
            (one.process_mib + workers * one.worker_mib) * MIB
            + (count - images.count) * images.index_memory / images.count
            for one in trainings
        )
        / GIB
    )
    lines = {
        "process: pixels read from the disk or the page cache": (process, devices * process),
        "page cache: all pixels, once per machine": (pixels, pixels),
        "both": (process + pixels, devices * process + pixels),
        "data.cache_memory above the pixels: each process holds them": (process + pixels, devices * (process + pixels)),
    }
    return [{"memory": name, "1 run [GiB]": one, f"{devices} runs [GiB]": all_} for name, (one, all_) in lines.items()]


def cpu_rows(
    images: Images, trainings: Sequence[Training], plan: Plan, count: int, runs: int, at_once: Sequence[int]
) -> list[Row]:
    """Return the hours on the processor that was measured: to cache the images, of one run, and of all runs."""
    hours = {one.network: run_seconds(one, plan) / HOUR for one in trainings}
    cached = images.seconds * count / images.count / HOUR
    rows: list[Row] = [{"CPU": "index and cache, once", "ms per step": None, "hours": cached}]
    rows += [
        {"CPU": name, "ms per step": 1000 * one.step, "hours": hours[name]}
        for name, one in zip(hours, trainings, strict=True)
    ]
    every = [hours[one.network] for one in spread(trainings, runs)]
    rows += [
        {"CPU": f"{runs} runs, {places} at a time", "ms per step": None, "hours": makespan(every, places)}
        for places in at_once
    ]
    return rows


def device_rows(images: Images, plan: Plan, runs: int, devices: int, steps_ms: Sequence[float]) -> list[Row]:
    """Return the hours of steps alone for some times per step, and what reading and preparing the data needs.

    Args:
        images: The measured sample.
        plan: Of one run.
        runs: How many.
        devices: On which each run takes the first free one.
        steps_ms: Times per step [ms], not measured here; none gives one line without times.
    """

    def row(step_ms: float | None) -> Row:
        run = None if step_ms is None else plan.steps * step_ms / 1000 / HOUR
        read = None if step_ms is None else images.read_per_image * plan.images_per_step / (step_ms / 1000) / MB
        return {
            "ms per step": "not measured" if step_ms is None else f"{step_ms:g}",
            "1 run [h]": run,
            f"{runs} runs on {devices} [h]": None if run is None else makespan([run] * runs, devices),
            "1 run reads [MB/s]": read,
            f"{devices} runs read [MB/s]": None if read is None else devices * read,
            "cores per run for data": None if step_ms is None else images.batch_ms / step_ms,
        }

    return [row(step_ms) for step_ms in steps_ms] or [row(None)]
