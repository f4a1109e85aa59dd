"""Optimal linear filters of each size, compared with the networks at their receptive fields."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deblur.baselines.optimal_linear import apply, fit_filters
from deblur.blur.images import Crop, as_float
from deblur.config import EvaluateConfig, TrainConfig
from deblur.config.identity import data_settings, flatten
from deblur.data.datamodule import DeblurDataModule
from deblur.errors import UserError
from deblur.evaluation.opening import finished_runs, metrics_of, opened, with_problems
from deblur.evaluation.settings import different_values, evaluation_config
from deblur.evaluation.tables import filter_table
from deblur.files import safe_name, write_bytes, write_csv, write_json
from deblur.metrics import PSNR
from deblur.metrics.images import psnr
from deblur.metrics.measuring import mean_results
from deblur.reporting.configurations import SAME_INPUT
from deblur.reporting.figures import FILTERS_FILE, filter_figure
from deblur.runs.conditions import condition_sentences, conditions_of
from deblur.runs.records import METRICS_FILE, read_config
from deblur.text import Lines, paragraphs
from deblur.training.results import counts_of

SIZES = range(5, 42, 2)  # [px]
NUMBERS = ("psnr", "input_psnr", "gain")  # of the filters of each size
Row = dict[str, Any]


def filters(asked: EvaluateConfig, defaults: TrainConfig) -> Lines:
    """Measure the optimal linear filter of each size and the networks of a sweep on the same images.

    Where only a sweep is named, each of its blurs is studied and the table is left to the sweep's report.

    Args:
        asked: the checked configuration of the evaluation.
        defaults: a training's configuration, for what the command does not tell.

    Returns:
        What to show.

    Raises:
        PartlyDone: for runs whose files cannot be used.
        UserError: for what the user can fix.
    """
    root = Path(asked.paths.output_root)
    sweep = None if asked.sweep is None else root / "sweeps" / asked.sweep
    runs, problems = ([], []) if sweep is None else finished_runs(sweep)
    if sweep is None or asked.data or asked.blur or asked.output:
        configs = [evaluation_config(read_config(run), defaults, asked) for run in runs]
        _refuse_different(configs)
        config = configs[0] if configs else evaluation_config({}, defaults, asked)
        study = _studied(config, runs, asked)
        label = "-".join(safe_name(group.name or "own") for group in (config.data, config.blur))
        images, blur = config.data.plain(), config.blur.plain()
        digest = hashlib.sha256(json.dumps([images, blur], sort_keys=True).encode()).hexdigest()[:6]
        folder = Path(asked.output or root / "evaluations" / f"filters-on-{label}-{digest}")
        figure = filter_figure(study.filters, study.networks, study.blur, "filters.png")
        write_csv(folder / FILTERS_FILE, study.filters)
        summary = {"measured_on": study.measured_on, "blur": blur, "data": {"settings": images}}
        write_json(folder / METRICS_FILE, summary)
        write_bytes(folder / figure.file, figure.png)
        return with_problems(paragraphs(study.table, f"The table and its figure are in {folder}"), problems)
    rows: list[Row] = []
    parts: list[str] = []
    for run in _one_of_each_test_setting(runs):
        study = _studied(evaluation_config(read_config(run), defaults, asked), runs, asked)
        name = run.relative_to(sweep).as_posix()
        rows += [{"run": name, **row, **study.measured_on} for row in study.filters]
        parts.append(study.table)
    write_csv(sweep / FILTERS_FILE, rows)
    parts.append(f"All numbers are in {sweep / FILTERS_FILE}; the report of the sweep shows them.")
    return with_problems(paragraphs(*parts), problems)


@dataclass(frozen=True)
class _Study:
    """The best linear filters on one set of blurred images, and the networks that were tested on it.

    Attributes:
        measured_on: the images and the blur, in words.
        filters: one row for each size.
        networks: one row for each.
    """

    measured_on: Mapping[str, str]
    filters: list[Row]
    networks: list[Row]

    @property
    def blur(self) -> str:
        """The blur and its parameters."""
        return self.measured_on["blur"]

    @property
    def table(self) -> Lines:
        """What to show of it."""
        return filter_table(self.filters, self.networks, self.blur, condition_sentences([self.measured_on]))


def _refuse_different(configs: Sequence[TrainConfig]) -> None:
    """Refuse runs of which no one tells for all on which images and which blur filters are to be measured.

    Raises:
        UserError: naming what differs.
    """
    differing = different_values(
        [data_settings(config.plain()) | flatten(config.blur.plain(), "blur.") for config in configs]
    )
    if differing:
        raise UserError(
            "optimal_linear=true measures filters on one set of blurred images here, and the runs of the sweep "
            f"differ in {differing}: "
            "give the value for all of them in this command, or leave out data, blur and output for one set after the "
            "other."
        )


def _studied(config: TrainConfig, runs: Sequence[Path], asked: EvaluateConfig) -> _Study:
    data = opened(config.data, config.blur, asked)
    are_pairs = data.inputs is not data.images  # blurred by somebody else, which the filters learn from the images
    if max(data.reach) == 0 and not are_pairs:
        raise UserError("optimal_linear=true needs images that are blurred: choose one with blur=NAME.")
    own = data.crop()
    rows = filter_study(data, own)
    if own.boundary == "symmetric" and not are_pairs:  # nobody can blur more of their scenes
        _, crop = data.crops_of_both_boundaries()
        for row, real in zip(rows, filter_study(data, crop), strict=True):
            row |= {f"valid_{key}": real[key] for key in NUMBERS}
    networks = networks_on(runs, config.blur.plain(), data.images.fingerprint, rows[0]["input_psnr"])
    measured_on = conditions_of(config.plain(), counts_of(data.division), data.images.fingerprint)
    return _Study(measured_on, rows, networks)


def _one_of_each_test_setting(runs: Sequence[Path]) -> list[Path]:
    """Return the first run of each blur and set of images."""
    found: dict[str, Path] = {}
    for run in runs:
        config = read_config(run)
        found.setdefault(json.dumps([config.get("blur"), data_settings(config)], sort_keys=True), run)
    return list(found.values())


def networks_on(runs: Iterable[Path], blur: Mapping[str, Any], fingerprint: str, input_psnr: float) -> list[Row]:
    """Return the networks of a known receptive field that were tested on the same blurred images.

    Args:
        runs: finished ones.
        blur: its configuration.
        fingerprint: of the images.
        input_psnr: mean PSNR of the blurred test images [dB], which splits, crops and boundaries change.

    Returns:
        One row for each: `name`, `size` (its receptive field [px]) and mean PSNR of the test images.
    """
    found = []
    for run in runs:
        config, metrics = read_config(run), metrics_of(run)
        network, test = metrics.get("model", {}), metrics["test"]
        size, quality, level = network.get("receptive_field"), test.get("psnr"), test.get("input_psnr")
        if not isinstance(size, int | float) or quality is None or level is None:
            continue
        if config.get("blur") != blur or metrics.get("data", {}).get("fingerprint") != fingerprint:
            continue
        if abs(level - input_psnr) <= SAME_INPUT:
            model, rate = config.get("model", {}), config.get("optimizer", {}).get("lr")
            name = f"{model.get('name')}, lr {rate if rate is None else format(rate, 'g')}"
            found.append({"name": name, "size": size, "psnr": quality})
    return found


def filter_study(data: DeblurDataModule, crop: Crop, sizes: Sequence[int] = SIZES) -> list[Row]:
    """Fit the best linear filter of each size on the training images and measure it on the test images.

    The filters are those of least squares from the blurred image to the sharp one: what no linear layer of that size
    can beat on the training images. They are fitted to encoded values, which are what a network is given, also where
    the blur happened in linear light. The channels of RGB images count as images of their own, with one filter for all.

    Args:
        data: the images, set up, with a blur that is the same for all.
        crop: what is seen of each image.
        sizes: odd [px].

    Returns:
        One row for each size: `size`, mean PSNR of the filtered and of the blurred test images, and the gain [dB], as
        `deblur.metrics.measuring.mean_results` makes them; None without an image whose PSNR is finite.
    """
    training = data.evaluation_dataset(data.measurable("train", crop), crop)
    pairs = [training[position] for position in range(len(training))]
    sharp_planes, blurred_planes = ([plane for pair in pairs for plane in pair[key]] for key in ("sharp", "blurred"))
    filters = fit_filters(sharp_planes, blurred_planes, sizes, crop.extension)
    testing = data.evaluation_dataset(data.measurable("test", crop), crop)
    results: dict[int, list[float]] = {size: [] for size in sizes}
    inputs = []
    for position in range(len(testing)):
        sample = testing[position]
        blurred, sharp = as_float(sample["blurred"]), torch.from_numpy(as_float(sample["sharp"][None]))
        inputs.append(psnr(torch.from_numpy(blurred[None]), sharp).item())
        for size, taps in filters.items():
            restored = np.stack([apply(taps, plane, crop.extension) for plane in blurred])
            results[size].append(psnr(torch.from_numpy(restored[None]), sharp).item())
    rows = []
    for size, values in results.items():
        measured = [
            {"psnr": after, "input_psnr": before, "gain": after - before}
            for before, after in zip(inputs, values, strict=True)
        ]
        means = mean_results(measured, [PSNR.info])
        rows.append({"size": size, **{key: means[key] for key in NUMBERS}})
    return rows
