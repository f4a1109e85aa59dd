"""The Wiener filter for an image whose blur is known: the best linear one where the boundary is the mirrored one."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft  # type: ignore[import-untyped] # it has no types

from deblur.blur import Kernel, convolve
from deblur.blur.kernels import Psf
from deblur.wiener.fft import restore_by_fft
from deblur.wiener.images import GRAY_LEVELS, ByteImage, UnitImage, check_training_images
from deblur.wiener.spectra import PowerSpectrum, dct_frequencies
from deblur.wiener.tuning import climb, mean_psnr

EVENNESS_TOLERANCE = 1e-7
"""Sum of the differences between a kernel and its mirror image up to which it counts as even: float32's precision."""

ROUNDING_POWER = 1 / 12 / GRAY_LEVELS**2
"""Variance of rounding to 8 bits. Sharp images hold no less of any frequency: they are rounded as well."""

LEAST_NOISE_POWER = (1e-4 / GRAY_LEVELS) ** 2
"""Where nothing was rounded, as by the identity kernel, this keeps the filter from dividing by 0."""

NOISE_SMOOTHING = 9
"""Width of the square of frequencies over which the noise is averaged: of a few images its spectrum is a rough one."""

MEDIAN_OF_NORMAL = 0.6745
"""Median of the absolute value of a normal variable of standard deviation 1."""

DEFAULT_NOISE_SCALE = 100.0
"""Where to begin the search for how much to exaggerate the noise for the Fourier transform, and what is used if no
training image has a kernel that needs one."""

KEPT_GAINS = 8
"""How many filters are kept for the next image of the same kernel and size."""

LARGEST_KEPT = 2**20
"""Pixels of an image up to which its filter is kept; that of a larger one is made a part at a time."""

Method = Literal["dct", "fft"]


@dataclass(frozen=True)
class WienerFilter:
    """A Wiener filter for images of any size and kernels of any shape.

    If an image goes on beyond its boundary as its half-sample mirror image, and the kernel equals its mirror images top
    to bottom and left to right, then blurring multiplies each coefficient of the DCT-II with a number H of its own
    (the cosines are even about the mirrors, and only products of sines could mix them). With S the mean power of sharp
    images and s^2 that of the noise, no linear filter has a lower mean squared error than

        restored = IDCT(W DCT(blurred)),   W = H S / (H^2 S + s^2)

    where frequencies are taken to be uncorrelated. Any other kernel, such as motion at an angle or one of another shape
    for each direction, falls back to `restore_by_fft`. That filter is not optimal: it gets the boundary only roughly
    right, and the power of the noise has to be exaggerated.

    Attributes:
        power: S, what to expect of sharp images.
        noise: s^2, what to expect of the noise; where it is estimated, what to expect beyond white noise.
        fft_noise_scale: how much more noise is assumed by the Fourier transform; where it is estimated, how many times
            that of rounding comes on top.
        estimate_noise: whether the white noise of each image is estimated from it.
    """

    power: PowerSpectrum
    noise: PowerSpectrum
    fft_noise_scale: float = DEFAULT_NOISE_SCALE
    estimate_noise: bool = False
    _gains: dict[tuple[bytes, tuple[int, ...], tuple[int, ...], float], NDArray[np.float32]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def measured(
        cls,
        sharp: Sequence[ByteImage],
        blurred: Sequence[ByteImage],
        kernels: Sequence[Psf],
        estimate_noise: bool = False,
    ) -> "WienerFilter":
        """Measure both spectra; tune the noise scale on the images that need a Fourier transform, if any.

        The noise is the difference between the blurred training images and the exactly blurred sharp ones: rounding
        (1/12 gray level^2 at all frequencies), noise, compression, and what came in over a boundary that is not
        mirrored. It need not be even over the frequencies (taken as such, results on JPEG files of quality 50 are 0.3
        to 0.5 dB lower).

        Args:
            sharp: Training images, of any sizes; at least one.
            blurred: The same ones degraded, rounded to 8 bits.
            kernels: What each was blurred with.
            estimate_noise: Whether the white noise of each image is to be estimated from it.

        Raises:
            ValueError: The three are not of the same, positive length, or a pair differs in shape.
        """
        check_training_images(sharp, blurred, kernels)
        height, width = Counter(image.shape for image in sharp).most_common(1)[0][0]
        differences = (
            decoded - convolve(original, Kernel(kernel))
            for original, decoded, kernel in zip(sharp, blurred, kernels, strict=True)
        )
        power = PowerSpectrum.measured(sharp, (height, width), ROUNDING_POWER)
        noise = PowerSpectrum.measured(differences, (height, width), LEAST_NOISE_POWER, NOISE_SMOOTHING)
        if estimate_noise:
            white = np.mean([white_noise(decoded.astype(np.float32) / GRAY_LEVELS) for decoded in blurred])
            noise = noise.changed(-float(white), LEAST_NOISE_POWER)
        found = cls(power, noise, estimate_noise=estimate_noise)
        uneven = [index for index, kernel in enumerate(kernels) if method(kernel) == "fft"]
        if not uneven:
            return found
        return found.tuned(
            [sharp[index] for index in uneven],
            [blurred[index] for index in uneven],
            [kernels[index] for index in uneven],
        )

    def tuned(self, sharp: Sequence[ByteImage], blurred: Sequence[ByteImage], kernels: Sequence[Psf]) -> "WienerFilter":
        """Return the filter with the noise scale of the highest mean PSNR by Fourier transform."""

        def score(factor: float) -> float:
            def restore(image: UnitImage, kernel: Psf) -> UnitImage:
                return replace(self, fft_noise_scale=factor).by_fft(image, kernel)

            return mean_psnr(restore, sharp, blurred, kernels)

        factor = climb(score, DEFAULT_NOISE_SCALE, low=1.0, high=1e6, steps=(4.0, 2.0, 1.4))
        return replace(self, fft_noise_scale=factor)

    def __call__(self, blurred: UnitImage, kernel: Psf, noise_scales: Sequence[float] = (1.0,)) -> UnitImage:
        """Restore an image once for each of several powers of the noise.

        Args:
            blurred: In [0, 1], shape (H, W); it may be smaller than the kernel.
            kernel: What it was blurred with, odd-sized, of sum 1.
            noise_scales: How much more noise to assume than was measured: above 1 for a softer result with less noise.

        Returns:
            Shape (len(noise_scales), H, W), not clamped.
        """
        if method(kernel) == "fft":
            return np.stack([self.by_fft(blurred, kernel, factor) for factor in noise_scales])
        # In float32, like the image: of 30 megapixels each array in float64 would take 240 MB.
        noise = self.noise.changed(white_noise(blurred), LEAST_NOISE_POWER) if self.estimate_noise else self.noise
        coefficients = fft.dctn(blurred.astype(np.float32, copy=False), norm="ortho")
        restored = np.empty((len(noise_scales), *blurred.shape), np.float32)
        for plane, factor in zip(restored, noise_scales, strict=True):
            for top, gain in self._gains_by_rows(kernel, blurred.shape, noise, factor):
                rows = slice(top, top + len(gain))
                np.multiply(coefficients[rows], gain, out=plane[rows])
            plane[:] = fft.idctn(plane, norm="ortho", overwrite_x=True)
        return restored

    def _gains_by_rows(
        self, kernel: Psf, shape: tuple[int, ...], noise: PowerSpectrum, noise_scale: float
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield what the coefficients of the DCT are multiplied with, some rows at a time, and where these begin.

        Small images have all rows at once, which are kept for the next image of the same size and kernel, unless
        each has a noise of its own.
        """
        height, width = shape
        if height * width > LARGEST_KEPT or self.estimate_noise:
            step = max(1, LARGEST_KEPT // width)
            for top in range(0, height, step):
                rows = slice(top, min(top + step, height))
                yield top, self._gain(kernel, (height, width), rows, noise, noise_scale)
            return
        key = (kernel.tobytes(), kernel.shape, shape, noise_scale)
        gain = self._gains.get(key)
        if gain is None:
            gain = self._gain(kernel, (height, width), slice(0, height), noise, noise_scale)
            if len(self._gains) >= KEPT_GAINS:
                self._gains.clear()
            self._gains[key] = gain
        yield 0, gain

    def _gain(
        self, kernel: Psf, shape: tuple[int, int], rows: slice, noise: PowerSpectrum, noise_scale: float
    ) -> NDArray[np.float32]:
        response = eigenvalues(kernel, *shape, rows).astype(np.float32)
        vertical, horizontal = (dct_frequencies(size) for size in shape)
        expected, disturbing = (each.at(vertical[rows], horizontal).astype(np.float32) for each in (self.power, noise))
        blurred_power = response * expected
        gain: NDArray[np.float32] = blurred_power / (response * blurred_power + np.float32(noise_scale) * disturbing)
        return gain

    def by_fft(self, blurred: UnitImage, kernel: Psf, noise_scale: float = 1.0) -> UnitImage:
        """Restore an image by Fourier transform, whatever its kernel; shape (H, W)."""
        noise = self.noise
        if self.estimate_noise:  # what the boundary leaves is the less to be heard, the more noise there is
            noise = noise.changed(white_noise(blurred) + self.fft_noise_scale * ROUNDING_POWER, LEAST_NOISE_POWER)
        else:
            noise_scale = noise_scale * self.fft_noise_scale
        image = blurred.astype(np.float32, copy=False)
        return restore_by_fft(image, kernel, self.power, noise, noise_scale).astype(np.float32, copy=False)


def white_noise(image: UnitImage) -> float:
    """Estimate the variance of the white noise of an image, that of rounding to 8 bits at least.

    Of the finest diagonal differences most hold nothing but noise, the more so in a blurred image, and their median
    does not heed the rest: D. Donoho and I. Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika
    81(3), 1994, section 2.5.

    Args:
        image: In [0, 1], shape (H, W); of one row or column, only rounding is assumed.
    """
    height, width = (size - size % 2 for size in image.shape)
    levels = np.rint(image[:height, :width] * GRAY_LEVELS).astype(np.int32)
    differences = levels[::2, ::2] + levels[1::2, 1::2] - levels[1::2, ::2] - levels[::2, 1::2]
    if differences.size == 0:
        return ROUNDING_POWER
    # Whole numbers: their median is that of a histogram, else all weak noise would have one of two strengths.
    counts = np.bincount(np.abs(differences).ravel())
    upto = np.cumsum(counts)
    middle = int(np.searchsorted(upto, upto[-1] / 2))
    low, high = max(middle - 0.5, 0), middle + 0.5
    median = high - (upto[middle] - upto[-1] / 2) / counts[middle] * (high - low)
    deviation = median / 2 / MEDIAN_OF_NORMAL / GRAY_LEVELS
    return float(max(deviation**2, ROUNDING_POWER))


def method(kernel: Psf) -> Method:
    """Return how `WienerFilter` restores what that kernel blurred.

    Point symmetry is not enough: motion at 45 degrees equals itself turned by 180 degrees, yet not its mirror image.
    """
    difference = max(np.abs(kernel - mirrored).sum() for mirrored in (kernel[::-1], kernel[:, ::-1]))
    return "dct" if difference <= EVENNESS_TOLERANCE else "fft"


def eigenvalues(kernel: Psf, height: int, width: int, rows: slice = slice(None)) -> Psf:
    """Return what blurring multiplies each DCT-II coefficient of an image with.

    S. A. Martucci, "Symmetric convolution and the discrete sine and cosine transforms", IEEE Trans. Signal Process.
    1994.

    Args:
        kernel: Equal to its mirror images, and possibly larger than the image.
        height: Of the image [px].
        width: Of the image [px].
        rows: Of the coefficients, which are wanted.

    Returns:
        Shape (height, width) where all rows are wanted, from -1 to 1; 1 for the mean.
    """
    vertical, horizontal = (_cosines(size, taps) for size, taps in zip((height, width), kernel.shape, strict=True))
    return vertical[rows] @ kernel @ horizontal.T


def _cosines(size: int, taps: int) -> Psf:
    """Return the cosine of each DCT frequency at each tap of a centered kernel, shape (size, taps)."""
    cosines: NDArray[np.float64] = np.cos(np.pi * np.outer(dct_frequencies(size), np.arange(taps) - taps // 2))
    return cosines
