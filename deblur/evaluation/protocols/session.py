"""One evaluation by a protocol, from its cases to its files and its tables."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from deblur.blur.camera import ENCODED
from deblur.blur.images import Boundary, Crop
from deblur.choices import DEFAULT_COLOR
from deblur.config import EvaluateConfig
from deblur.config.protocols import NoisyProtocol, PhotographsProtocol, ProtocolSettings
from deblur.device import DeviceRequest, keep_freed_memory, taken_device
from deblur.errors import UserError
from deblur.evaluation.assumptions import differing_assumptions
from deblur.evaluation.opening import (
    SELF_ENSEMBLE_NOTE,
    UNKNOWN_TRAINING_NOTE,
    Subject,
    accelerator_for,
    finished_runs,
    open_subject,
    place_of,
    refuse_without_network,
    with_problems,
)
from deblur.evaluation.protocols import estimated
from deblur.evaluation.protocols.cases import Case, find_cases
from deblur.evaluation.protocols.measuring import Result, Row, measure_cases, result_of, total_noise
from deblur.evaluation.protocols.protocol import PROTOCOLS, Protocol
from deblur.evaluation.protocols.published import published_rows
from deblur.evaluation.protocols.restoring import TUNING_IMAGES, tuned_baseline
from deblur.evaluation.protocols.tables import NoiseTable, facts_text, report, result_rows
from deblur.evaluation.restorers import BaselineRestorer, GrayRestorer, Restorer, for_images
from deblur.files import safe_name, write_bytes, write_csv, write_json, write_text
from deblur.inference.checkpoints import digest_of
from deblur.metrics import METRICS
from deblur.runs.records import METRICS_FILE
from deblur.text import Lines, counted, paragraphs
from deblur.training.results import versions, write_images_table

RESULTS_FILE: Final = "results.csv"
REPORT_FILE: Final = "report.md"
_LONGEST_NAME: Final = 200  # bytes of a folder's name; file systems allow 255


@dataclass(frozen=True)
class _Network:
    """A network in the comparison.

    Attributes:
        subject: what was opened.
        restorer: the network for images of the protocol's color.
    """

    subject: Subject
    restorer: Restorer


def evaluate(asked: EvaluateConfig) -> Lines:
    """Measure networks and baselines by a protocol, and write the files.

    Args:
        asked: the checked configuration of the evaluation, with a protocol.

    Returns:
        What to show: the protocol's facts, and a table for each level of noise, with published rows.

    Raises:
        PartlyDone: for runs of a sweep that could not be measured; the others were.
        UserError: for what the user can fix; nothing is written then.
    """
    settings = asked.protocol
    if settings is None:
        raise ValueError("no protocol is chosen")
    protocol = PROTOCOLS[settings.name]
    root = protocol.root(asked.data)
    _refuse_baselines(asked.baseline, protocol)
    if asked.sweep is None and not asked.runs:
        refuse_without_network(asked)
    is_blind = isinstance(settings, PhotographsProtocol) and settings.blind
    cases = find_cases(protocol, root, settings)
    keep_freed_memory()
    places, problems = _places(asked)
    networks = []
    for place in places:
        try:
            networks.append(_network(place, asked, protocol))
        except UserError as error:
            if asked.sweep is None:
                raise
            problems.append(f"{place.name}: {error}")
    if places and not networks:
        raise UserError(problems[0])
    _refuse_color(asked, protocol, networks)
    _number_equal_names(networks, asked.baseline)
    infos = [METRICS[name].info for name in protocol.metrics]
    rows: list[Row] = []
    results: list[Result] = []
    tuned: dict[str, Any] = {}
    seen: dict[str, set[str]] = {network.restorer.name: set() for network in networks}
    with taken_device(DeviceRequest(accelerator_for(asked.accelerator, places), "32-true")) as device:
        for level in dict.fromkeys(case.noise_sigma for case in cases):
            chosen = [case for case in cases if case.noise_sigma == level]
            kernels = list({case.kernel_name: case.kernel for case in chosen if case.kernel is not None}.values())
            noise = total_noise(protocol, level)
            baselines = [tuned_baseline(name, protocol, kernels, noise) for name in asked.baseline]
            tuned[f"{level:g}"] = {baseline.name: dict(baseline.settings) for baseline in baselines}
            restorers = [*(network.restorer for network in networks), *map(BaselineRestorer, baselines)]
            seed = settings.seed if isinstance(settings, NoisyProtocol) else 0
            found: list[Row] = []
            for digest, measured in measure_cases(restorers, chosen, protocol, seed, device.place, blind=is_blind):
                found += measured
                _note_seen(seen, networks, digest)
            rows += found
            results += [
                result_of(name, level, [row for row in found if row["restorer"] == name], infos)
                for name in dict.fromkeys(row["restorer"] for row in found)
            ]
    levels = list(dict.fromkeys(result.noise_sigma for result in results))
    published = [row for level in levels for row in published_rows(protocol.name, level)]
    tables = [
        NoiseTable(
            protocol,
            level,
            [result for result in results if result.noise_sigma == level],
            [row for row in published if row.noise_sigma == level],
            infos,
        )
        for level in levels
    ]
    notes = _notes(
        protocol,
        settings,
        cases,
        networks,
        seen,
        has_published=bool(published),
        tuned=tuned,
        noise_sigma=asked.noise_sigma,
        self_ensemble=asked.self_ensemble,
    )
    if unregistered := sum(row.get("registered") is False for row in rows):
        notes.append(
            f"{unregistered} of {counted(len(rows), 'result')} could not be registered, and were compared as they are: "
            "registered=False in images.csv."
        )
    if is_blind:
        notes += estimated.notes(rows)
    facts = protocol.facts()
    folder = _folder(asked, protocol, root, settings, places)
    write_images_table(folder, rows, infos)
    write_csv(folder / RESULTS_FILE, result_rows(protocol, results, published))
    if is_blind:
        figure = estimated.success_figure(rows)
        write_bytes(folder / figure.file, figure.png)
    write_text(folder / REPORT_FILE, report(protocol, facts, tables, notes))
    summary = {
        "protocol": asdict(protocol),
        "facts": facts,
        "settings": settings.plain(),
        "root": str(root),
        "runs": [str(place) for place in places],
        "cases": len(cases),
        **({} if asked.noise_sigma is None else {"noise_sigma": asked.noise_sigma}),
        **({"self_ensemble": True} if asked.self_ensemble else {}),
        "results": [
            {
                "method": result.method,
                "noise_sigma": result.noise_sigma,
                "averaged_psnr": result.psnr(protocol.averaging),
                "interval": None if result.interval is None else list(result.interval),
                "psnr_of_mean_mse": result.psnr_of_mean_mse,
                **result.means,
            }
            for result in results
        ],
        "published": [asdict(row) for row in published],
        "baselines": tuned,
        "notes": notes,
        "device": {"accelerator": device.accelerator, "name": device.name},
        "threads": device.threads,
        "versions": versions(),
    }
    write_json(folder / METRICS_FILE, summary)
    shown = [facts_text({"protocol": protocol.name} | facts), *(each.text() for each in tables), *notes]
    return with_problems(paragraphs(*shown, f"All numbers are in {folder}"), problems)


def _refuse_baselines(names: Sequence[str], protocol: Protocol) -> None:
    needing = [name for name in names if name != "none"]
    if needing and not protocol.has_kernels:
        raise UserError(
            f"baseline=[{','.join(needing)}] needs the kernel of each image, and protocol={protocol.name} has no "
            "kernels: "
            "leave it out."
        )


def _places(asked: EvaluateConfig) -> tuple[list[Path], list[str]]:
    """Return the paths of the networks, and a sentence for each run of a sweep whose files cannot be used."""
    if asked.sweep is not None:
        return finished_runs(Path(asked.paths.output_root) / "sweeps" / asked.sweep)
    return [place_of(run) for run in asked.runs], []


def _network(place: Path, asked: EvaluateConfig, protocol: Protocol) -> _Network:
    """Open a network for a protocol.

    Raises:
        UserError: if it is none, is a non-blind network and the protocol has no kernels, or does not take its images.
    """
    subject = open_subject(place, asked.trusted, asked.noise_sigma, asked.self_ensemble)
    restorer = subject.restorer
    if not protocol.has_kernels and restorer.takes_kernel:
        raise UserError(
            f"{restorer.name} is a non-blind network, and protocol={protocol.name} has no kernels: give a blind "
            "network, or a "
            "protocol with kernels, such as levin2009."
        )
    if protocol.color == "gray" and restorer.channels not in (None, 1):
        raise UserError(
            f"{restorer.name} is a network for RGB images, and protocol={protocol.name} is of gray images: give a "
            "network for "
            "gray images."
        )
    return _Network(subject, for_images(restorer, 3 if protocol.color == "rgb" else 1, asked.color or DEFAULT_COLOR))


def _refuse_color(asked: EvaluateConfig, protocol: Protocol, networks: Sequence[_Network]) -> None:
    if asked.color is not None and not any(isinstance(network.restorer, GrayRestorer) for network in networks):
        raise UserError(
            f"color={asked.color} is for a gray network on RGB images: leave it out, or give run=DIR of such a "
            "network and a "
            f"protocol of RGB images; protocol={protocol.name} is of {protocol.color} images."
        )


def _number_equal_names(networks: Sequence[_Network], baselines: Sequence[str]) -> None:
    """Give networks of one name, or of that of a baseline, numbers: a table has to distinguish them."""
    names = [network.restorer.name for network in networks]
    for place, network in enumerate(networks):
        if [*names, *baselines].count(names[place]) > 1:
            network.restorer.name = f"{names[place]} ({names[: place + 1].count(names[place])})"


def _note_seen(seen: Mapping[str, set[str]], networks: Sequence[_Network], digest: str) -> None:
    for network in networks:
        if network.subject.seen is not None and digest_of(digest) in network.subject.seen:
            seen[network.restorer.name].add(digest)


def _notes(
    protocol: Protocol,
    settings: ProtocolSettings,
    cases: Sequence[Case],
    networks: Sequence[_Network],
    seen: Mapping[str, set[str]],
    *,
    has_published: bool,
    tuned: Mapping[str, Mapping[str, Any]],
    noise_sigma: float | None,
    self_ensemble: bool,
) -> list[str]:
    """Return sentences on what to keep in mind."""
    notes = []
    images = len({(case.name, case.kernel_name) for case in cases})
    if protocol.cases is not None and images != protocol.cases:
        notes.append(
            f"Only {images} of {protocol.cases} blurred images are measured: the number is not the protocol's."
            if images < protocol.cases
            else f"There are {images} blurred images where the data set has {protocol.cases}."
        )
    elif settings.max_images is not None and protocol.cases is None:
        notes.append(
            f"protocol.max_images={settings.max_images}: the number is of {counted(images, 'blurred image')} alone."
        )
    if has_published and protocol.cases is None:
        notes.append("Published rows are comparable only with results of the images and kernels that they name.")
    if not has_published:
        level = " at this noise" if isinstance(settings, NoisyProtocol) else ""
        notes.append(f"published.csv holds no row of {protocol.name}{level}.")
    if any(one for level in tuned.values() for one in level.values()):
        notes.append(f"Baselines are tuned for each level of noise on {TUNING_IMAGES} images that a program draws.")
    taking = [network.restorer.name for network in networks if network.restorer.takes_kernel]
    if taking and noise_sigma is None:
        notes.append(f"{', '.join(taking)}: the noise is estimated from each image (noise_sigma=X gives it).")
    elif taking:
        notes.append(f"{', '.join(taking)}: assumes noise of {noise_sigma:g} gray levels.")
    if self_ensemble:
        notes.append(f"{', '.join(taking)}: {SELF_ENSEMBLE_NOTE}")
    boundary: Boundary = "circular" if protocol.boundary == "circular" else "valid"
    for network in networks:
        name = network.restorer.name
        if not network.subject.config:
            notes.append(f"{name}: {UNKNOWN_TRAINING_NOTE}")
        if seen[name]:
            notes.append(f"{name} was trained or validated on {len(seen[name])} of these images, which flatters it.")
        if protocol.has_kernels:
            notes += differing_assumptions(network.restorer, [Crop(boundary)], ENCODED)
    return notes


def _folder(
    asked: EvaluateConfig, protocol: Protocol, root: Path, settings: ProtocolSettings, places: Sequence[Path]
) -> Path:
    if asked.output is not None:
        return Path(asked.output)
    deciding: list[Any] = [
        str(root),
        settings.plain(),
        [os.path.realpath(place) for place in places],
        asked.baseline,
        asked.color,
    ]
    if asked.noise_sigma is not None:
        deciding.append(asked.noise_sigma)
    if asked.self_ensemble:
        deciding.append("self_ensemble")
    digest = hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:6]
    name = safe_name(f"{protocol.name}-{digest}", longest=_LONGEST_NAME)
    return Path(asked.paths.output_root) / "evaluations" / name
