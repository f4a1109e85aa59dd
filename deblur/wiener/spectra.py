"""Mean power spectra of training images and of noise."""

from collections.abc import Iterable
from dataclasses import dataclass

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
    ) -> "PowerSpectrum":
        """Average over images.

        Args:
            images: in gray levels; at least one.
            shape: height and width of the spectrum [px]; those of images of other shapes are interpolated.
            least: lower limit of the power, for images in [0, 1]; above 0.
            smoothing: width of a square of frequencies to average over.
        """
        rows, columns = (dct_frequencies(size) for size in shape)
        total = np.zeros(shape)
        count = 0
        for image in images:
            power = fft.dctn(image / GRAY_LEVELS, norm="ortho") ** 2
            total += power if power.shape == shape else _interpolated(power, rows, columns)
            count += 1
        smooth = ndimage.uniform_filter(total / count, smoothing, mode="nearest")
        return cls(np.maximum(smooth, least))

    def changed(self, by: float, least: float) -> "PowerSpectrum":
        """Return the spectrum with the power of a pixel `by` added to each frequency, at least `least`."""
        return PowerSpectrum(np.maximum(self.power + by, least))

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
