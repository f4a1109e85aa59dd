"""What a finished run writes down."""

import math
import platform
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from deblur import __version__
from deblur.config import TrainConfig
from deblur.config.identity import config_without_paths, flatten
from deblur.data.datamodule import DeblurDataModule
from deblur.data.splits import Splits
from deblur.files import write_csv, write_png
from deblur.metrics import METRICS, MetricInfo, measured_columns
from deblur.runs.conditions import network_text
from deblur.runs.records import IMAGES_FILE, SAMPLES_FOLDER, sample_folder
from deblur.training.images import comparison_grid, restore_sample
from deblur.training.module import DeblurModule

SAMPLE_COUNT = 4  # test images that are stored as images
LIBRARIES = ("torch", "lightning", "torchmetrics", "albumentations", "opencv-python-headless", "numpy")


@contextmanager
def stopwatch(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Add the time that the block takes to `seconds[name]` [s]."""
    start = time.perf_counter()
    try:
        yield
    finally:
        seconds[name] = round(seconds.get(name, 0.0) + time.perf_counter() - start, 3)


def best_validation(epoch: int, history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the validation means of one epoch; epochs are counted from 1."""
    row = next(row for row in history if row["epoch"] == epoch)
    means = {name.removeprefix("val/"): value for name, value in row.items() if name.startswith("val/")}
    return {**means, "epoch": epoch}


def describe_data(data: DeblurDataModule) -> dict[str, Any]:
    """Return which images a run used, and how many it did not use since they are too small for it."""
    return {**describe_images(data), "counts": counts_of(data.splits), "too_small": data.too_small}


def counts_of(splits: Splits) -> dict[str, int]:
    """Return how many images each set has."""
    return {"train": len(splits.train), "val": len(splits.val), "test": len(splits.test)}


def describe_images(data: DeblurDataModule) -> dict[str, Any]:
    """Return which images there are, and how many cannot be read."""
    return {"fingerprint": data.images.fingerprint, "images": len(data.images), "left_out": len(data.images.bad)}


def versions() -> dict[str, str]:
    """Return the versions of this package, of Python and of the libraries that decide a result."""
    return {"deblur": __version__, "python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def git_state() -> dict[str, Any] | None:
    """Return the commit of the checkout that this package runs from, or None for an installed one."""
    source = Path(__file__).resolve().parents[2]
    if not (source / ".git").exists():
        return None
    try:
        commit, status = (
            subprocess.run(["git", *arguments], cwd=source, capture_output=True, text=True, check=True).stdout.strip()
            for arguments in (("rev-parse", "HEAD"), ("status", "--porcelain"))
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit, "changed": bool(status)}


def described_infos(infos: Iterable[MetricInfo]) -> dict[str, dict[str, Any]]:
    """Return what files say about metrics of the user's own: readers of the files do not import their modules."""
    return {
        info.name: {key: value for key, value in asdict(info).items() if key != "name"}
        for info in infos
        if info.name not in METRICS
    }


def write_images_table(folder: Path, rows: Sequence[Mapping[str, Any]], infos: Sequence[MetricInfo]) -> None:
    """Write images.csv, one row per test image; infinite values are left empty.

    Names and degradations come first: families of blur have different parameters, and each gets its column.
    """
    given, measured = dict.fromkeys(key for row in rows for key in row), measured_columns(infos)
    columns = (*(key for key in given if key not in measured), *measured)
    write_csv(folder / IMAGES_FILE, [{key: _finite(row.get(key)) for key in columns} for row in rows])


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_samples(folder: Path, module: DeblurModule, data: DeblurDataModule) -> None:
    """Write the first test images to samples/: <name>/{blurred,restored,sharp}.png, and comparison.png of all.

    They are the first by name, so they are the same in every run of a data set.
    """
    first = sorted(data.splits.test, key=lambda index: data.images.names[index])[:SAMPLE_COUNT]
    dataset = data.evaluation_dataset(first)
    samples = [dataset[position] for position in range(len(dataset))]
    restorations = [restore_sample(module, sample) for sample in samples]
    for sample, restoration in zip(samples, restorations, strict=True):
        name = sample_folder(Path(sample["name"]).as_posix())
        for kind, image in restoration._asdict().items():
            write_png(folder / SAMPLES_FOLDER / name / f"{kind}.png", np.ascontiguousarray(image))
    write_png(folder / SAMPLES_FOLDER / "comparison.png", comparison_grid(restorations))


def flat_settings(config: TrainConfig, accelerator: str) -> dict[str, Any]:
    """Return the settings that loggers show; TensorBoard's HPARAMS tab filters by them.

    The tab sorts them by name and shows the first few columns: what tells runs apart has the short names.
    """
    shown: dict[str, Any] = {
        "blur": config.blur.name or config.blur.target,
        "data": config.data.name or config.data.target,
        "lr": config.optimizer.lr,
        "model": config.model.name or config.model.target,
        "optimizer": config.optimizer.class_name,
        "scheduler": "none" if config.scheduler is None else config.scheduler.class_name,
        "seed": config.seed,
        "set/accelerator": accelerator,
        "set/epochs": config.trainer.max_epochs,
        "set/loss": config.loss,
        "set/weights": "random" if config.weights is None else network_text(config.weights),
    }
    for group, section in {"model": config.model, "blur": config.blur, "data": config.data}.items():
        for key, value in flatten(config_without_paths(section.arguments())).items():
            if value is not None:
                shown[f"set/{group}.{key}"] = value if isinstance(value, bool | int | float | str) else str(value)
    return shown
