"""How accurate noise estimates are with a known kernel: `python -m studies.noise_estimate LEVIN data.root=PHOTOS`.

The whole gray photographs of a folder are blurred with a valid boundary, so that none is invented. They get noise, are
clipped and rounded to 8 bits. LEVIN is the folder of the images and kernels of A. Levin, Y. Weiss, F. Durand and W.
Freeman, "Understanding and evaluating blind deconvolution algorithms", CVPR 2009: `kernel1.npy` to `kernel8.npy` are
one of the families of kernels, and the blurred photographs `im1_kernel1_img.png` to `im4_kernel8_img.png`, with the
noise of a real camera, are measured as well.

The noise of a rounded image has the variance sigma^2 + 1/12 in gray levels. The ratio is that of the estimate to its
root. The last table gives the time of an estimate for images of several sizes.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.images import open_folder
from benchmarks.results import Row, median_ratio, write_table
from deblur.blur import Kernel, convolve, kernels
from deblur.blur.images import as_float
from deblur.blur.kernels import Psf
from deblur.wiener.images import GRAY_LEVELS, ByteImage, UnitImage
from deblur.wiener.noise import ROUNDING_POWER, noise_power, white_noise

SIGMAS: Final = (0.0, 1.0, 2.55, 7.65, 12.75)  # of the noise [gray levels]
TOLERANCE: Final = 0.1  # of the ratio
SIDES: Final = (64, 256, 1024)  # of the images of which the time is measured [px]
REPEATS: Final = 15  # of an estimate that is measured

FAMILIES: Final[Mapping[str, Sequence[Psf]]] = {
    "identity": [kernels.identity()],
    "gaussian 0.5": [kernels.gaussian(0.5)],
    "gaussian 0.6": [kernels.gaussian(0.6)],
    "gaussian 0.7 to 3": [kernels.gaussian(sigma) for sigma in (0.7, 1.0, 1.6, 3.0)],
    "box 3 to 15": [kernels.box(size) for size in (3, 5, 9, 15)],
    "motion 3 to 21": [kernels.motion(length, angle) for length, angle in ((3, 0), (9, 20), (15, 45), (21, 0))],
    "disk 1 to 5": [kernels.disk(radius) for radius in (1.0, 2.0, 3.5, 5.0)],
}

Estimate = Callable[[UnitImage, Psf], float]
ESTIMATES: Final[Mapping[str, Estimate]] = {
    "known kernel": noise_power,
    "differences": lambda image, _: white_noise(image),
}


def main(levin: Path, overrides: Sequence[str]) -> None:
    """Measure both estimates on blurred photographs and on those of a real camera, and their times."""
    data = open_folder(["blur=none", "data.eval_crop=null", *overrides])
    samples = data.evaluation_dataset(range(len(data.images)))
    photographs = [np.ascontiguousarray(samples[position]["sharp"][0]) for position in range(len(samples))]
    shakes = [_kernel_of(levin / f"kernel{number}.npy") for number in range(1, 9)]
    rows: list[Row] = []
    for family, psfs in {**FAMILIES, "Levin, 8 kernels": shakes}.items():
        blurred = [(blurred_levels(photograph, psf), psf) for psf in psfs for photograph in photographs]
        rows += [_row(family, sigma, blurred) for sigma in SIGMAS]
    write_table("noise_estimate", f"Noise of {len(photographs)} whole photographs, sigma in gray levels", rows)

    real: list[Row] = []
    for number, psf in enumerate(shakes, 1):
        images = [_image_of(levin / f"im{image}_kernel{number}_img.png") for image in range(1, 5)]
        found = {
            f"{name}, image {place}": gray_levels(estimate(as_float(image), psf))
            for name, estimate in ESTIMATES.items()
            for place, image in enumerate(images, 1)
        }
        real.append({"kernel": number, **found})
    write_table("noise_estimate_levin", "Noise of photographs of a real camera [gray levels]", real)
    write_table("noise_estimate_time", "Time of an estimate, motion of 15 px [ms]", [_times(side) for side in SIDES])


def blurred_levels(photograph: ByteImage, psf: Psf) -> NDArray[np.float32]:
    """Return the part of the blurred image that depends on known pixels alone [gray levels]."""
    rows, columns = (size // 2 for size in psf.shape)
    height, width = photograph.shape
    return convolve(photograph, Kernel(psf))[rows : height - rows, columns : width - columns]


def with_noise(levels: NDArray[np.float32], sigma: float, seed: int) -> UnitImage:
    """Add noise, clip and round to 8 bits."""
    noisy = levels + sigma * np.random.default_rng(seed).standard_normal(levels.shape)
    return as_float(np.rint(noisy).clip(0, 255).astype(np.uint8))


def gray_levels(power: float) -> float:
    """Return the standard deviation of a variance, in gray levels."""
    return float(GRAY_LEVELS * np.sqrt(power))


def _row(family: str, sigma: float, blurred: Sequence[tuple[NDArray[np.float32], Psf]]) -> Row:
    truth = float(np.hypot(sigma, gray_levels(ROUNDING_POWER)))
    images = [(with_noise(levels, sigma, seed), psf) for seed, (levels, psf) in enumerate(blurred)]
    row: Row = {"kernels": family, "sigma": sigma}
    for name, estimate in ESTIMATES.items():
        found = np.array([gray_levels(estimate(image, psf)) for image, psf in images])
        ratios = found / truth
        row |= {
            f"{name}: within 10 %": float(np.mean(np.abs(ratios - 1) <= TOLERANCE)),
            f"{name}: median ratio": float(np.median(ratios)),
        }
    return row


def _times(side: int) -> Row:
    """Return the median times for noise on a smooth ramp, and the median of their ratio."""
    psf = kernels.motion(15, 30)
    ramp = np.tile(np.linspace(40, 215, side, dtype=np.float32), (side, 1))
    image = with_noise(ramp, 2.0, seed=0)
    noise_power(image, psf)  # the first call of a size computes tables
    pairs = [tuple(_seconds(estimate, image, psf) for estimate in ESTIMATES.values()) for _ in range(REPEATS)]
    known, differences = np.median(pairs, axis=0)
    ratio = median_ratio([(first, second) for first, second in pairs])
    return {"side": side, "known kernel": 1000 * known, "differences": 1000 * differences, "ratio": ratio}


def _seconds(estimate: Estimate, image: UnitImage, psf: Psf) -> float:
    start = time.perf_counter()
    estimate(image, psf)
    return time.perf_counter() - start


def _kernel_of(path: Path) -> Psf:
    if not path.is_file():
        sys.exit(f"{path} is missing: LEVIN has to hold kernel1.npy to kernel8.npy.")
    psf = np.load(path).astype(np.float64)
    scaled: Psf = psf / psf.sum()
    return scaled


def _image_of(path: Path) -> ByteImage:
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        sys.exit(f"{path} is missing or no image: LEVIN has to hold im1_kernel1_img.png to im4_kernel8_img.png.")
    return np.asarray(image, np.uint8)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("Give the folder of the images and kernels of Levin et al. (2009), then data.root=PHOTOS.")
    main(Path(sys.argv[1]), sys.argv[2:])
