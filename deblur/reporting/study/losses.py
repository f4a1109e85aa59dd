"""Mean squared errors of runs, which is the number that the study published."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deblur.reporting.results import Run


@dataclass(frozen=True)
class Losses:
    """What the runs of a cell reached, averaged over their seeds.

    Attributes:
        validation: MSE of the validation images after the last epoch; None where no epoch is known.
        test: MSE of the restored test images.
        test_input: MSE of the blurred test images.
        psnr: mean of the PSNR of each restored test image [dB].
        input_psnr: the same of the blurred ones [dB].
    """

    validation: float | None
    test: float
    test_input: float
    psnr: float
    input_psnr: float

    @property
    def share(self) -> float:
        """The part of the blurred test images' MSE that is left."""
        return self.test / self.test_input


def losses(runs: Sequence[Run]) -> Losses:
    """Return the losses of finished runs that differ in their seeds."""
    last = [run.history[-1]["val/loss"] for run in runs if run.history and "val/loss" in run.history[-1]]
    return Losses(
        float(np.mean(last)) if last else None,
        float(np.mean([image_mse(run, "psnr") for run in runs])),
        float(np.mean([image_mse(run, "input_psnr") for run in runs])),
        float(np.mean([image_psnr(run, "psnr") for run in runs])),
        float(np.mean([image_psnr(run, "input_psnr") for run in runs])),
    )


def image_mse(run: Run, key: str) -> float:
    """Return the MSE of all test images that follows from the PSNR of each; an infinite PSNR is an MSE of 0."""
    psnr = np.array([values[key] for values in run.images.values()])
    return float(np.mean(np.where(np.isfinite(psnr), 10 ** (-psnr / 10), 0.0)))


def image_psnr(run: Run, key: str) -> float:
    """Return the mean of the finite PSNRs of the test images [dB]."""
    psnr = np.array([values[key] for values in run.images.values()])
    return float(np.mean(psnr[np.isfinite(psnr)]))


def psnr_of(mse: float) -> float:
    """Return the PSNR of an MSE of images in [0, 1] [dB]."""
    return -10 * math.log10(mse) if mse > 0 else math.inf
