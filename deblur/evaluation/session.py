"""One evaluation, from what the command line asked for to its files and its table."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deblur.baselines import Baseline, Identity, make
from deblur.blur.images import AnyImage, Crop, GrayImage, planes_of
from deblur.choices import DEFAULT_COLOR
from deblur.config import EvaluateConfig, TrainConfig
from deblur.config.chosen import build_metrics, psnr_note
from deblur.data.datamodule import DeblurDataModule
from deblur.data.sizes import nothing_left
from deblur.device import Device, DeviceRequest, keep_freed_memory, taken_device
from deblur.errors import UserError
from deblur.evaluation.assumptions import differing_assumptions, dropped_camera
from deblur.evaluation.measuring import Row, measure_restorers
from deblur.evaluation.opening import (
    SELF_ENSEMBLE_NOTE,
    UNKNOWN_TRAINING_NOTE,
    Subject,
    accelerator_for,
    finished_runs,
    open_subject,
    opened,
    place_of,
    refuse_without_network,
    seen_images,
    with_problems,
)
from deblur.evaluation.restorers import BaselineRestorer, GatedRestorer, GrayRestorer, Restorer, for_images
from deblur.evaluation.settings import evaluation_config
from deblur.evaluation.tables import restorer_table
from deblur.files import safe_name, write_json
from deblur.inference.restorer import is_gated
from deblur.metrics import MetricInfo
from deblur.metrics.measuring import mean_results, share_above
from deblur.runs.conditions import conditions_of
from deblur.runs.records import METRICS_FILE
from deblur.text import Lines, paragraphs
from deblur.training.results import counts_of, describe_images, described_infos, versions, write_images_table

_LONGEST_NAME: Final = 200  # bytes of a folder's name; file systems allow 255


@dataclass(frozen=True)
class Evaluation:
    """What was measured on one set of images.

    Attributes:
        name: of its folder.
        rows: one for each restorer and image.
        summary: what metrics.json holds.
        infos: of the metrics.
        notes: sentences on what to keep in mind.
    """

    name: str
    rows: list[Row]
    summary: dict[str, Any]
    infos: list[MetricInfo]
    notes: list[str]


def evaluate(asked: EvaluateConfig, defaults: TrainConfig) -> Lines:
    """Evaluate a run, all finished runs of a sweep, or baselines alone.

    Args:
        asked: the checked configuration of the evaluation.
        defaults: a training's configuration, for what a run does not tell.

    Returns:
        What to show.

    Raises:
        PartlyDone: for runs of a sweep that could not be measured; the others were.
        UserError: for what the user can fix; nothing is written then.
    """
    found, problems = measured(asked, defaults)
    parts: list[str] = []
    for folder, one in found:
        parts += [restorer_table(one.summary, one.infos), *one.notes]
        parts.append(f"All numbers are in {folder}")
    return with_problems(paragraphs(*parts), problems)


def measured(asked: EvaluateConfig, defaults: TrainConfig) -> tuple[list[tuple[Path, Evaluation]], list[str]]:
    """Evaluate a run, all finished runs of a sweep, or baselines alone, and write the files.

    Args:
        asked: the checked configuration of the evaluation.
        defaults: a training's configuration, for what a run does not tell.

    Returns:
        At least one evaluation with its folder, and a sentence for each run of a sweep that could not be measured.

    Raises:
        UserError: for what the user can fix; nothing is written then.
    """
    keep_freed_memory()
    root = Path(asked.paths.output_root)
    places: list[Path | None] = [None if asked.run is None else place_of(asked.run)]
    problems: list[str] = []
    if asked.sweep is not None:
        runs, problems = finished_runs(root / "sweeps" / asked.sweep)
        places = [*runs]
    found = []
    with taken_device(DeviceRequest(accelerator_for(asked.accelerator, places), "32-true")) as device:
        for place in places:
            try:
                found.append(_evaluate_one(place, asked, defaults, device))
            except UserError as error:
                if place is None or asked.sweep is None:
                    raise
                problems.append(f"{place.name}: {error}")
    if not found:
        raise UserError(problems[0])
    is_alone = asked.output is not None and len(found) == 1
    output = Path(asked.output or root / "evaluations")
    placed = [(output if is_alone else output / one.name, one) for one in found]
    for folder, one in placed:
        write_images_table(folder, one.rows, one.infos)
        write_json(folder / METRICS_FILE, one.summary)
    return placed, problems


def _evaluate_one(place: Path | None, asked: EvaluateConfig, defaults: TrainConfig, device: Device) -> Evaluation:
    if place is None:
        refuse_without_network(asked)
    network = None if place is None else open_subject(place, asked.trusted, asked.noise_sigma, asked.self_ensemble)
    config = evaluation_config({} if network is None else network.config, defaults, asked)
    color = asked.color or DEFAULT_COLOR
    restorer = None if network is None else for_images(network.restorer, config.data.channels, color)
    is_by_planes = isinstance(restorer, GrayRestorer)
    if asked.gate and network is not None and restorer is not None:
        if is_gated(network.config, network.restorer.takes_kernel):
            restorer = GatedRestorer(restorer, network.config["blur"])
        elif asked.sweep is None:
            raise UserError(
                f"gate=true is for networks that are known to remove a blur without its kernel, and "
                f"{network.restorer.name} is none: leave it out."
            )
    if asked.color is not None and not is_by_planes and asked.sweep is None:
        raise UserError(
            f"color={asked.color} is for a gray network on RGB images: leave it out, or give run=DIR of such a network "
            "and data.color=rgb."
        )
    metrics = build_metrics(config.metrics, asked.trusted)
    infos = [metric.info for metric in metrics]
    data = opened(config.data, config.blur, asked)
    _refuse_unused_error(asked, restorer)
    if network is not None and network.restorer.takes_kernel:
        data.require_one_kernel(f"The network {network.restorer.name}")
    split, chosen, seen = _chosen(network, data, asked)
    crops = data.crops_of_both_boundaries() if _wants_both_boundaries(asked, restorer, data) else (data.crop(),)
    images = data.fitting(chosen, crops[-1])
    if not images:
        shapes = [data.images.shapes[index] for index in chosen]
        instead = "both_boundaries=false" if len(crops) > 1 else "data.boundary=symmetric"
        raise nothing_left(shapes, "images", crops[-1].margin, instead)
    networks = [] if restorer is None else [restorer]
    rows: list[Row] = []
    boundaries = {}
    for crop in crops:
        baselines = [_fitted(name, data, crop) for name in asked.baseline]
        restorers: list[Restorer] = [*networks, *map(BaselineRestorer, baselines)]
        found = measure_restorers(restorers, data, images, crop, device.place, metrics, kernel_error=asked.kernel_error)
        rows += found
        boundaries[crop.boundary] = {
            "restorers": _means(found, infos, [each.name for each in restorers], [each.name for each in networks]),
            "baselines": {baseline.name: dict(baseline.settings) for baseline in baselines},
            **_linear_light(networks),
            "margin": list(crop.margin),
        }
    subject = "baselines" if network is None else network.restorer.name
    settings = {"data": config.data.plain(), "blur": config.blur.plain()}
    assumed = {
        **({} if asked.noise_sigma is None else {"noise_sigma": asked.noise_sigma}),
        **({"kernel_error": asked.kernel_error} if asked.kernel_error else {}),
        **({"self_ensemble": True} if asked.self_ensemble else {}),
    }
    asked_for = [
        *([asked.metrics] if asked.metrics else []),
        *([color] if is_by_planes else []),
        *([assumed] if assumed else []),
        *(["gate"] if isinstance(restorer, GatedRestorer) else []),
    ]
    deciding = [str(place), settings, split, asked.baseline, list(boundaries), *asked_for]
    digest = hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:6]
    labels = (group.name or "own" for group in (config.data, config.blur))
    counts = counts_of(data.division) if data.can_be_divided else {"test": len(images)}
    measured_on = conditions_of(settings, counts, data.images.fingerprint)
    measured_on["boundary"] = " and ".join(f"{boundary} boundary" for boundary in boundaries)
    described = described_infos(infos)
    summary = {
        "run": None if place is None else str(place),
        "measured_on": measured_on,
        "split": split,
        "seen_left_out": seen,
        "small_left_out": len(chosen) - len(images),
        **({"color": color} if is_by_planes else {}),
        **assumed,
        **({"gate": True} if isinstance(restorer, GatedRestorer) else {}),
        "boundaries": boundaries,
        **({"metrics": described} if described else {}),
        "blur": settings["blur"],
        "data": {"settings": settings["data"], **describe_images(data)},
        "device": {"accelerator": device.accelerator, "name": device.name},
        "threads": device.threads,
        "versions": versions(),
    }
    name = safe_name("-".join([subject, "on", *labels, digest]), longest=_LONGEST_NAME)
    notes = [note] if (note := psnr_note(config.metrics)) else []
    if asked.kernel_error:
        notes.append(f"The kernels that the restorers get have errors: kernel_error={asked.kernel_error:g}.")
    if network is not None and asked.noise_sigma is not None:
        notes.append(f"{network.restorer.name}: assumes noise of {asked.noise_sigma:g} gray levels.")
    if network is not None and asked.self_ensemble:
        notes.append(f"{network.restorer.name}: {SELF_ENSEMBLE_NOTE}")
    if network is not None and not network.config:
        notes.append(f"{network.restorer.name}: {UNKNOWN_TRAINING_NOTE}")
    if network is not None:
        notes += dropped_camera(network.config.get("blur", {}), settings["blur"])
        notes += differing_assumptions(network.restorer, crops, data.space)
    return Evaluation(name, rows, summary, infos, notes)


def _refuse_unused_error(asked: EvaluateConfig, restorer: Restorer | None) -> None:
    """Refuse an error of the kernel if nothing takes the kernel."""
    takes_kernel = restorer is not None and restorer.takes_kernel
    if asked.kernel_error and not takes_kernel and not set(asked.baseline) - {Identity.name}:
        raise UserError(
            f"kernel_error={asked.kernel_error:g} is for baselines and for networks that take the kernel of each "
            "image, and nothing here takes one: leave it out."
        )


def _linear_light(networks: Sequence[Restorer]) -> dict[str, list[str]]:
    """Return the names of the networks that work in linear light, if any does; baselines have it in their settings."""
    found = [each.name for each in networks if each.space.linear]
    return {"linear_light": found} if found else {}


def _means(
    rows: Sequence[Row], infos: Sequence[MetricInfo], names: Sequence[str], networks: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return the means of each restorer; of a baseline also the share of images on which the network is above it."""
    parts = {name: [row for row in rows if row["restorer"] == name] for name in names}
    means = {name: mean_results(part, infos) for name, part in parts.items()}
    for network in networks:
        for name in set(names) - set(networks):
            ours, theirs = ([row["psnr"] for row in parts[each]] for each in (network, name))
            means[name]["network_above"] = share_above(ours, theirs)
    return means


def _wants_both_boundaries(asked: EvaluateConfig, restorer: Restorer | None, data: DeblurDataModule) -> bool:
    """Return whether a symmetric and a valid boundary are measured: non-blind restorers rely on the boundary.

    A circular boundary is that of a protocol, and measured alone unless the other two are asked for.
    """
    if asked.both_boundaries and max(data.reach) == 0:
        if data.inputs is not data.images:
            raise UserError(
                "both_boundaries=true needs the sharp scene beyond the boundary, and data=pairs has none of it."
            )
        raise UserError("both_boundaries=true needs a blur: without one nothing reaches in from beyond the boundary.")
    if asked.both_boundaries is not None:
        return bool(asked.both_boundaries)
    relies = bool(asked.baseline) or (restorer is not None and restorer.takes_kernel)
    return relies and max(data.reach) > 0 and data.crop().boundary != "circular"


def _fitted(name: str, data: DeblurDataModule, crop: Crop) -> Baseline:
    """Return a baseline that was tuned on training images as the crop shows them; channels are images of their own.

    Raises:
        UserError: if there is no training image.
    """
    baseline = make(name, crop.extension, data.space)
    if baseline.images_to_fit:
        if not data.can_be_divided:
            raise UserError(
                f"baseline=[{name}] is tuned on training images, and there is none: of {len(data.images)} images not "
                "even three are distinct. Add images, or leave out the baseline."
            )
        sharp, blurred, kernels = data.fitting_images(baseline.images_to_fit, crop)
        each = [kernel for kernel, image in zip(kernels, sharp, strict=True) for _ in planes_of(image)]
        baseline.fit(_all_planes(sharp), _all_planes(blurred), each)
    return baseline


def _all_planes(images: Sequence[AnyImage]) -> list[GrayImage]:
    return [plane for image in images for plane in planes_of(image)]


def _chosen(network: Subject | None, data: DeblurDataModule, asked: EvaluateConfig) -> tuple[str, list[int], int]:
    """Return which images tell the truth: of those that are not asked for by name, none that the network has seen.

    Images that are too few for a division are all taken, unless a split of them is asked for.

    Returns:
        The split, the images' places in the data set, and how many were left out since the network has seen them.

    Raises:
        UserError: if nothing is left, or there are too few images for the split that is asked for.
    """
    seen = frozenset[int]() if network is None else seen_images(network, data)
    is_split = data.can_be_divided and (seen or asked.baseline or network is None)
    split = asked.split or ("test" if is_split else "all")
    images = list(range(len(data.images))) if split == "all" else list(getattr(data.division, split))
    if asked.split is not None:
        return split, images, 0
    left = [index for index in images if index not in seen]
    if not left:
        raise UserError(
            "The network was trained or validated on all of these images, which would flatter it: give others, or "
            "split=test to measure on them all the same."
        )
    return split, left, len(images) - len(left)
