"""How wide a network has to see: the best linear filter of each size, beside the networks at their receptive fields."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deblur.baselines.fir import apply, fit_filters
from deblur.config import Config
from deblur.data.datamodule import DeblurDataModule
from deblur.data.frames import Frame
from deblur.errors import UserError
from deblur.evaluation.opening import finished_runs, opened
from deblur.evaluation.settings import evaluation_config
from deblur.evaluation.tables import filter_table
from deblur.files import safe_name, write_bytes, write_csv
from deblur.metrics import psnr
from deblur.reporting.cells import SAME_INPUT
from deblur.reporting.filters import FILTERS_FILE, filter_figure
from deblur.runs import METRICS_FILE, data_settings, read_config, read_json

SIZES = range(5, 42, 2)  # [px]
Row = dict[str, Any]


def filters(asked: Config, defaults: Mapping[str, Any]) -> str:
    """Measure the best linear filter of each size, beside the networks of a sweep on the same images.

    Where only a sweep is named, each of its blurs is studied and the table is left to the sweep's report.

    Args:
        asked: the checked configuration of the evaluation.
        defaults: a training's configuration, for what the command does not tell.

    Returns:
        What to show.

    Raises:
        UserError: for what the user can mend.
    """
    root = Path(asked["paths"]["output_root"])
    sweep = None if asked["sweep"] is None else root / "sweeps" / asked["sweep"]
    runs = [] if sweep is None else finished_runs(sweep)
    if sweep is None or asked["data"] or asked["blur"] or asked["output"]:
        config = evaluation_config(read_config(runs[0]) if runs else {}, defaults, asked)
        study = _studied(config, runs, asked)
        label = "-".join(safe_name(config[group].get("name") or "own") for group in ("data", "blur"))
        digest = hashlib.sha256(json.dumps([config["data"], config["blur"]], sort_keys=True).encode()).hexdigest()[:6]
        folder = Path(asked["output"] or root / "evaluations" / f"filters-on-{label}-{digest}")
        figure = filter_figure(study.filters, study.networks, study.blur, "filters.png")
        write_csv(folder / FILTERS_FILE, study.filters)
        write_bytes(folder / figure.file, figure.png)
        return f"{filter_table(study.filters, study.networks, study.blur)}\n\nThe table and its figure are in {folder}"
    rows: list[Row] = []
    parts = []
    for run in _one_of_each_problem(runs):
        study = _studied(evaluation_config(read_config(run), defaults, asked), runs, asked)
        rows += [{"run": run.relative_to(sweep).as_posix(), **row} for row in study.filters]
        parts.append(filter_table(study.filters, study.networks, study.blur))
    write_csv(sweep / FILTERS_FILE, rows)
    parts.append(f"All numbers are in {sweep / FILTERS_FILE}; the report of the sweep shows them.")
    return "\n\n".join(parts)


@dataclass(frozen=True)
class _Study:
    """The best linear filters on one set of blurred images, and the networks that were tested on it."""

    blur: str
    filters: list[Row]
    networks: list[Row]


def _studied(config: Config, runs: Sequence[Path], asked: Config) -> _Study:
    data = opened(config, asked)
    if max(data.reach) == 0:
        raise UserError("fir=true needs images that are blurred: choose one with blur=NAME.")
    own = data.frame()
    rows = filter_study(data, own)
    if own.border == "symmetric":
        _, frame = data.frames_of_both_borders()
        for row, real in zip(rows, filter_study(data, frame), strict=True):
            row |= {f"real_{key}": real[key] for key in ("psnr", "input_psnr", "gain")}
    networks = networks_on(runs, config["blur"], data.images.fingerprint, rows[0]["input_psnr"])
    return _Study(str(config["blur"].get("name")), rows, networks)


def _one_of_each_problem(runs: Sequence[Path]) -> list[Path]:
    """Return the first run of each blur and set of images."""
    found: dict[str, Path] = {}
    for run in runs:
        config = read_config(run)
        found.setdefault(json.dumps([config["blur"], data_settings(config)], sort_keys=True), run)
    return list(found.values())


def networks_on(runs: Iterable[Path], blur: Mapping[str, Any], fingerprint: str, input_psnr: float) -> list[Row]:
    """Return the networks that were tested on the same blurred images, those with a guide left out.

    Args:
        runs: finished ones.
        blur: its configuration.
        fingerprint: of the images.
        input_psnr: mean PSNR of the blurred test images [dB], which splits, crops and borders change.

    Returns:
        One row for each: `name`, `size` (its receptive field [px]) and mean PSNR of the test images.
    """
    found = []
    for run in runs:
        config, metrics = read_config(run), read_json(run / METRICS_FILE)
        size, quality, level = (
            metrics["model"].get("receptive_field"),
            *map(metrics["test"].get, ("psnr", "input_psnr")),
        )
        # A guide tells of the whole picture: its network has no size to stand at. Older runs do not say, and had none.
        if metrics["model"].get("guided"):
            continue
        if config["blur"] != blur or metrics["data"]["fingerprint"] != fingerprint or None in (size, quality, level):
            continue
        if abs(level - input_psnr) <= SAME_INPUT:
            name = f"{config['model'].get('name')}, lr {config['optimizer']['lr']:g}"
            found.append({"name": name, "size": size, "psnr": quality})
    return found


def filter_study(data: DeblurDataModule, frame: Frame, sizes: Sequence[int] = SIZES) -> list[Row]:
    """Fit the best linear filter of each size on the training images and measure it on the test images.

    The filters are those of least squares from the blurred image to the sharp one: what no linear layer of that size
    can beat on the training images.

    Args:
        data: the images, set up, with a blur that is the same for all.
        frame: what is seen of each image.
        sizes: odd [px].

    Returns:
        One row for each size: `size`, mean PSNR of the filtered and of the blurred test images, and the gain [dB].
    """
    training = data.evaluation_dataset(data.splits.train, frame)
    pairs = [training[position] for position in range(len(training))]
    filters = fit_filters([pair["sharp"][0] for pair in pairs], [pair["blurred"][0] for pair in pairs], sizes)
    testing = data.evaluation_dataset(data.splits.test, frame)
    results: dict[int, list[float]] = {size: [] for size in sizes}
    inputs = []
    for position in range(len(testing)):
        sample = testing[position]
        blurred = sample["blurred"][0].astype(np.float32) / 255
        sharp = torch.tensor(sample["sharp"][None]).float() / 255
        inputs.append(psnr(torch.from_numpy(blurred[None, None]), sharp).item())
        for size, taps in filters.items():
            results[size].append(psnr(torch.from_numpy(apply(taps, blurred)[None, None]), sharp).item())
    # Where an input is exact, or a filter makes one so, no mean is defined for it.
    known = np.isfinite([inputs, *results.values()]).all(axis=0)
    return [
        {
            "size": size,
            "psnr": float(np.mean(np.array(values)[known])),
            "input_psnr": float(np.mean(np.array(inputs)[known])),
            "gain": float(np.mean(np.subtract(values, inputs)[known])),
        }
        for size, values in results.items()
    ]
