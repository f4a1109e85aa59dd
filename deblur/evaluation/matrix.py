"""Cross-degradation matrix: the best networks of a sweep on every blur, stronger, weaker, noisy, and on none."""

import hashlib
import json
import logging
import math
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from deblur.blur import FAMILIES, Mixed
from deblur.blur.degradation import AfterBlur
from deblur.blur.families import import_families, import_path
from deblur.blur.images import Boundary
from deblur.blur.parameters import Parameter
from deblur.choices import DEFAULT_COLOR
from deblur.config import EvaluateConfig, TrainConfig
from deblur.config.check import check_blur
from deblur.config.identity import data_settings, flatten
from deblur.data.datamodule import DeblurDataModule
from deblur.data.datasets import as_float
from deblur.data.loading import loader_errors_as_user_errors
from deblur.device import DeviceRequest, keep_freed_memory, taken_device
from deblur.errors import UserError
from deblur.evaluation.assumptions import differing_assumptions
from deblur.evaluation.opening import (
    UNKNOWN_TRAINING_NOTE,
    Subject,
    accelerator_for,
    finished_runs,
    metrics_of,
    open_subject,
    opened,
    place_of,
    seen_images,
    with_problems,
)
from deblur.evaluation.restorers import ROUTES, GatedRestorer, GrayRestorer, Restorer, for_images
from deblur.evaluation.settings import different_values, evaluation_config
from deblur.evaluation.tables import matrix_figure_table
from deblur.files import write_csv
from deblur.inference.restorer import is_gated
from deblur.metrics import PSNR
from deblur.metrics.images import psnr
from deblur.metrics.measuring import mean_results
from deblur.reporting.heatmaps import MATRIX_FILE
from deblur.reporting.labels import describe, frozen, plain, varying
from deblur.runs.conditions import conditions_of
from deblur.runs.records import config_of_run
from deblur.text import Lines, as_bytes, one_line, paragraphs

MIXTURE = Mixed.family
NOISE_SIGMAS = (2.0, 8.0)  # [gray levels]
JPEG_QUALITIES = (95, 75, 50)
UNBLURRED = "no visible blur"
_CLEAN: dict[str, Any] = {"noise_sigma": 0.0, "jpeg_quality": None}
UNBLURRED_INPUTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("sharp", "none", {}),
    ("gaussian, sigma 0.5", "gaussian", {"sigma": 0.5}),
    ("JPEG 75", "none", {"jpeg_quality": 75}),
)
_NOT_OF_TEST_IMAGES = ("data.max_bad_fraction", "data.max_val_images")  # of those that decide which images there are
Row = dict[str, Any]
Settings = Mapping[str, Any]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Condition:
    """One way in which the test images are degraded.

    Attributes:
        family: of the blur.
        label: what differs from the blur that networks were trained on.
        blur: its configuration.
        boundary: valid, or None for that of the training.
    """

    family: str
    label: str
    blur: Mapping[str, Any]
    boundary: Boundary | None = None


def conditions(blur: Mapping[str, Any], boundary: Boundary = "symmetric") -> Iterator[Condition]:
    """Yield a blur at several strengths, with a valid boundary, with noise, and compressed; each family of a mixture.

    A strength that is a number is multiplied by the factors of its family. Of one that is drawn, the ends and the
    middle of its range are taken, and everything else is measured on the whole range.

    Args:
        blur: its configuration, of a family with a strength, or a mixture of them.
        boundary: of the training; if it is valid, a strength that is a number has no condition for that.
    """
    if "families" not in blur:
        yield from _of_family(str(blur["name"]), blur, boundary)
        return
    shared = {key: blur[key] for key in AfterBlur.__annotations__ if key in blur}
    for family, settings in blur["families"].items():
        if _strength(family) is not None and settings is not None and settings.get("weight", 1):
            own = {key: value for key, value in settings.items() if key != "weight"}
            target = import_path(FAMILIES[family])
            yield from _of_family(family, {"name": family, "_target_": target, **own, **shared}, boundary)


def unblurred_conditions() -> Iterator[Condition]:
    """Yield what a network should leave alone: sharp images, hardly blurred ones, and compressed ones."""
    for label, family, settings in UNBLURRED_INPUTS:
        blur = {"name": family, "_target_": import_path(FAMILIES[family]), **_CLEAN, **settings}
        yield Condition(UNBLURRED, label, blur)


def _strength(family: str) -> tuple[str, Parameter] | None:
    """Return the parameter that makes a family of blurs stronger or weaker, with its name; None if it has none."""
    declared = FAMILIES[family].parameters.items() if family in FAMILIES else ()
    return next(((name, parameter) for name, parameter in declared if parameter.factors), None)


def _known() -> list[str]:
    """Return the names of the blurs that can enter the matrix."""
    return [*(family for family in FAMILIES if _strength(family) is not None), MIXTURE]


def _of_family(family: str, blur: Mapping[str, Any], boundary: Boundary) -> Iterator[Condition]:
    found = _strength(family)
    if found is None:
        return
    key, parameter = found
    is_drawn = isinstance(blur[key], Sequence)
    if is_drawn:
        low, high = blur[key]
        values = [low, (low + high) / 2, high]
    else:
        values = sorted([blur[key], *(blur[key] * factor for factor in parameter.factors)])
    for value in values:
        strength = _allowed(value, parameter)
        yield Condition(family, f"{key} {strength:g}", {**blur, key: strength})
    whole = f"any {key}, " if is_drawn else ""
    if is_drawn or boundary != "valid":  # of one strength, that with the training's boundary is the same
        yield Condition(family, f"{whole}valid boundary", blur, "valid")
    for sigma in NOISE_SIGMAS:
        yield Condition(family, f"{whole}noise {sigma:g}", {**blur, "noise_sigma": sigma})
    for quality in JPEG_QUALITIES:
        yield Condition(family, f"{whole}JPEG {quality}", {**blur, "jpeg_quality": quality})


def _allowed(value: float, parameter: Parameter) -> float:
    """Return a value as its parameter can have it: in range, and of odd numbers the next above and at least 3."""
    if parameter.numbers == "odd":
        value = max(3, int(value) // 2 * 2 + 1)
    elif parameter.numbers == "whole":
        value = round(value)
    return min(max(value, parameter.lowest), parameter.highest)


def best_runs(runs: Mapping[Path, Mapping[str, Any]]) -> dict[str, Path]:
    """Return the run with the best validation PSNR of each blur that was trained on; no test image decides.

    Blurs of one family that differ in a parameter, or in what follows them, are several: the easiest would win. So are
    the gray and the RGB images of one blur, whose PSNR is not of the same pixels.

    Args:
        runs: their configurations.

    Returns:
        By the label of the blur: its name, and what tells it from others of that name.
    """
    best: dict[Hashable, tuple[float, Path]] = {}
    blurs: dict[Hashable, tuple[str, Settings]] = {}
    colors = {run: _network_color(config) for run, config in runs.items()}
    has_both = len(set(colors.values())) > 1
    for run, config in runs.items():
        blur = config["blur"]
        score = metrics_of(run).get("val", {}).get("psnr")
        score = -math.inf if score is None else float(score)
        key = frozen({"name": blur["name"], "color": colors[run], **plain_settings(blur)})
        if key not in best or score > best[key][0]:
            label = f"{blur['name']} in {colors[run]}" if has_both else str(blur["name"])
            best[key], blurs[key] = (score, run), (label, blur)
    labels = distinct_labels([*blurs.values()])
    return {label: run for label, (_, run) in zip(labels, best.values(), strict=True)}


def _network_color(config: Settings) -> str:
    return "RGB" if config["model"].get("channels") == 3 else "gray"


def _can_enter_matrix(config: Settings) -> bool:
    return str(config["blur"].get("name")) in _known()


def plain_settings(blur: Settings) -> dict[str, Any]:
    """Return the settings of a blur that decide it, flat: 3 and 3.0 are one value, and a class has one name."""
    found = {f"blur.{key}": value for key, value in flatten(blur).items() if key not in ("name", "_target_")}
    return {key: plain(value) for key, value in found.items()}


def distinct_labels(blurs: Sequence[tuple[str, Settings]]) -> list[str]:
    """Return a label for each of some blurs: the given one, and the settings that tell it from others of that label."""
    made = []
    for label, blur in blurs:
        alike = [plain_settings(other) for one, other in blurs if one == label]
        made.append(", ".join(filter(None, (label, describe(plain_settings(blur), varying(alike))))))
    return made


def matrix(asked: EvaluateConfig, defaults: TrainConfig) -> Lines:
    """Measure the best network of each blur of a sweep on every blur, and leave the table to the sweep's report.

    Networks that the command names are measured as well. Without a sweep they are measured on the blurs of their own
    trainings, and the table is kept among the evaluations.

    Args:
        asked: the checked configuration of the evaluation.
        defaults: a training's configuration, for what a run does not tell.

    Returns:
        What to show.

    Raises:
        PartlyDone: for runs whose files cannot be used.
        UserError: if there is no such network, or they have no test images in common.
    """
    keep_freed_memory()
    root = Path(asked.paths.output_root)
    runs, problems = ([], []) if asked.sweep is None else finished_runs(root / "sweeps" / asked.sweep)
    places = [place_of(run) for run in asked.runs]
    with taken_device(DeviceRequest(accelerator_for(asked.accelerator, places), "32-true")) as device:
        rows = matrix_table(runs, asked, device.place, defaults)
    if asked.sweep is None:
        digest = hashlib.sha256(as_bytes(json.dumps([str(asked.run), rows], sort_keys=True))).hexdigest()[:6]
        file = root / "evaluations" / f"matrix-{digest}" / MATRIX_FILE
        note = f"All numbers are in {file}"
    else:
        file = root / "sweeps" / asked.sweep / MATRIX_FILE
        note = f"All numbers are in {file}; the report of the sweep shows them."
    write_csv(file, rows)
    return with_problems(paragraphs(matrix_figure_table(rows), note), problems)


def matrix_table(runs: Sequence[Path], asked: EvaluateConfig, device: torch.device, defaults: TrainConfig) -> list[Row]:
    """Measure the best network of each blur under every condition of every blur, all on the same test images.

    Besides, each is measured on inputs without visible blur, which it should leave alone.

    The images are those that all networks were tested on, or those that the command names; none that one of the
    networks was trained or validated on is among them.

    Args:
        runs: the finished runs of a sweep; none without one.
        asked: the checked configuration of the evaluation.
        device: where networks run.
        defaults: a training's configuration, for what a run does not tell.

    Returns:
        One row for each network and condition: what it was trained on, the condition and the images in words, mean
        PSNR of input and result, mean gain [dB], the fraction of degraded images, and how many there were: fewer
        than the test images if a valid boundary leaves nothing of some.

    Raises:
        UserError: if the runs differ in their images and the command does not name others, a network has seen
            all of them, or nothing is left of any.
    """
    import_families(asked.trusted)
    configs: dict[Path, Settings] = {run: config for run in runs if _can_enter_matrix(config := config_of_run(run))}
    beside = _beside(asked)
    fingerprints = {metrics_of(run).get("data", {}).get("fingerprint") for run in configs}
    if not runs:
        own = {Path(run): one for run, one in zip(asked.runs, beside.values(), strict=True)}
        own = {run: one for run, one in own.items() if one.config and _can_enter_matrix(one.config)}
        configs = {run: one.config for run, one in own.items()}
        fingerprints = {one.fingerprint for one in own.values()}
    if not configs:
        known = ", ".join(_known())
        raise UserError(f"matrix=true needs networks that were trained on one of {known}: there is none.")
    if asked.data:
        configs = {run: evaluation_config(config, defaults, asked).plain() for run, config in configs.items()}
    refuse_different_images(configs, fingerprints - {None}, is_named=bool(asked.data))
    chosen = best_runs(configs) if runs else {}
    first_config = configs[next(iter(chosen.values()))] if runs else next(iter(configs.values()))
    settings = evaluation_config(first_config, defaults, asked).data
    networks = {label: open_subject(run, asked.trusted) for label, run in chosen.items()} | beside
    color = asked.color or DEFAULT_COLOR
    restorers: dict[str, Restorer] = {}
    by_planes = False
    for label, one in networks.items():
        restorer = for_images(one.restorer, settings.channels, color)
        restorer.to(device)
        route = f" ({ROUTES[color]})" if isinstance(restorer, GrayRestorer) else ""
        by_planes = by_planes or bool(route)
        space = f" (in {restorer.space.words})" if restorer.space.linear else ""
        gate = ""
        if asked.gate and is_gated(one.config, restorer.takes_kernel):
            restorer, gate = GatedRestorer(restorer, one.config["blur"]), " (gated)"
        restorers[f"{label}{route}{space}{gate}"] = restorer
    if asked.gate and not any(isinstance(one, GatedRestorer) for one in restorers.values()):
        raise UserError(
            "gate=true is for networks that are known to remove a blur without its kernel, and there is none here: "
            "leave it out."
        )
    if asked.color is not None and not by_planes:
        raise UserError(
            f"color={asked.color} is for gray networks on RGB images, and there is none here: leave it out, or add "
            "data.color=rgb."
        )
    rows: list[Row] = []
    differing: dict[str, None] = {}  # sentences, each once, in order
    first: DeblurDataModule | None = None  # opens the images for all conditions, and says once what is wrong with them
    blurred = (
        condition
        for run in (chosen.values() if runs else configs)
        for condition in conditions(configs[run]["blur"], settings.boundary)
    )
    for condition in _distinct([*blurred, *unblurred_conditions()]):
        cut = settings.model_copy(update={"boundary": condition.boundary or settings.boundary})
        data = opened(cut, check_blur(condition.blur, asked.trusted)[0], asked, like=first)
        first = first or data
        seen = frozenset[int]().union(*(seen_images(network, data) for network in networks.values()))
        images = tuple(index for index in _asked_images(data, asked) if index not in seen)
        if not images:
            raise UserError(
                "Each of these images was trained or validated on by one of the networks, which would flatter it: "
                "give others with data=folder data.root=DIR."
            )
        images = data.fitting(images, data.crop())
        if images:
            for restorer in restorers.values():
                differing |= dict.fromkeys(differing_assumptions(restorer, [data.crop()], data.space))
            measured_on = conditions_of(
                {"data": cut.plain(), "blur": condition.blur}, fingerprint=data.images.fingerprint
            )
            rows += [row | measured_on for row in _measured(restorers, data, images, condition, device)]
        else:
            log.warning(
                f"{condition.family}, {condition.label}, is left out of the table: a valid boundary leaves nothing of "
                "any "
                "test image."
            )
    if not rows:
        raise UserError("matrix=true measures nothing: a valid boundary leaves nothing of any test image.")
    unknown = (f"{one.restorer.name}: {UNKNOWN_TRAINING_NOTE}" for one in networks.values() if not one.config)
    for sentence in unknown:
        log.warning(sentence)
    for sentence in differing:
        log.warning(f"Under some conditions: {sentence}")
    return rows


def _asked_images(data: DeblurDataModule, asked: EvaluateConfig) -> Sequence[int]:
    if asked.split == "all":
        return range(len(data.images))
    chosen: Sequence[int] = getattr(data.division, asked.split or "test")
    return chosen


def _beside(asked: EvaluateConfig) -> dict[str, Subject]:
    """Return the networks that the command names, each by the blur of its training and its name.

    Equal ones, as those of the best checkpoints of two runs, have the ends of their paths as well.

    Raises:
        UserError: if a network is named twice.
    """
    subjects: list[Subject] = []
    labels: list[str] = []
    places: list[Path] = []
    for run in asked.runs:
        place = place_of(run)
        subject = open_subject(place, asked.trusted)
        blur = subject.config.get("blur", {}).get("name") or "an unknown blur"
        places.append(place.resolve())
        if places[-1] in places[:-1]:
            raise UserError(f"run={asked.run} names {one_line(subject.restorer.name)} twice: name each network once.")
        subjects.append(subject)
        labels.append(f"{blur}: {one_line(subject.restorer.name)}")
    found = {}
    for label, place, subject in zip(labels, places, subjects, strict=True):
        equal = [other for one, other in zip(labels, places, strict=True) if one == label]
        found[label if len(equal) == 1 else f"{label} ({_end_of(place, equal)})"] = subject
    return found


def _end_of(place: Path, places: Sequence[Path]) -> str:
    """Return the last names of a path, as many as tell all of some paths apart."""
    depth = next(
        depth for depth in range(1, 1 + len(place.parts)) if len({one.parts[-depth:] for one in places}) == len(places)
    )
    return one_line("/".join(place.parts[-depth:]))


def refuse_different_images(
    configs: Mapping[Path, Settings], fingerprints: Collection[str | None], *, is_named: bool
) -> None:
    """Refuse to cross runs that were tested on different images, or on images that are cut in different ways.

    Args:
        configs: of the runs, by their folders.
        fingerprints: of the images that the runs were tested on, as far as they are known.
        is_named: whether the command named the images, so that it is no matter on which ones the runs were tested.

    Raises:
        UserError: naming what differs.
    """
    settings = [data_settings(config) for config in configs.values()]
    differing = different_values([{key: one[key] for key in one if key not in _NOT_OF_TEST_IMAGES} for one in settings])
    if differing:
        raise UserError(
            f"matrix=true measures all networks on the same images, and these runs differ in {differing}: give "
            "the value for all of them in this command, or a sweep of one data set."
        )
    if len(fingerprints) > 1 and not is_named:
        raise UserError(
            "matrix=true measures all networks on the same images, and the images of these runs have different "
            "fingerprints, though their settings are the same: name images with data=folder data.root=DIR."
        )


def _distinct(found: Iterable[Condition]) -> list[Condition]:
    """Return conditions without those that repeat an earlier one; those that share a label differ in it."""
    known: dict[Hashable, Condition] = {}
    for one in found:
        known.setdefault((one.family, one.boundary, frozen(plain_settings(one.blur))), one)
    families = list(dict.fromkeys(one.family for one in known.values()))
    kept = sorted(known.values(), key=lambda one: families.index(one.family))
    labels = distinct_labels([(f"{one.family}/{one.label}", one.blur) for one in kept])
    return [replace(one, label=label.removeprefix(f"{one.family}/")) for one, label in zip(kept, labels, strict=True)]


def _measured(
    restorers: Mapping[str, Restorer],
    data: DeblurDataModule,
    indices: tuple[int, ...],
    condition: Condition,
    device: torch.device,
) -> list[Row]:
    """Return a row for each network, without numbers for one that needs a kernel if it varies over the image."""
    rows: dict[str, list[dict[str, float]]] = {label: [] for label in restorers}
    able = {label: one for label, one in restorers.items() if not (one.takes_kernel and data.varies_over_image)}
    with torch.inference_mode(), loader_errors_as_user_errors(data.num_workers):
        for batch in data.evaluation_dataloader(indices, data.crop()):
            images = {key: as_float(batch[key].to(device)) for key in ("blurred", "sharp")}
            inputs = psnr(images["blurred"], images["sharp"]).tolist()
            for label, restorer in able.items():
                restored = psnr(restorer.restore(images["blurred"], batch["kernel"]), images["sharp"]).tolist()
                rows[label] += [
                    {"input_psnr": before, "psnr": after, "gain": after - before}
                    for before, after in zip(inputs, restored, strict=True)
                ]
    return [
        {
            "network": restorer.name,
            "trained_on": label,
            "family": condition.family,
            "condition": condition.label,
            **mean_results(rows[label], [PSNR.info]),
            "images": len(indices),
        }
        for label, restorer in restorers.items()
    ]
