"""All chosen metrics of a batch of images, and means over images."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from deblur.fractions import degraded_fraction
from deblur.metrics.registry import PSNR, Metric, MetricInfo, measured_columns

if TYPE_CHECKING:
    from torch import Tensor

WIENER_GUIDED: Final = ("wiener_psnr",)
"""The columns of images that a Wiener estimate was made of."""


def measure(
    restored: "Tensor", batch: Mapping[str, Any], metrics: Sequence[Metric], *, of_input: bool
) -> dict[str, "Tensor"]:
    """Measure restored and blurred images, in float32.

    Args:
        restored: (N, 1, H, W).
        batch: with `blurred` and `sharp`, and `wiener_estimate` (N, G, H, W) for a network that wants one.
        metrics: with the PSNR among them.
        of_input: whether all metrics of what the network was given are wanted; else only its PSNR.

    Returns:
        (N,) each: the metrics by name, `gain` [dB], which is PSNR(restored) - PSNR(blurred), `input_psnr` and, if
        wanted, `input_<metric>` of the blurred image for each metric, and `wiener_psnr` of the first plane of the
        Wiener estimate, which is what the Wiener filter alone restores, if there is one. PSNR and gain are infinite if
        an image is exact.
    """
    blurred, sharp = batch["blurred"], batch["sharp"]
    restored = restored.float().clamp(0, 1)
    measured: dict[str, Tensor] = {}
    for metric in metrics:
        name = metric.info.name
        if of_input or metric.info == PSNR.info:
            measured[f"input_{name}"] = metric(blurred, sharp)
        measured[name] = metric(restored, sharp)
    measured["gain"] = measured["psnr"] - measured["input_psnr"]
    if of_input and "wiener_estimate" in batch:
        measured["wiener_psnr"] = PSNR(batch["wiener_estimate"][:, :1], sharp)
    return measured


def mean_results(rows: Sequence[Mapping[str, Any]], infos: Sequence[MetricInfo]) -> dict[str, Any]:
    """Return the means over test images, infinite and undefined values left out, and how many were so.

    A mean over nothing is None, which is null in JSON. `degraded` is the share that
    `deblur.fractions.degraded_fraction` defines; `without_<metric>` counts the images that are too small for a metric.

    Args:
        rows: what was measured on each image.
        infos: of the metrics of which means are taken, with the PSNR among them.
    """
    means: dict[str, Any] = {}
    for name in (*measured_columns(infos), *(WIENER_GUIDED if rows and WIENER_GUIDED[0] in rows[0] else ())):
        finite = [row[name] for row in rows if math.isfinite(row[name])]
        means[name] = math.fsum(finite) / len(finite) if finite else None
    exact = sum(math.isinf(row["psnr"]) for row in rows)
    degraded = degraded_fraction([row["gain"] for row in rows])
    found = {**means, "degraded": degraded, "images": len(rows), "exactly_restored": exact}
    for info in infos:
        if info.min_side > 1:
            found[f"without_{info.name}"] = sum(math.isnan(row[info.name]) for row in rows)
    return found


def unmeasured(means: Mapping[str, Any], infos: Sequence[MetricInfo]) -> list[str]:
    """Return a phrase for each metric that some of the images are too small for.

    Args:
        means: as `mean_results` returns them.
        infos: of the metrics.
    """
    return [
        f"{count} of them without {info.label}, which needs {info.min_side}x{info.min_side} px"
        for info in infos
        if (count := means.get(f"without_{info.name}"))
    ]
