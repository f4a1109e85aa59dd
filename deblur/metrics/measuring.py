"""All chosen metrics of a batch of images, means over images, and fractions of images."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from deblur.metrics.registry import PSNR, Metric, MetricInfo, measured_columns

if TYPE_CHECKING:
    from torch import Tensor

DEGRADED_BELOW: Final = -0.1  # dB; a gain below this is a degradation, a smaller loss is not visible
UNCHANGED_ABOVE: Final = 20 * math.log10(255)  # dB; the PSNR of an image that differs by 1 gray level RMS


def measure(
    restored: "Tensor", batch: Mapping[str, Any], metrics: Sequence[Metric], *, of_input: bool
) -> dict[str, "Tensor"]:
    """Measure restored and blurred images, in float32.

    Args:
        restored: (N, C, H, W).
        batch: with `blurred` and `sharp`.
        metrics: the PSNR among them.
        of_input: whether to measure the blurred image by all metrics; otherwise only its PSNR.

    Returns:
        (N,) each: the metrics by name, `gain` [dB], which is PSNR(restored) - PSNR(blurred), `input_psnr`, and with
        `of_input` `input_<metric>` for each metric. PSNR and gain are infinite if an image is exact.
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
    return measured


def mean_results(rows: Sequence[Mapping[str, Any]], infos: Sequence[MetricInfo]) -> dict[str, Any]:
    """Return the means of the finite values over test images, None without any, and counts of the others.

    `degraded` is the `degraded_fraction`; `without_<metric>` counts the images that are too small for a metric.

    Args:
        rows: the measured values of each image.
        infos: of the metrics to average, the PSNR among them.
    """
    means: dict[str, Any] = {}
    for name in measured_columns(infos):
        finite = [row[name] for row in rows if math.isfinite(row[name])]
        means[name] = math.fsum(finite) / len(finite) if finite else None
    exact = sum(math.isinf(row["psnr"]) for row in rows)
    degraded = degraded_fraction([row["gain"] for row in rows], [row["psnr"] for row in rows])
    found = {**means, "degraded": degraded, "images": len(rows), "exactly_restored": exact}
    for info in infos:
        if info.min_side > 1:
            found[f"without_{info.name}"] = sum(math.isnan(row[info.name]) for row in rows)
    return found


def unmeasured(means: Mapping[str, Any], infos: Sequence[MetricInfo]) -> list[str]:
    """Return a phrase for each metric that some images are too small for, given the result of `mean_results`."""
    return [
        f"{count} of them without {info.label}, which needs {info.min_side}x{info.min_side} px"
        for info in infos
        if (count := means.get(f"without_{info.name}"))
    ]


def degraded_fraction(gains: Sequence[float], psnrs: Sequence[float]) -> float | None:
    """Return the fraction of degraded test images; None without any.

    An image is degraded if its gain is below -0.1 dB. If the input is exact, any change is an infinite loss: it is
    degraded if it changes by more than 1 gray level of 255 (root mean square). An undefined gain (not a number: both
    are exact, or the restored image is not a number somewhere) is not counted as degraded.

    Args:
        gains: of each image [dB].
        psnrs: of each restored image [dB].
    """
    if not gains:
        return None
    pairs = zip(gains, psnrs, strict=True)
    return sum(gain < DEGRADED_BELOW and (gain > -math.inf or psnr < UNCHANGED_ABOVE) for gain, psnr in pairs) / len(
        gains
    )


def share_above(ones: Sequence[float], others: Sequence[float]) -> float | None:
    """Return the fraction of images on which the first PSNR is higher; None without any. Ties are not higher.

    Args:
        ones: PSNR of each image [dB], infinite if it is exact.
        others: PSNR of the same images by another restorer.
    """
    return sum(one > other for one, other in zip(ones, others, strict=True)) / len(ones) if ones else None
