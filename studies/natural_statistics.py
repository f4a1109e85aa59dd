"""Statistics of drawn images and of photographs: `python -m studies.natural_statistics data.root=FOLDER`.

Those of the dead leaves of `deblur.synthesis.leaves`, of the drawn faces and of the photographs of each folder:

- power: radial power spectrum of the luma, whose slope is fitted between 0.02 and 0.25 cycles/px;
- gradient: differences of neighbors along rows and columns [gray levels];
- contrast: standard deviation of the luma within 8x8 px [gray levels];
- sharpness: energy of the finest Haar wavelets divided by that of the next, which falls with the blur of the edges and
  does not depend on the contrast; and the kurtosis of the finest ones, which is 3 for noise of random phases;
- color: standard deviations of R - Y and B - Y [gray levels], their correlation, and that of the saturation with the
  luma.

The table is written to `outputs/benchmarks/natural_statistics.json`, the curves to `natural_statistics.png` next to it.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

import deblur
from benchmarks.results import ROOT, Row, write_table
from deblur.blur.images import image_of
from deblur.choices import DataColor
from deblur.image_io.decoding import luma
from deblur.synthesis import faces, leaves

NAME: Final = "natural_statistics"
DRAWN: Final = 68  # images
SEED: Final = 2026
FITTED: Final = (0.02, 0.25)  # of the slope of the power [cycles/px]
FREQUENCIES: Final = np.geomspace(0.01, 0.5, 21)  # bounds of the bins of the power [cycles/px]
GRADIENTS: Final = np.arange(-160.5, 161)  # bounds of the bins [gray levels]
CONTRASTS: Final = np.linspace(-1, 2.1, 63)  # bounds of the bins [log10 of gray levels]
WINDOW: Final = 8  # side of what a local contrast is measured in [px]
FLAT: Final = 1  # largest gradient of a flat place [gray levels]
STEEP: Final = 32  # smallest gradient of a strong edge [gray levels]

Plane = NDArray[np.float64]
Draw = Callable[[int, int, DataColor], NDArray[np.uint8]]


@dataclass(frozen=True)
class Statistics:
    """What is measured of one image."""

    power: Plane  # mean of each bin, divided by the variance of the image; NaN for an empty bin
    slope: float
    gradients: Plane  # counts
    moments: tuple[float, float]  # means of the second and the fourth power of the gradients
    contrasts: Plane  # counts
    sharpness: float
    wavelet_kurtosis: float
    color: Plane  # means: R - Y, B - Y, saturation, luma; then those of their products, (4 + 16,)


def measured(image: NDArray[np.uint8]) -> Statistics:
    """Measure an RGB image (H, W, 3)."""
    gray = luma(image).astype(np.float64)
    power, slope = _power(gray)
    gradients = np.concatenate([np.diff(gray, axis=axis).ravel() for axis in (0, 1)])
    mean, square = (cv2.blur(plane, (WINDOW, WINDOW)) for plane in (gray, gray**2))
    inside = np.s_[WINDOW // 2 : -WINDOW // 2 : WINDOW // 2]
    contrast = np.sqrt(np.maximum(square - mean**2, 0)[inside, inside])
    finest, smooth = _details(gray)
    following, _ = _details(smooth)
    channels = image.astype(np.float64)
    largest = channels.max(axis=2)
    saturation = (largest - channels.min(axis=2)) / np.maximum(largest, 1)
    samples = np.stack([channels[..., 0] - gray, channels[..., 2] - gray, saturation, gray]).reshape(4, -1)
    return Statistics(
        power,
        slope,
        np.histogram(gradients, GRADIENTS)[0].astype(np.float64),
        (float(np.mean(gradients**2)), float(np.mean(gradients**4))),
        np.histogram(np.log10(np.maximum(contrast, 10 ** CONTRASTS[0])), CONTRASTS)[0].astype(np.float64),
        float(np.mean(finest**2)) / max(float(np.mean(following**2)), 1e-9),
        float(np.mean(finest**4)) / max(float(np.mean(finest**2)) ** 2, 1e-9),
        np.concatenate([samples.mean(axis=1), (samples @ samples.T / samples.shape[1]).ravel()]),
    )


def row_of(name: str, images: Sequence[Statistics]) -> Row:
    """Return the line of the table for a set of images."""
    levels = (GRADIENTS[1:] + GRADIENTS[:-1]) / 2
    gradients = _mean([one.gradients / one.gradients.sum() for one in images])
    second, fourth = (float(np.mean([one.moments[order] for one in images])) for order in (0, 1))
    contrasts = np.cumsum(_mean([one.contrasts / one.contrasts.sum() for one in images]))
    low, middle, high = (float(10 ** np.interp(share, contrasts, CONTRASTS[1:])) for share in (0.1, 0.5, 0.9))
    means = _mean([one.color for one in images])
    covariances = means[4:].reshape(4, 4) - np.outer(means[:4], means[:4])
    deviations = np.sqrt(np.maximum(np.diag(covariances), 0))
    is_gray = float(deviations[0]) < 1e-3
    correlations = covariances / np.maximum(np.outer(deviations, deviations), 1e-9)
    return {
        "images": name,
        "number": len(images),
        "power slope": float(np.mean([one.slope for one in images])),
        "slope spread": float(np.std([one.slope for one in images])),
        "deviation": float(deviations[3]),
        "gradient rms": second**0.5,
        "gradient kurtosis": fourth / second**2,
        "flat": float(gradients[np.abs(levels) <= FLAT].sum()),
        "steep": float(gradients[np.abs(levels) >= STEEP].sum()),
        "contrast 10 %": low,
        "50 %": middle,
        "90 %": high,
        "sharpness": float(np.median([one.sharpness for one in images])),
        "sharpness spread": float(np.std([one.sharpness for one in images])),
        "wavelet kurtosis": float(np.median([one.wavelet_kurtosis for one in images])),
        "R - Y": None if is_gray else float(deviations[0]),
        "B - Y": None if is_gray else float(deviations[1]),
        "their correlation": None if is_gray else float(correlations[0, 1]),
        "saturation": None if is_gray else float(means[2]),
        "with luma": None if is_gray else float(correlations[2, 3]),
    }


def drawn(draw: Draw, count: int) -> list[Statistics]:
    """Measure images that a program draws."""
    return [measured(draw(SEED, index, "rgb")) for index in range(count)]


def photographed(override: str) -> list[Statistics]:
    """Measure the images of a folder, given as `data.root=FOLDER`."""
    data = deblur.data_module(["data=folder", "data.color=rgb", "data.eval_crop=null", "blur=none", override])
    dataset = data.evaluation_dataset(range(len(data.images)))
    sharp = (image_of(dataset[position]["sharp"]) for position in range(len(dataset)))
    return [measured(image if image.dtype == np.uint8 else np.rint(image * 255).astype(np.uint8)) for image in sharp]


def plot(sets: dict[str, Sequence[Statistics]], path: Path) -> None:
    """Draw the curves of each set of images: power, gradients, contrasts, sharpness."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter

    with mpl.rc_context(fname=Path(deblur.__file__).parent / "reporting" / "report.mplstyle"):
        figure = Figure(figsize=(9, 6.4), layout="constrained")
        power, gradient, contrast, sharpness = figure.subplots(2, 2).ravel()
        for name, images in sets.items():
            power.loglog(_middles(FREQUENCIES), np.exp(_mean([np.log(one.power) for one in images])), label=name)
            gradient.semilogy(
                _middles(GRADIENTS),
                _mean([one.gradients / one.gradients.sum() for one in images]) + 1e-9,
                label=name,
            )
            contrast.plot(
                10 ** _middles(CONTRASTS),
                _mean([one.contrasts / one.contrasts.sum() for one in images]) / np.diff(CONTRASTS),
            )
            sharpness.plot(np.sort([one.sharpness for one in images]), np.linspace(0, 1, len(images)))
        power.set(xlabel="spatial frequency [cycles/px]", ylabel="power / variance")
        gradient.set(xlabel="gradient [gray levels]", ylabel="share", ylim=(1e-6, 1))
        contrast.set(xscale="log", xlabel="standard deviation within 8x8 px [gray levels]", ylabel="density per decade")
        sharpness.set(xlabel="energy of the finest wavelets / that of the next", ylabel="share of the images below")
        for axis in (power.xaxis, power.yaxis, gradient.yaxis, contrast.xaxis):  # powers of ten would need parsing
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())
        power.legend()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=120)


def main(overrides: Sequence[str]) -> None:
    """Measure drawn images, and the photographs of the folders that are given."""
    sets: dict[str, Sequence[Statistics]] = {
        "dead leaves": drawn(leaves.draw, DRAWN),
        "drawn faces": drawn(faces.draw, DRAWN),
        **{Path(override.partition("=")[2]).name: photographed(override) for override in overrides},
    }
    write_table(NAME, "Statistics of images", [row_of(name, images) for name, images in sets.items()])
    plot(sets, ROOT / f"{NAME}.png")
    print(f"written to {ROOT / f'{NAME}.png'}")


def _power(gray: Plane) -> tuple[Plane, float]:
    """Return the mean power of each bin of frequencies, and the slope of its logarithm."""
    window = np.outer(*(np.hanning(side) for side in gray.shape))
    centered = (gray - np.average(gray, weights=window)) * window
    frequency = np.hypot(np.fft.fftfreq(gray.shape[0])[:, None], np.fft.rfftfreq(gray.shape[1]))
    power = np.abs(np.fft.rfft2(centered)) ** 2 / max(gray.var() * np.sum(window**2), 1e-9)
    counts, sums = (np.histogram(frequency, FREQUENCIES, weights=weights)[0] for weights in (None, power))
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    middles = _middles(FREQUENCIES)
    fitted = (middles > FITTED[0]) & (middles < FITTED[1]) & (means > 0)
    return means, float(np.polyfit(np.log(middles[fitted]), np.log(means[fitted]), 1)[0])


def _details(gray: Plane) -> tuple[Plane, Plane]:
    """Return the detail coefficients of an orthonormal Haar wavelet, (3, H // 2, W // 2), and the smooth ones."""
    rows, columns = (side // 2 * 2 for side in gray.shape)
    a, b, c, d = (gray[top:rows:2, left:columns:2] for top in (0, 1) for left in (0, 1))
    return np.stack([a - b + c - d, a + b - c - d, a - b - c + d]) / 2, (a + b + c + d) / 2


def _middles(bounds: Plane) -> Plane:
    return (bounds[1:] + bounds[:-1]) / 2


def _mean(planes: Sequence[Plane]) -> Plane:
    """Return the mean of planes without their NaN; NaN where all are."""
    found = np.isfinite(planes)
    mean: Plane = np.sum(np.where(found, planes, 0), axis=0) / np.where(found.any(axis=0), found.sum(axis=0), np.nan)
    return mean


if __name__ == "__main__":
    if len(sys.argv) < 2 or not all(argument.startswith("data.root=") for argument in sys.argv[1:]):
        sys.exit("Give folders of photographs: data.root=FOLDER.")
    main(sys.argv[1:])
