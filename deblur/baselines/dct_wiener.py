"""The optimal linear filter for a picture that is mirrored at its border."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import fft  # type: ignore[import-untyped] # it has no types

from deblur.baselines.base import GRAY_LEVELS, Baseline, EightBit, Picture, check_training_images, fitted
from deblur.baselines.fourier import restore_by_fft
from deblur.baselines.spectrum import PowerSpectrum, dct_frequencies
from deblur.baselines.tuning import climb, mean_psnr
from deblur.blur import Kernel, convolve
from deblur.blur.kernels import Weights

EVENNESS_TOLERANCE = 1e-7
"""Sum of the differences between a kernel and its mirror image up to which it counts as even: float32's precision."""

ROUNDING_POWER = 1 / 12 / GRAY_LEVELS**2
"""Variance of rounding to 8 bits. Sharp images hold no less of any frequency: they are rounded as well."""

LEAST_NOISE_POWER = (1e-4 / GRAY_LEVELS) ** 2
"""Where nothing was rounded, as by the identity kernel, this keeps the filter from dividing by 0."""

NOISE_SMOOTHING = 9
"""Width of the square of frequencies over which the noise is averaged: of a few images its spectrum is a rough one."""

USUAL_NOISE_FACTOR = 100.0
"""Where to begin the search for how much to exaggerate the noise for the Fourier transform, and what is used if no
training image has a kernel that needs one."""


class DctWiener(Baseline):
    """Wiener filter in the domain of the DCT-II.

    If a picture goes on beyond its border as its half-sample mirror image, and the kernel equals its mirror images top
    to bottom and left to right, then blurring multiplies each coefficient of the DCT-II with a number H of its own
    (the cosines are even about the mirrors, and only products of sines could mix them). With S the mean power of the
    sharp training images and s^2 that of the noise, no linear filter has a lower mean squared error than

        restored = IDCT(W DCT(blurred)),   W = H S / (H^2 S + s^2)

    where frequencies are taken to be uncorrelated. s^2 is the mean power of the difference between the blurred training
    images and the exactly blurred sharp ones: rounding (1/12 grey level^2 at all frequencies), noise and compression,
    which is not even (taken as such, results on JPEG files of quality 50 are 0.3 to 0.5 dB lower).

    Any other kernel, such as motion at an angle or one of another shape for each direction, falls back to
    `restore_by_fft`. That filter is not optimal: it gets the border only roughly right, and the power of the noise has
    to be exaggerated, by a factor tuned on training images.

    The filter is global and its strength rests on the exactly mirrored border. Of a photograph, whose scene goes on
    past its frame, it leaves much less. On crops of 64 px of real faces with a context of 64 px, box 7 falls from 29.2
    dB (mirrored) to 23.1 dB (real), and motion 15 from 32.1 to 20.2 dB; with noise of sigma 2, from 25.3 to 25.2 and
    from 25.9 to 22.1 dB. Fitted on pairs with a real border, s^2 includes what the border does.
    """

    name = "dct_wiener"
    images_to_fit = 200

    def __init__(self) -> None:
        """Begin without images."""
        self._power: PowerSpectrum | None = None
        self._noise: PowerSpectrum | None = None
        self._noise_factor = USUAL_NOISE_FACTOR
        self._methods: frozenset[str] = frozenset()

    def fit(self, sharp: Sequence[EightBit], blurred: Sequence[EightBit], kernels: Sequence[Weights]) -> None:
        """Measure spectrum and noise; tune the noise factor on the images that need a Fourier transform, if any."""
        check_training_images(sharp, blurred, kernels)
        height, width = Counter(image.shape for image in sharp).most_common(1)[0][0]
        differences = (
            picture - convolve(original, Kernel(kernel))
            for original, picture, kernel in zip(sharp, blurred, kernels, strict=True)
        )
        self._power = PowerSpectrum(sharp, (height, width), ROUNDING_POWER)
        self._noise = PowerSpectrum(differences, (height, width), LEAST_NOISE_POWER, NOISE_SMOOTHING)
        methods = [method(kernel) for kernel in kernels]
        self._methods = frozenset(methods)
        self._noise_factor = USUAL_NOISE_FACTOR
        uneven = [index for index, each in enumerate(methods) if each == "fft"]
        if uneven:
            self._noise_factor = self._tuned_factor(
                [sharp[index] for index in uneven],
                [blurred[index] for index in uneven],
                [kernels[index] for index in uneven],
            )

    def restore(self, blurred: Picture, kernel: Weights) -> Picture:
        """Restore a picture by the filter that its kernel allows."""
        if method(kernel) == "fft":
            return self._by_fft(blurred, kernel, self._noise_factor)
        response = eigenvalues(kernel, *blurred.shape)
        rows, columns = (dct_frequencies(size) for size in blurred.shape)
        power, noise = (spectrum.at(rows, columns) for spectrum in (fitted(self._power), fitted(self._noise)))
        gain = response * power / (response**2 * power + noise)
        restored: Weights = fft.idctn(gain * fft.dctn(blurred.astype(np.float64), norm="ortho"), norm="ortho")
        return restored.astype(np.float32)

    @property
    def settings(self) -> Mapping[str, float | int | str]:
        """Noise found in training images [grey levels], ways of working and, where one is `fft`, its noise factor."""
        noise_sigma = GRAY_LEVELS * fitted(self._noise).mean ** 0.5
        found: dict[str, float | int | str] = {
            "method": " and ".join(sorted(self._methods)),
            "noise_sigma": float(f"{noise_sigma:.4g}"),
        }
        if "fft" in self._methods:
            found["noise_factor"] = float(f"{self._noise_factor:.4g}")
        return found

    def _by_fft(self, blurred: Picture, kernel: Weights, noise_factor: float) -> Picture:
        picture = blurred.astype(np.float64)
        restored = restore_by_fft(picture, kernel, fitted(self._power), fitted(self._noise), noise_factor)
        return restored.astype(np.float32)

    def _tuned_factor(
        self, sharp: Sequence[EightBit], blurred: Sequence[EightBit], kernels: Sequence[Weights]
    ) -> float:
        def score(factor: float) -> float:
            return mean_psnr(lambda picture, kernel: self._by_fft(picture, kernel, factor), sharp, blurred, kernels)

        return climb(score, USUAL_NOISE_FACTOR, low=1.0, high=1e6, steps=(4.0, 2.0, 1.4))


def method(kernel: Weights) -> str:
    """Return how `DctWiener` restores what that kernel blurred: `dct` or `fft`.

    Point symmetry is not enough: motion at 45 degrees equals itself turned by 180 degrees, yet not its mirror image.
    """
    difference = max(np.abs(kernel - mirrored).sum() for mirrored in (kernel[::-1], kernel[:, ::-1]))
    return "dct" if difference <= EVENNESS_TOLERANCE else "fft"


def eigenvalues(kernel: Weights, height: int, width: int) -> Weights:
    """Return what blurring multiplies each DCT-II coefficient of a picture with.

    S. A. Martucci, "Symmetric convolution and the discrete sine and cosine transforms", IEEE Trans. Signal Process.
    1994.

    Args:
        kernel: Equal to its mirror images, and possibly larger than the picture.
        height: Of the picture [px].
        width: Of the picture [px].

    Returns:
        Shape (height, width), from -1 to 1; 1 for the mean.
    """
    vertical, horizontal = (_cosines(size, taps) for size, taps in zip((height, width), kernel.shape, strict=True))
    return vertical @ kernel @ horizontal.T


def _cosines(size: int, taps: int) -> Weights:
    """Return the cosine of each DCT frequency at each tap of a centred kernel, shape (size, taps)."""
    cosines: Weights = np.cos(np.pi * np.outer(dct_frequencies(size), np.arange(taps) - taps // 2))
    return cosines
