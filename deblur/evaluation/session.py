"""One evaluation, from what the command line asked for to its files and its table."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from deblur.baselines import Baseline, make
from deblur.blur import Degradation
from deblur.config import Config, build
from deblur.data.datamodule import DeblurDataModule
from deblur.data.frames import Frame
from deblur.device import Device, taken_device
from deblur.errors import UserError
from deblur.evaluation.cross import cross_table
from deblur.evaluation.measuring import Row, measure_restorers
from deblur.evaluation.receptive_field import filter_study, networks_on
from deblur.evaluation.restorers import BaselineRestorer, NetworkRestorer, Restorer
from deblur.evaluation.settings import evaluation_config
from deblur.evaluation.tables import crossing_table, filter_table, restorer_table
from deblur.files import write_bytes, write_csv, write_json
from deblur.memory import keep_freed_memory
from deblur.metrics import mean_results
from deblur.networks.trained import Trained, load_trained
from deblur.reporting.crossing import CROSS_FILE
from deblur.reporting.filters import FILTERS_FILE, filter_figure
from deblur.runs import METRICS_FILE, STATUS_FILE, data_settings, read_config, state_of
from deblur.training.results import describe_data, versions, write_images_table

_DEVICES = {"gpu": "cuda", "mps": "mps", "cpu": "cpu"}  # Lightning's names and torch's


@dataclass(frozen=True)
class Evaluation:
    """What was measured on one set of images.

    Attributes:
        name: of its folder.
        rows: one for each restorer and image.
        summary: what metrics.json holds.
    """

    name: str
    rows: list[Row]
    summary: dict[str, Any]


def evaluate(asked: Config, defaults: Mapping[str, Any]) -> str:
    """Evaluate a run, all finished runs of a sweep, or baselines alone.

    Args:
        asked: the checked configuration of the evaluation.
        defaults: a training's configuration, for what a run does not tell.

    Returns:
        What to show.

    Raises:
        UserError: for what the user can mend; nothing is written then.
    """
    keep_freed_memory()
    root = Path(asked["paths"]["output_root"])
    places: list[Path | None] = [None if asked["run"] is None else Path(asked["run"])]
    if asked["sweep"] is not None:
        places = list(_finished_runs(root / "sweeps" / asked["sweep"]))
    with taken_device({"accelerator": asked["accelerator"], "precision": "32-true"}) as device:
        found = [_evaluate_one(place, asked, defaults, device) for place in places]
    parts = []
    for one in found:
        is_alone = asked["output"] is not None and len(found) == 1
        folder = Path(asked["output"]) if is_alone else Path(asked["output"] or root / "evaluations") / one.name
        write_images_table(folder, one.rows)
        write_json(folder / METRICS_FILE, one.summary)
        parts.append(f"{restorer_table(one.summary)}\n\nAll numbers are in {folder}")
    return "\n\n".join(parts)


def cross(asked: Config) -> str:
    """Measure the best network of each blur of a sweep on every blur, and leave the table to the sweep's report.

    Args:
        asked: the checked configuration of the evaluation.

    Returns:
        What to show.

    Raises:
        UserError: where there is no such network.
    """
    keep_freed_memory()
    sweep = Path(asked["paths"]["output_root"]) / "sweeps" / asked["sweep"]
    with taken_device({"accelerator": asked["accelerator"], "precision": "32-true"}) as device:
        rows = cross_table(_finished_runs(sweep), asked, torch.device(_DEVICES[device.accelerator]))
    write_csv(sweep / CROSS_FILE, rows)
    return f"{crossing_table(rows)}\n\nAll numbers are in {sweep / CROSS_FILE}; the report of the sweep shows them."


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
    runs = [] if sweep is None else _finished_runs(sweep)
    if sweep is None or asked["data"] or asked["blur"] or asked["output"]:
        config = evaluation_config(read_config(runs[0]) if runs else {}, defaults, asked)
        study = _studied(config, runs, asked)
        label = "-".join([config[group].get("name") or "own" for group in ("data", "blur")])
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
    data = _opened(config, asked)
    networks = networks_on(runs, config["blur"], data.images.fingerprint)
    return _Study(str(config["blur"].get("name")), filter_study(data), networks)


def _one_of_each_problem(runs: Sequence[Path]) -> list[Path]:
    """Return the first run of each blur and set of images."""
    found: dict[str, Path] = {}
    for run in runs:
        config = read_config(run)
        found.setdefault(json.dumps([config["blur"], data_settings(config)], sort_keys=True), run)
    return list(found.values())


def _opened(config: Config, asked: Config) -> DeblurDataModule:
    degradation = build(config["blur"], Degradation, trusted=asked["trusted"])
    cache_root = asked["paths"]["cache_root"]
    data = build(config["data"], DeblurDataModule, degradation, trusted=asked["trusted"], cache_root=cache_root)
    data.setup()
    return data


def _finished_runs(sweep: Path) -> list[Path]:
    found = [path.parent for path in sorted(sweep.glob(f"*/{STATUS_FILE}")) if state_of(path.parent) == "done"]
    if not found:
        raise UserError(f"{sweep} holds no finished run: give the name of a sweep with sweep=NAME.")
    return found


def _evaluate_one(place: Path | None, asked: Config, defaults: Mapping[str, Any], device: Device) -> Evaluation:
    trained = None if place is None else load_trained(place, asked["trusted"])
    config = evaluation_config({} if trained is None else trained.config, defaults, asked)
    data = _opened(config, asked)
    split = asked["split"] or _split_for(trained, data, has_baselines=bool(asked["baseline"]))
    frames = data.frames_of_both_borders() if _wants_both_borders(asked, data) else (data.frame(),)
    networks = [] if trained is None else [NetworkRestorer(trained.name, trained.network)]
    rows: list[Row] = []
    borders = {}
    for frame in frames:
        baselines = [_fitted(name, data, frame) for name in asked["baseline"]]
        restorers: list[Restorer] = [*networks, *map(BaselineRestorer, baselines)]
        found = measure_restorers(
            restorers, data, _indices(data, split), frame, torch.device(_DEVICES[device.accelerator])
        )
        rows += found
        borders[frame.border] = {
            "restorers": {
                restorer.name: mean_results([row for row in found if row["restorer"] == restorer.name])
                for restorer in restorers
            },
            "baselines": {baseline.name: dict(baseline.settings) for baseline in baselines},
            "margin": list(frame.margin),
        }
    subject = "baselines" if trained is None else trained.name
    settings = {key: config[key] for key in ("data", "blur")}
    told = json.dumps([str(place), settings, split, asked["baseline"], list(borders)], sort_keys=True)
    digest = hashlib.sha256(told.encode()).hexdigest()[:6]
    labels = (config[group].get("name") or "own" for group in ("data", "blur"))
    summary = {
        "run": None if place is None else str(place),
        "split": split,
        "borders": borders,
        "blur": config["blur"],
        "data": {"settings": config["data"], **describe_data(data)},
        "device": {"accelerator": device.accelerator, "name": device.name},
        "threads": device.threads,
        "versions": versions(),
    }
    return Evaluation("-".join([subject, "on", *labels, digest]), rows, summary)


def _wants_both_borders(asked: Config, data: DeblurDataModule) -> bool:
    """Tell whether the border matters and is asked for: a baseline that knows the kernel leans on it."""
    if asked["both_borders"] is not None:
        return bool(asked["both_borders"])
    return bool(asked["baseline"]) and max(data.reach) > 0


def _fitted(name: str, data: DeblurDataModule, frame: Frame) -> Baseline:
    """Return a baseline that was tuned on training images as the frame shows them."""
    baseline = make(name)
    dataset = data.evaluation_dataset(data.splits.train[: baseline.images_to_fit], frame)
    samples = [dataset[position] for position in range(len(dataset))]
    sharp, blurred = ([sample[key][0] for sample in samples] for key in ("sharp", "blurred"))
    baseline.fit(sharp, blurred, [sample["kernel"] for sample in samples])
    return baseline


def _split_for(trained: Trained | None, data: DeblurDataModule, has_baselines: bool) -> str:
    """Return which images tell the truth: all of them where nothing was learned from any."""
    is_new = trained is not None and trained.fingerprint not in (None, data.images.fingerprint)
    return "all" if is_new and not has_baselines else "test"


def _indices(data: DeblurDataModule, split: str) -> Sequence[int]:
    if split == "all":
        return range(len(data.images))
    chosen: Sequence[int] = getattr(data.splits, split)
    return chosen
