"""Restoring with estimated kernels: error ratios, how many images they are small for, and the time of an estimate."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from deblur.blur.kernels import Psf, identity
from deblur.estimation import KernelEstimate
from deblur.evaluation.protocols.cases import Pixels
from deblur.inference.refining import one_kernel
from deblur.reporting.figures import FigureFile, figure_file, line_styles, styled
from deblur.text import counted

RATIO: Final = "error_ratio"
SECONDS: Final = "estimate_seconds"
CONFIDENCE: Final = "confidence"
SHOWN_RATIOS: Final = (2, 3)  # in words
LARGEST_SHOWN: Final = 5.0  # ratio, in the figure
FIGURE_FILE: Final = "error_ratio.png"
SIZE: Final = (5.2, 3.4)  # [inch]
DEFINITION: Final = (
    "Error ratio: squared error of the result with the estimated kernel, divided by that of the same method with the "
    "true kernel, each at its best shift (Levin, Weiss, Durand, Freeman: Efficient marginal likelihood optimization in "
    "blind deconvolution, CVPR 2011)."
)


@dataclass(frozen=True, eq=False)
class Estimated:
    """A kernel that was estimated from a blurred image.

    Attributes:
        estimate: what was found.
        seconds: of processor time.
    """

    estimate: KernelEstimate
    seconds: float

    @property
    def psf(self) -> Psf:
        """The kernel; the identity if none was found, which leaves the image as it is."""
        return identity() if self.estimate.kernel is None else self.estimate.kernel

    def columns(self, ratio: float) -> dict[str, float]:
        """Return the columns of a result with this kernel."""
        return {RATIO: ratio, CONFIDENCE: self.estimate.confidence, SECONDS: self.seconds}


def estimated(blurred: Pixels) -> Estimated:
    """Estimate the kernel of a blurred image, of which values outside [0, 1] are clipped.

    A kernel that is not to be relied on is taken as well: the error ratios of the literature are of all images.
    """
    start = time.process_time()
    found = one_kernel(np.clip(blurred, 0, 1))
    return Estimated(found, time.process_time() - start)


def named(method: str) -> str:
    """Return what tables call a method with estimated kernels."""
    return f"{method}, estimated kernel"


def error_ratio(psnr: float, psnr_of_known: float) -> float:
    """Return the ratio of the squared errors of two results on the same pixels, from their PSNRs [dB]."""
    return math.inf if math.isinf(psnr_of_known) else 10 ** ((psnr_of_known - psnr) / 10)


def ratios_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Return the error ratios of each method with estimated kernels."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if RATIO in row:
            found.setdefault(row["restorer"], []).append(row[RATIO])
    return found


def notes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return sentences on the error ratios and on the time of an estimate."""
    said = [DEFINITION]
    for method, ratios in ratios_of(rows).items():
        counts = [
            f"at most {limit} on {sum(ratio <= limit for ratio in ratios)} of {counted(len(ratios), 'image')}"
            for limit in SHOWN_RATIOS
        ]
        said.append(f"{method}: error ratio {' and '.join(counts)}; median {np.median(ratios):.2f}.")
    seconds = [row[SECONDS] for row in rows if SECONDS in row]
    said.append(
        f"An estimate takes {np.median(seconds):.1f} s of processor time in the median, {max(seconds):.1f} s at most."
    )
    return said


def success_figure(rows: Sequence[Mapping[str, Any]]) -> FigureFile:
    """Draw the fraction of images up to each error ratio, a line for each method."""
    methods = ratios_of(rows)
    styles = line_styles(list(methods))
    with styled():
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        alts = []
        for method, ratios in methods.items():
            color, line, _ = styles[method]
            ordered = np.sort(ratios)
            shares = np.arange(1, len(ordered) + 1) / len(ordered)
            axes.step(
                [0, *ordered, max(LARGEST_SHOWN, ordered[-1])], [0, *shares, 1], where="post", color=color,
                linestyle=line, label=method,
            )  # fmt: skip
            alts.append(f"{method}: {np.mean(ordered <= SHOWN_RATIOS[0]):.0%} up to {SHOWN_RATIOS[0]}.")
        axes.set_xlim(0, LARGEST_SHOWN)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("error ratio")
        axes.set_ylabel("fraction of the images")
        axes.legend(loc="lower right")
        return figure_file(figure, FIGURE_FILE, "Success of estimated kernels", " ".join(alts), DEFINITION)
