"""How a linear filter copes with a border that is not mirrored: `python -m studies.borders data.root=FACES`.

Each picture is the middle of a larger one that was blurred as a whole, so that unknown pixels have come in over its
border. The filters know the kernel; those that assume more noise than there is leave less of what the border does.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from scipy import fft  # type: ignore[import-untyped] # it has no types

from benchmarks.pictures import blurred_pictures, open_folder
from benchmarks.results import Row, tell
from deblur.baselines.base import EightBit, Picture
from deblur.baselines.tuning import mean_psnr
from deblur.blur.kernels import Weights
from deblur.wiener.fft import filtered, transfer, wiener_gain
from deblur.wiener.filters import WienerFilter, method

BLURS = {
    "gaussian": ["blur=gaussian"],
    "box": ["blur=box"],
    "motion": ["blur=motion"],
    "motion at 30 degrees": ["blur=motion", "blur.angle=30"],
    "camera shake": ["blur=trajectory"],
}
NOISE_SIGMAS = (0, 2)  # [grey levels]
FACTORS = (1.0, 10.0, 100.0, 1000.0)  # of the noise
FITTED_ON, TESTED_ON = 120, 60  # images
MARGIN = 32  # [px]

Restore = Callable[[Picture, Weights], Picture]


def main(words: Sequence[str]) -> None:
    """Measure each way on test images of each blur."""
    rows: list[Row] = []
    for blur, chosen in BLURS.items():
        for noise_sigma in NOISE_SIGMAS:
            settings = [*chosen, f"blur.noise_sigma={noise_sigma}", *words]
            mirrored, real = (open_folder([f"data.border={border}", *settings]) for border in ("symmetric", "real"))
            clean = WienerFilter.measured(*mirrored.fitting_images(FITTED_ON, mirrored.frame()))
            fitted = WienerFilter.measured(*real.fitting_images(FITTED_ON, real.frame()))
            test = blurred_pictures(real, TESTED_ON)
            is_even = method(test[2][0]) == "dct"
            rows.append(
                {
                    "blur": blur,
                    "noise": noise_sigma,
                    "blurred": mean_psnr(lambda picture, _: picture, *test),
                    **{
                        name: _best(ways, *test) if is_even or not name.startswith("DCT") else None
                        for name, ways in _ways(clean, fitted).items()
                    },
                }
            )
    tell("borders", "PSNR [dB] of linear filters with a real border, each with its best assumption of the noise", rows)


def _best(
    ways: Sequence[Restore], sharp: Sequence[EightBit], blurred: Sequence[EightBit], kernels: Sequence[Weights]
) -> float:
    return max(mean_psnr(way, sharp, blurred, kernels) for way in ways)


def _ways(clean: WienerFilter, fitted: WienerFilter) -> Mapping[str, Sequence[Restore]]:
    """Return the filters by name, one for each assumption of the noise: of a mirrored border, or with a real one."""
    both = [(known, factor) for known in (clean, fitted) for factor in FACTORS]
    return {
        "DCT, noise of a mirrored border": [partial(_by_dct, clean, factor) for factor in FACTORS],
        "DCT, noise measured with the border": [partial(_by_dct, fitted, factor) for factor in FACTORS],
        "FFT, border made in rounds": [partial(_by_fft, *each) for each in both],
        "FFT, edge taper": [partial(_tapered, *each, 0) for each in both],
        "FFT, mirrored margin and edge taper": [partial(_tapered, *each, MARGIN) for each in both],
    }


def _by_dct(known: WienerFilter, factor: float, picture: Picture, kernel: Weights) -> Picture:
    restored: Picture = known(picture, kernel, [factor])[0]
    return restored


def _by_fft(known: WienerFilter, factor: float, picture: Picture, kernel: Weights) -> Picture:
    return replace(known, fft_noise_factor=factor).by_fft(picture, kernel)


def _tapered(known: WienerFilter, factor: float, margin: int, picture: Picture, kernel: Weights) -> Picture:
    """Blend a picture near its border into its periodically blurred self, then filter it as a periodic one."""
    observed = np.pad(picture, margin, mode="symmetric").astype(np.float64)
    height, width = observed.shape
    response = transfer(kernel, height, width)
    share = np.outer(_inside(kernel.sum(axis=1), height), _inside(kernel.sum(axis=0), width))
    observed = share * observed + (1 - share) * filtered(observed, response)
    restored = filtered(observed, wiener_gain(response, known.power, known.noise, factor, height, width))
    return restored[margin : height - margin, margin : width - margin].astype(np.float32)


def _inside(profile: Weights, size: int) -> Weights:
    """Return 1 where the autocorrelation of a kernel's profile does not reach over the border, and 0 at it."""
    spectrum = np.abs(fft.rfft(profile, size - 1)) ** 2
    autocorrelation = fft.irfft(spectrum, size - 1)
    shares: Weights = 1 - np.append(autocorrelation, autocorrelation[0]) / autocorrelation.max()
    return shares


if __name__ == "__main__":
    main(sys.argv[1:])
