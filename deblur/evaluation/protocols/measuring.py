"""Restorers on the cases of a protocol -> one row a case, and means with intervals."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from deblur.blur.images import planes_of
from deblur.evaluation.protocols.alignment import Aligned, aligned
from deblur.evaluation.protocols.cases import Case, load
from deblur.evaluation.protocols.estimated import error_ratio, estimated, named
from deblur.evaluation.protocols.protocol import Averaging, Protocol
from deblur.evaluation.protocols.restoring import restored
from deblur.evaluation.restorers import Restorer
from deblur.metrics import METRICS, MetricInfo
from deblur.metrics.images import ssim_map
from deblur.metrics.measuring import mean_results
from deblur.reporting.answers import Interval, mean_interval

Row = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """What one method reaches on all cases of one level of noise.

    Attributes:
        method: its name.
        noise_sigma: that was added [gray levels of 255].
        means: of `deblur.metrics.measuring.mean_results`.
        interval: 95 % interval of the mean of the PSNRs [dB]; None for fewer than two cases.
        psnr_of_mean_mse: the other average [dB]; None if all cases are exact.
    """

    method: str
    noise_sigma: float
    means: Mapping[str, Any]
    interval: Interval | None
    psnr_of_mean_mse: float | None

    def psnr(self, averaging: Averaging) -> float | None:
        """Return the PSNR [dB] by the protocol's average."""
        value: float | None = self.means["psnr"]
        return value if averaging == "mean_of_psnrs" else self.psnr_of_mean_mse


def measure_cases(
    restorers: Sequence[Restorer],
    cases: Sequence[Case],
    protocol: Protocol,
    seed: int,
    device: torch.device,
    *,
    blind: bool = False,
) -> Iterator[tuple[str, list[Row]]]:
    """Restore cases by each restorer and compare the results, and the blurred images, with the sharp ones.

    Args:
        restorers: what is compared, for images of the protocol's color.
        cases: what is restored.
        protocol: how.
        seed: of the noise.
        device: where networks run.
        blind: whether each image is restored with an estimated kernel as well.

    Yields:
        For each case the digest of its sharp image and one row for each restorer: names, the kernel, the level of
        noise, the metrics of the blurred image (`input_...`) and of the result, the gain, and what the alignment found.

    Raises:
        UserError: as `deblur.evaluation.protocols.cases.load`.
    """
    for restorer in restorers:
        restorer.to(device)
    for case in cases:
        pair = load(case, protocol, seed)
        of_input = values_of(aligned(pair.blurred, pair.sharp, protocol), protocol)
        rows: list[Row] = []
        guess = estimated(pair.blurred) if blind else None
        for restorer in restorers:
            result = aligned(restored(restorer, pair.blurred, case.psf, device), pair.sharp, protocol)
            values = values_of(result, protocol)
            described: dict[str, Any] = {"restorer": restorer.name, "name": case.name}
            if case.kernel is not None:
                described |= {"kernel": case.kernel_name, "noise_sigma": case.noise_sigma}
            inputs = {f"input_{name}": value for name, value in of_input.items()}
            rows.append({**described, **inputs, **values, "gain": values["psnr"] - of_input["psnr"], **result.columns})
            if guess is None:
                continue
            result = aligned(restored(restorer, pair.blurred, guess.psf, device), pair.sharp, protocol)
            of_known, values = values, values_of(result, protocol)
            described["restorer"] = named(restorer.name)
            gain = values["psnr"] - of_input["psnr"]
            columns = guess.columns(error_ratio(values["psnr"], of_known["psnr"]))
            rows.append({**described, **inputs, **values, "gain": gain, **result.columns, **columns})
        yield pair.digest, rows


def total_noise(protocol: Protocol, added: float) -> float:
    """Return the deviation of all white noise of a blurred image [gray levels of 255]: its own and what is added."""
    return math.hypot(protocol.noise_sigma, added)


def values_of(found: Aligned, protocol: Protocol) -> dict[str, float]:
    """Return the metrics of a protocol for an aligned result; with a mask, of the pixels that it shows.

    A PSNR is infinite if the result is exact.
    """
    pair = [torch.from_numpy(np.ascontiguousarray(planes_of(image)))[None] for image in (found.restored, found.sharp)]
    if found.mask is None:
        return {name: float(METRICS[name](*pair)[0]) for name in protocol.metrics}
    return {name: _masked(name, pair[0], pair[1], torch.from_numpy(found.mask)) for name in protocol.metrics}


def _masked(name: str, restored_planes: torch.Tensor, sharp: torch.Tensor, mask: torch.Tensor) -> float:
    if name == "psnr":  # a bicubic interpolation may leave [0, 1], and is measured as it is
        errors = (restored_planes - sharp).square().double().mean(dim=1)[0]
        error = float(errors[mask].mean())
        return -10 * math.log10(error) if error > 0 else math.inf
    local = ssim_map(restored_planes, sharp).mean(dim=1)[0]
    rows, columns = ((whole - part) // 2 for whole, part in zip(mask.shape, local.shape, strict=True))
    inside = mask[rows : mask.shape[0] - rows, columns : mask.shape[1] - columns]
    return float(local[inside].mean()) if bool(inside.any()) else math.nan


def result_of(method: str, noise_sigma: float, rows: Sequence[Row], infos: Sequence[MetricInfo]) -> Result:
    """Return the averages of the cases of one method and one level of noise."""
    psnrs = [row["psnr"] for row in rows]
    errors = [10 ** (-value / 10) for value in psnrs if not math.isnan(value)]
    mean_error = math.fsum(errors) / len(errors) if errors else 0.0
    return Result(
        method,
        noise_sigma,
        mean_results(rows, infos),
        mean_interval(np.array(psnrs, dtype=np.float64)),
        -10 * math.log10(mean_error) if mean_error > 0 else None,
    )
