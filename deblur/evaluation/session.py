"""One evaluation, from what the command line asked for to its files and its table."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deblur.baselines import Baseline, make
from deblur.config import Config
from deblur.data.datamodule import DeblurDataModule
from deblur.data.frames import Frame
from deblur.device import Device, taken_device
from deblur.errors import UserError
from deblur.evaluation.measuring import Row, measure_restorers
from deblur.evaluation.opening import Subject, finished_runs, is_exported, open_subject, opened, torch_device
from deblur.evaluation.restorers import BaselineRestorer, Restorer
from deblur.evaluation.settings import evaluation_config
from deblur.evaluation.tables import restorer_table
from deblur.files import safe_name, write_json
from deblur.memory import keep_freed_memory
from deblur.metrics import mean_results
from deblur.networks.checkpoints import digest_of
from deblur.runs import METRICS_FILE
from deblur.training.results import describe_data, versions, write_images_table

_LONGEST_NAME: Final = 200  # bytes of a folder's name; file systems allow 255


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
        places = list(finished_runs(root / "sweeps" / asked["sweep"]))
    accelerator = _accelerator(asked)
    with taken_device({"accelerator": accelerator, "precision": "32-true"}) as device:
        found = [_evaluate_one(place, asked, defaults, device) for place in places]
    parts = []
    for one in found:
        is_alone = asked["output"] is not None and len(found) == 1
        folder = Path(asked["output"]) if is_alone else Path(asked["output"] or root / "evaluations") / one.name
        write_images_table(folder, one.rows)
        write_json(folder / METRICS_FILE, one.summary)
        parts.append(f"{restorer_table(one.summary)}\n\nAll numbers are in {folder}")
    return "\n\n".join(parts)


def _accelerator(asked: Config) -> str:
    """Return where to compute; an .onnx file is computed on the processor.

    Raises:
        UserError: where such a file is to be computed elsewhere.
    """
    accelerator: str = asked["accelerator"]
    if asked["run"] is None or not is_exported(Path(asked["run"])):
        return accelerator
    if accelerator not in ("auto", "cpu"):
        raise UserError(
            f"{asked['run']} is computed by onnxruntime on the CPU: leave accelerator={accelerator} out, or give the "
            "run that it was made from."
        )
    return "cpu"


def _evaluate_one(place: Path | None, asked: Config, defaults: Mapping[str, Any], device: Device) -> Evaluation:
    network = None if place is None else open_subject(place, asked["trusted"])
    config = evaluation_config({} if network is None else network.config, defaults, asked)
    data = opened(config, asked)
    split, images, left_out = _chosen(network, data, asked)
    frames = data.frames_of_both_borders() if _wants_both_borders(asked, network, data) else (data.frame(),)
    networks = [] if network is None else [network.restorer]
    rows: list[Row] = []
    borders = {}
    for frame in frames:
        baselines = [_fitted(name, data, frame) for name in asked["baseline"]]
        restorers: list[Restorer] = [*networks, *map(BaselineRestorer, baselines)]
        found = measure_restorers(restorers, data, images, frame, torch_device(device))
        rows += found
        borders[frame.border] = {
            "restorers": _means(found, [each.name for each in restorers], [each.name for each in networks]),
            "baselines": {baseline.name: dict(baseline.settings) for baseline in baselines},
            "margin": list(frame.margin),
        }
    subject = "baselines" if network is None else network.restorer.name
    settings = {key: config[key] for key in ("data", "blur")}
    told = json.dumps([str(place), settings, split, asked["baseline"], list(borders)], sort_keys=True)
    digest = hashlib.sha256(told.encode()).hexdigest()[:6]
    labels = (config[group].get("name") or "own" for group in ("data", "blur"))
    summary = {
        "run": None if place is None else str(place),
        "split": split,
        "seen_left_out": left_out,
        "borders": borders,
        "blur": config["blur"],
        "data": {"settings": config["data"], **describe_data(data)},
        "device": {"accelerator": device.accelerator, "name": device.name},
        "threads": device.threads,
        "versions": versions(),
    }
    return Evaluation(safe_name("-".join([subject, "on", *labels, digest]), longest=_LONGEST_NAME), rows, summary)


def _means(rows: Sequence[Row], names: Sequence[str], networks: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the means of each restorer; of a baseline also the share of images on which the network is above it."""
    parts = {name: [row for row in rows if row["restorer"] == name] for name in names}
    means = {name: mean_results(part) for name, part in parts.items()}
    for network in networks:
        for name in set(names) - set(networks):
            above = [own["psnr"] > other["psnr"] for own, other in zip(parts[network], parts[name], strict=True)]
            means[name]["network_above"] = sum(above) / len(above)
    return means


def _wants_both_borders(asked: Config, network: Subject | None, data: DeblurDataModule) -> bool:
    """Tell whether the border matters and is asked for: what knows the kernel leans on it, a guided network too."""
    if asked["both_borders"] and max(data.reach) == 0:
        raise UserError("both_borders=true needs a blur: without one nothing reaches in from beyond the border.")
    if asked["both_borders"] is not None:
        return bool(asked["both_borders"])
    leans = bool(asked["baseline"]) or (network is not None and network.restorer.wants_guide)
    return leans and max(data.reach) > 0


def _fitted(name: str, data: DeblurDataModule, frame: Frame) -> Baseline:
    """Return a baseline that was tuned on training images as the frame shows them."""
    baseline = make(name)
    baseline.fit(*data.fitting_images(baseline.images_to_fit, frame))
    return baseline


def _chosen(network: Subject | None, data: DeblurDataModule, asked: Config) -> tuple[str, list[int], int]:
    """Return which images tell the truth: of those that are not asked for by name, none that the network has seen.

    Returns:
        The split, the images' places in the data set, and how many were left out since the network has seen them.

    Raises:
        UserError: where nothing is left.
    """
    seen = _seen(network, data)
    split = asked["split"] or ("test" if seen or asked["baseline"] or network is None else "all")
    images = list(range(len(data.images))) if split == "all" else list(getattr(data.splits, split))
    if asked["split"] is not None:
        return split, images, 0
    left = [index for index in images if index not in seen]
    if not left:
        raise UserError(
            "The network was trained or validated on all of these images, which would flatter it: give others, or "
            "split=test to measure on them all the same."
        )
    return split, left, len(images) - len(left)


def _seen(network: Subject | None, data: DeblurDataModule) -> frozenset[int]:
    """Return the places of the images that a network was trained or validated on."""
    if network is None:
        return frozenset()
    if network.seen is not None:
        return frozenset(i for i, digest in enumerate(data.images.digests) if digest_of(digest) in network.seen)
    # A checkpoint of an earlier version: its own data set, if it is known to be that, is split as it was.
    is_other = network.fingerprint not in (None, data.images.fingerprint)
    return frozenset() if is_other else frozenset((*data.splits.train, *data.splits.val))
