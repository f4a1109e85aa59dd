"""Mean power spectra of training images and of noise."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage  # type: ignore[import-untyped] # it has no types

from deblur.blur.kernels import Psf
from deblur.wiener.images import GRAY_LEVELS


@dataclass(frozen=True, eq=False)
class PowerSpectrum:
    """The mean power of images at each frequency of the orthonormal DCT-II.

    For a stationary texture this power does not depend on the image's size, except that of the mean, which the filters
    keep: a spectrum serves images of other sizes as well.

    Attributes:
        power: for images in [0, 1], above 0, of the frequencies of a DCT-II of that shape (H, W).
    """

    power: Psf

    @classmethod
    def measured(
        cls,
        images: Iterable[NDArray[np.uint8] | NDArray[np.float32]],
        shape: tuple[int, int],
        least: float,
        smoothing: int = 1,
    ) -> Self:
        """Average over images.

        Args:
            images: in gray levels; at least one.
            shape: height and width of the spectrum [px]; those of images of other shapes are interpolated.
            least: lower limit of the power, for images in [0, 1]; above 0.
            smoothing: width of a square of frequencies to average over.
        """
        total = np.zeros(shape)
        count = 0
        for image in images:
            total += cls._of_shape(cls._of_image(image / GRAY_LEVELS), shape)
            count += 1
        return cls(np.maximum(cls._smoothed(total / count, smoothing), least))

    @property
    def mean(self) -> float:
        """The power of a pixel: the mean over all frequencies."""
        return float(self.power.mean())

    def at(self, rows: Psf, columns: Psf) -> Psf:
        """Interpolate the power on a log scale, since it spans many orders of magnitude.

        Args:
            rows: vertical frequencies, shape (R,), in 0..1 for up to half a cycle per px.
            columns: horizontal frequencies, shape (C,).

        Returns:
            Power for images in [0, 1], shape (R, C), above 0.
        """
        height, width = self.power.shape
        if np.array_equal(rows, dct_frequencies(height)) and np.array_equal(columns, dct_frequencies(width)):
            return self.power
        return np.exp(_interpolated(np.log(self.power), rows, columns))

    def at_fourier(self, height: int, width: int) -> Psf:
        """Return the power at the frequencies of `scipy.fft.rfft2` for an image, shape (height, width // 2 + 1)."""
        return self.at(2 * np.abs(fft.fftfreq(height)), 2 * fft.rfftfreq(width))

    @staticmethod
    def _of_image(image: NDArray[np.floating]) -> Psf:
        """Return the power of an image in [0, 1] at each frequency."""
        power: Psf = fft.dctn(image, norm="ortho") ** 2
        return power

    @staticmethod
    def _of_shape(power: Psf, shape: tuple[int, int]) -> Psf:
        """Interpolate the power of an image at the frequencies of another shape."""
        if power.shape == shape:
            return power
        return _interpolated(power, *(dct_frequencies(size) for size in shape))

    @staticmethod
    def _smoothed(power: Psf, width: int) -> Psf:
        """Average over a square of frequencies."""
        smooth: Psf = ndimage.uniform_filter(power, width, mode="nearest")
        return smooth


@dataclass(frozen=True, eq=False)
class CircularSpectrum(PowerSpectrum):
    """The mean power of images with a circular boundary at each frequency of the orthonormal Fourier transform.

    Unlike that of the DCT-II, it distinguishes the two diagonals.

    Attributes:
        power: for images in [0, 1], above 0, of the frequencies of `scipy.fft.fft2` for that shape (H, W).
    """

    def at(self, rows: Psf, columns: Psf) -> Psf:
        """Interpolate the power on a log scale, periodically.

        Args:
            rows: vertical frequencies, shape (R,) [cycles per px].
            columns: horizontal frequencies, shape (C,).
        """
        height, width = self.power.shape
        if np.array_equal(rows, fft.fftfreq(height)) and np.array_equal(columns, fft.rfftfreq(width)):
            return self.power[:, : len(columns)]
        return np.exp(_interpolated_periodically(np.log(self.power), rows, columns))

    def at_fourier(self, height: int, width: int) -> Psf:
        """Return the power at the frequencies of `scipy.fft.rfft2` for an image, shape (height, width // 2 + 1)."""
        return self.at(fft.fftfreq(height), fft.rfftfreq(width))

    @staticmethod
    def _of_image(image: NDArray[np.floating]) -> Psf:
        power: Psf = np.abs(fft.fft2(image, norm="ortho")) ** 2
        return power

    @staticmethod
    def _of_shape(power: Psf, shape: tuple[int, int]) -> Psf:
        if power.shape == shape:
            return power
        return _interpolated_periodically(power, *(fft.fftfreq(size) for size in shape))

    @staticmethod
    def _smoothed(power: Psf, width: int) -> Psf:
        smooth: Psf = ndimage.uniform_filter(power, width, mode="wrap")
        return smooth


def dct_frequencies(size: int) -> Psf:
    """Return the frequencies of a DCT-II of that size, in 0..1 for up to half a cycle per px."""
    return np.arange(size) / size


def _interpolated(values: Psf, rows: Psf, columns: Psf) -> Psf:
    """Interpolate values on the frequencies of a DCT-II linearly at other frequencies; the last value extends.

    One axis after the other: at once it would take four times the memory of a large image.
    """
    for axis, wanted in enumerate((rows, columns)):
        size = values.shape[axis]
        place = np.clip(wanted * size, 0, size - 1)
        below = np.minimum(place.astype(np.intp), max(size - 2, 0))
        weight = (place - below).reshape(-1, *[1] * (1 - axis))
        lower, upper = values.take(below, axis), values.take(np.minimum(below + 1, size - 1), axis)
        values = lower + (upper - lower) * weight
    return values


def _interpolated_periodically(values: Psf, rows: Psf, columns: Psf) -> Psf:
    """Interpolate values on the frequencies of a Fourier transform linearly at other frequencies [cycles per px]."""
    for axis, wanted in enumerate((rows, columns)):
        size = values.shape[axis]
        place = (wanted % 1) * size
        below = place.astype(np.intp)
        weight = (place - below).reshape(-1, *[1] * (1 - axis))
        lower, upper = values.take(below % size, axis), values.take((below + 1) % size, axis)
        values = lower + (upper - lower) * weight
    return values
