"""How a linear filter copes with a boundary that is not mirrored: `python -m studies.boundaries data.root=FACES`.

Each image is the middle of a larger one that was blurred as a whole, so that unknown pixels have come in over its
boundary. The filters know the kernel; those that assume more noise than there is leave less of what the boundary does.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from scipy import fft  # type: ignore[import-untyped] # it has no types

from benchmarks.images import blurred_images, open_folder
from benchmarks.results import Row, write_table
from deblur.blur.images import pad_symmetric
from deblur.blur.kernels import Psf
from deblur.wiener.filters import WienerFilter, filtered, method, transfer, wiener_gain
from deblur.wiener.images import ByteImage, UnitImage, mean_psnr
from deblur.wiener.spectra import PowerSpectrum

BLURS = {
    "gaussian": ["blur=gaussian"],
    "box": ["blur=box"],
    "motion": ["blur=motion"],
    "motion at 30 degrees": ["blur=motion", "blur.angle=30"],
    "camera shake": ["blur=trajectory"],
}
NOISE_SIGMAS = (0, 2)  # [gray levels]
FACTORS = (1.0, 10.0, 100.0, 1000.0)  # of the noise
FITTED_ON, TESTED_ON = 120, 60  # images
MARGIN = 32  # [px]

Restore = Callable[[UnitImage, Psf], UnitImage]


def main(overrides: Sequence[str]) -> None:
    """Measure each way on test images of each blur."""
    rows: list[Row] = []
    for blur, chosen in BLURS.items():
        for noise_sigma in NOISE_SIGMAS:
            settings = [*chosen, f"blur.noise_sigma={noise_sigma}", *overrides]
            mirrored, real = (
                open_folder([f"data.boundary={boundary}", *settings]) for boundary in ("symmetric", "valid")
            )
            clean = WienerFilter.measured(*mirrored.fitting_images(FITTED_ON, mirrored.crop()))
            fitted = WienerFilter.measured(*real.fitting_images(FITTED_ON, real.crop()))
            test = blurred_images(real, TESTED_ON)
            is_even = method(test[2][0]) == "dct"
            rows.append(
                {
                    "blur": blur,
                    "noise": noise_sigma,
                    "blurred": mean_psnr(lambda image, _: image, *test),
                    **{
                        name: _best(ways, *test) if is_even or not name.startswith("DCT") else None
                        for name, ways in _ways(clean, fitted).items()
                    },
                }
            )
    write_table(
        "boundaries",
        "PSNR [dB] of linear filters with a valid boundary, each with its best assumption of the noise",
        rows,
    )


def _best(
    ways: Sequence[Restore], sharp: Sequence[ByteImage], blurred: Sequence[ByteImage], kernels: Sequence[Psf]
) -> float:
    return max(mean_psnr(way, sharp, blurred, kernels) for way in ways)


def _ways(clean: WienerFilter, fitted: WienerFilter) -> Mapping[str, Sequence[Restore]]:
    """Return the filters by name, one for each assumption of the noise: of a symmetric boundary, or with a real one."""
    both = [(known, factor) for known in (clean, fitted) for factor in FACTORS]
    return {
        "DCT, noise of a symmetric boundary": [partial(_by_dct, clean, factor) for factor in FACTORS],
        "DCT, noise measured with the boundary": [partial(_by_dct, fitted, factor) for factor in FACTORS],
        "FFT, boundary made in rounds": [partial(_by_fft, *each) for each in both],
        "FFT, edge taper": [partial(_tapered, *each, 0) for each in both],
        "FFT, mirrored margin and edge taper": [partial(_tapered, *each, MARGIN) for each in both],
    }


def _by_dct(known: WienerFilter, factor: float, image: UnitImage, kernel: Psf) -> UnitImage:
    return replace(known, noise=PowerSpectrum(factor * known.noise.power))(image, kernel)


def _by_fft(known: WienerFilter, factor: float, image: UnitImage, kernel: Psf) -> UnitImage:
    return replace(known, fft_noise_scale=factor).by_fft(image, kernel)


def _tapered(known: WienerFilter, factor: float, margin: int, image: UnitImage, kernel: Psf) -> UnitImage:
    """Blend an image near its boundary into its periodically blurred self, then filter it as a periodic one."""
    observed = pad_symmetric(image, margin).astype(np.float64)
    height, width = observed.shape
    response = transfer(kernel, height, width)
    share = np.outer(_inside(kernel.sum(axis=1), height), _inside(kernel.sum(axis=0), width))
    observed = share * observed + (1 - share) * filtered(observed, response)
    restored = filtered(observed, wiener_gain(response, known.power, known.noise, factor, height, width))
    return restored[margin : height - margin, margin : width - margin].astype(np.float32)


def _inside(profile: Psf, size: int) -> Psf:
    """Return 1 if the autocorrelation of a kernel's profile does not reach over the boundary, and 0 at it."""
    spectrum = np.abs(fft.rfft(profile, size - 1)) ** 2
    autocorrelation = fft.irfft(spectrum, size - 1)
    shares: Psf = 1 - np.append(autocorrelation, autocorrelation[0]) / autocorrelation.max()
    return shares


if __name__ == "__main__":
    main(sys.argv[1:])
