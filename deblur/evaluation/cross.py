"""Where a network begins to do harm: the best of a sweep on every blur, stronger, weaker, noisy, compressed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deblur.blur.mixed import FAMILIES
from deblur.config import Config
from deblur.data.datamodule import DeblurDataModule
from deblur.data.frames import Border
from deblur.data.loader_errors import loader_errors_told
from deblur.device import taken_device
from deblur.errors import UserError
from deblur.evaluation.opening import finished_runs, opened, torch_device
from deblur.evaluation.restorers import NetworkRestorer
from deblur.evaluation.tables import crossing_table
from deblur.files import write_csv
from deblur.memory import keep_freed_memory
from deblur.metrics import HARM, psnr
from deblur.networks.trained import load_trained
from deblur.reporting.crossing import CROSS_FILE
from deblur.runs import METRICS_FILE, read_config, read_json

STRENGTHS = {  # the parameter of each family
    "gaussian": "sigma",
    "box": "size",
    "motion": "length",
    "disk": "radius",
    "trajectory": "extent",
}
MIXTURE = "mixed"
AFTER_BLUR = ("noise_sigma", "jpeg_quality")
FACTORS = (0.5, 2.0)
NOISE_SIGMAS = (2.0, 8.0)  # [grey levels]
JPEG_QUALITIES = (95, 75, 50)
Row = dict[str, Any]


@dataclass(frozen=True)
class Condition:
    """One way in which the test images are degraded.

    Attributes:
        family: of the blur.
        label: what differs from the blur that networks were trained on.
        blur: its configuration.
        border: real, or None for that of the training.
    """

    family: str
    label: str
    blur: Mapping[str, Any]
    border: Border | None = None


def conditions(blur: Mapping[str, Any], border: Border = "symmetric") -> Iterator[Condition]:
    """Yield a blur at several strengths, with a real border, with noise, and compressed; each family of a mixture.

    A strength that is a number is halved and doubled. Of one that is drawn, the ends and the middle of its range are
    taken, and everything else is measured on the whole range.

    Args:
        blur: its configuration, of a family of `STRENGTHS`, or a mixture of them.
        border: of the training; where it is real, a strength that is a number has no condition for that.
    """
    if "families" not in blur:
        yield from _of_family(str(blur["name"]), blur, border)
        return
    shared = {key: blur[key] for key in AFTER_BLUR if key in blur}
    for family, settings in blur["families"].items():
        if family in STRENGTHS and settings is not None and settings.get("weight", 1):
            own = {key: value for key, value in settings.items() if key != "weight"}
            target = f"{FAMILIES[family].__module__}.{FAMILIES[family].__qualname__}"
            yield from _of_family(family, {"name": family, "_target_": target, **own, **shared}, border)


def _of_family(family: str, blur: Mapping[str, Any], border: Border) -> Iterator[Condition]:
    key = STRENGTHS[family]
    is_drawn = isinstance(blur[key], Sequence)
    low, high = blur[key] if is_drawn else (blur[key] * min(FACTORS), blur[key] * max(FACTORS))
    for value in (low, (low + high) / 2 if is_drawn else blur[key], high):
        strength = _odd(value) if key == "size" else value
        yield Condition(family, f"{key} {strength:g}", {**blur, key: strength})
    whole = f"any {key}, " if is_drawn else ""
    if is_drawn or border != "real":  # of one strength, that with the training's border is the same
        yield Condition(family, f"{whole}real border", blur, "real")
    for sigma in NOISE_SIGMAS:
        yield Condition(family, f"{whole}noise {sigma:g}", {**blur, "noise_sigma": sigma})
    for quality in JPEG_QUALITIES:
        yield Condition(family, f"{whole}JPEG {quality}", {**blur, "jpeg_quality": quality})


def _odd(size: float) -> int:
    """Return the odd whole number at or above a size, and at least 3."""
    return max(3, int(size) // 2 * 2 + 1)


def best_runs(runs: Sequence[Path]) -> dict[str, Path]:
    """Return the run with the best validation PSNR of each blur that was trained on; no test image decides."""
    best: dict[str, tuple[float, Path]] = {}
    for run in runs:
        blur = str(read_config(run)["blur"].get("name"))
        score = read_json(run / METRICS_FILE)["val"].get("psnr")
        if (blur in STRENGTHS or blur == MIXTURE) and score is not None and score > best.get(blur, (-np.inf, run))[0]:
            best[blur] = (float(score), run)
    if not best:
        raise UserError(
            f"cross=true needs networks that were trained on one of {', '.join((*STRENGTHS, MIXTURE))}: there is none."
        )
    return {blur: run for blur, (_, run) in best.items()}


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
        rows = cross_table(finished_runs(sweep), asked, torch_device(device))
    write_csv(sweep / CROSS_FILE, rows)
    return f"{crossing_table(rows)}\n\nAll numbers are in {sweep / CROSS_FILE}; the report of the sweep shows them."


def cross_table(runs: Sequence[Path], asked: Config, device: torch.device) -> list[Row]:
    """Measure the best network of each blur under every condition of every blur, on the test images of its training.

    Args:
        runs: the finished runs of a sweep.
        asked: the checked configuration of the evaluation.
        device: where networks run.

    Returns:
        One row for each network and condition: what it was trained on, the condition, mean PSNR of input and result,
        mean gain [dB], and the share of images that it harms.
    """
    chosen = best_runs(runs)
    networks = {blur: load_trained(run, asked["trusted"]) for blur, run in chosen.items()}
    restorers = {blur: NetworkRestorer(one.name, one.network) for blur, one in networks.items()}
    for restorer in restorers.values():
        restorer.to(device)
    settings = next(iter(networks.values())).config["data"]
    rows: list[Row] = []
    for trained in networks.values():
        for condition in conditions(trained.config["blur"], settings.get("border", "symmetric")):
            border = {"border": condition.border} if condition.border else {}
            data = opened({"data": settings | border, "blur": condition.blur}, asked)
            rows += _measured(restorers, data, condition, device)
    return rows


def _measured(
    restorers: Mapping[str, NetworkRestorer], data: DeblurDataModule, condition: Condition, device: torch.device
) -> list[Row]:
    inputs: list[float] = []
    results: dict[str, list[float]] = {blur: [] for blur in restorers}
    with torch.inference_mode(), loader_errors_told(data.num_workers):
        for batch in data.test_dataloader():
            images = {key: batch[key].to(device).float() / 255 for key in ("blurred", "sharp")}
            inputs += psnr(images["blurred"], images["sharp"]).tolist()
            for blur, restorer in restorers.items():
                given = images["blurred"], batch["kernel"]
                restored = restorer.restore(*given, restorer.guide(*given))
                results[blur] += psnr(restored, images["sharp"]).tolist()
    rows = []
    for blur, restorer in restorers.items():
        gains = np.subtract(results[blur], inputs)
        known = np.isfinite(gains)
        rows.append(
            {
                "network": restorer.name,
                "trained_on": blur,
                "family": condition.family,
                "condition": condition.label,
                "input_psnr": float(np.mean(np.array(inputs)[known])),
                "psnr": float(np.mean(np.array(results[blur])[known])),
                "gain": float(np.mean(gains[known])),
                "harmed": float(np.mean(gains[known] < HARM)),
                "images": int(known.sum()),
            }
        )
    return rows
