"""Mean power spectra of training images: how much to expect of each frequency, of the images and of the noise."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage  # type: ignore[import-untyped] # it has no types

from deblur.blur.kernels import Psf
from deblur.wiener.images import GRAY_LEVELS


class PowerSpectrum:
    """The mean power of images at each frequency of the orthonormal DCT-II.

    For a stationary texture this power does not depend on the image's size, except that of the mean, which every
    filter of this room keeps as it is. So a spectrum serves images of other sizes than those it was taken from.
    """

    def __init__(self, power: Psf) -> None:
        """Take powers that were measured before.

        Args:
            power: For images in [0, 1], above 0, of the frequencies of a DCT-II of that shape (H, W).
        """
        self.power = power

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
            images: In gray levels; at least one.
            shape: Height and width whose frequencies are kept [px]; those of images of other shapes are interpolated.
            least: Power below which none is taken to be, for images in [0, 1]; above 0.
            smoothing: Width of a square of frequencies to average over.
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
        """Return the spectrum with as much more or less power at each frequency.

        Args:
            by: Power of a pixel to add, below 0 to take away, for images in [0, 1].
            least: Power below which none is taken to be, above 0.
        """
        return PowerSpectrum(np.maximum(self.power + by, least))

    @property
    def mean(self) -> float:
        """The power of a pixel: that of all frequencies on average."""
        return float(self.power.mean())

    def at(self, rows: Psf, columns: Psf) -> Psf:
        """Interpolate the power, evenly on a log scale, for it spans many orders of magnitude.

        Args:
            rows: Vertical frequencies in 0..1, 1 being the highest there is, half a cycle per px; shape (R,).
            columns: Horizontal frequencies, shape (C,).

        Returns:
            Power for images in [0, 1], shape (R, C), above 0.
        """
        height, width = self.power.shape
        if np.array_equal(rows, dct_frequencies(height)) and np.array_equal(columns, dct_frequencies(width)):
            return self.power
        return np.exp(_interpolated(np.log(self.power), rows, columns))


def dct_frequencies(size: int) -> Psf:
    """Return the frequencies of a DCT-II of that size, as parts of the highest one, half a cycle per px."""
    return np.arange(size) / size


def _interpolated(values: Psf, rows: Psf, columns: Psf) -> Psf:
    """Interpolate values on the frequencies of a DCT-II, linearly, at other frequencies; beyond them the last goes on.

    One axis after the other: at once it would take four times the memory of a large image.
    """
    for axis, wanted in enumerate((rows, columns)):
        size = values.shape[axis]
        place = np.clip(wanted * size, 0, size - 1)
        below = np.minimum(place.astype(np.intp), max(size - 2, 0))
        share = (place - below).reshape(-1, *[1] * (1 - axis))
        lower, upper = values.take(below, axis), values.take(np.minimum(below + 1, size - 1), axis)
        values = lower + (upper - lower) * share
    return values
