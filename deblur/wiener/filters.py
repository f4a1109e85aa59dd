"""The Wiener filter of a known kernel: by DCT, optimal for a symmetric boundary, or by Fourier transform."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft  # type: ignore[import-untyped] # it has no types

from deblur.blur import Kernel, convolve
from deblur.blur.camera import ENCODED, Space
from deblur.blur.images import Extension, pad_symmetric
from deblur.blur.kernels import Psf
from deblur.wiener.images import GRAY_LEVELS, ByteImage, UnitImage, check_training_images, climb, mean_psnr
from deblur.wiener.noise import ROUNDING_POWER
from deblur.wiener.spectra import CircularSpectrum, PowerSpectrum, dct_frequencies

Spectrum = NDArray[np.complexfloating]
Pixels = NDArray[np.floating]
Method = Literal["dct", "fft"]

EVENNESS_TOLERANCE: Final = 1e-7  # sum of the differences of an even kernel from its mirror image: float32's precision
LEAST_NOISE_POWER: Final = (1e-4 / GRAY_LEVELS) ** 2  # keeps the filter from dividing by 0 if nothing was rounded
NOISE_SMOOTHING: Final = 9  # width of the square of frequencies over which the noise of a few images is averaged
KEPT_GAINS: Final = 8  # filters kept for the next image of the same kernel and size
LARGEST_KEPT: Final = 2**20  # pixels of an image up to which its filter is kept; a larger one is computed in parts

DEFAULT_NOISE_SCALE: Final = 100.0
"""Start of the search for the noise scale of the Fourier transform, and its value if no training image needs one."""

LEAST_MARGIN: Final = 64
"""Width of the mirrored margin [px], in which the image fades to its mean so that its two sides meet."""

BOUNDARY_ROUNDS: Final = 4
"""How often the margin is computed again; each round costs twice as much as the first restoration.

On five real faces, blurred by motion of 15 px at 45 degrees and rounded, 1, 2, 4 and 8 rounds reach 22.8, 23.7, 24.6
and 24.9 dB (margin of 32 px: 23.0, 23.7, 23.9 and 24.1), each with the best of three noise powers. A linear filter
with the exact boundary can do far better, 29 dB on two of them by 80 steps of conjugate gradients, but takes seconds
per image."""


@dataclass(frozen=True)
class WienerFilter:
    """A Wiener filter for images of any size and kernels of any shape.

    If the boundary of an image is symmetric (half-sample), and the kernel equals its mirror images top to bottom and
    left to right, then blurring multiplies each coefficient of the DCT-II by its own number H (the cosines are even
    about the mirrors, and only products of sines could mix them). With S the mean power of sharp images and s^2 that of
    the noise, no linear filter has a lower mean squared error than

        restored = IDCT(W DCT(blurred)),   W = H S / (H^2 S + s^2)

    if frequencies are assumed to be uncorrelated. Other kernels, such as motion at an angle, fall back to
    `restore_by_fft`. That filter is not optimal: its boundary is only approximate, and the power of the noise has to be
    exaggerated.

    If the boundary is circular, the Fourier transform takes the place of the DCT for every kernel: blurring multiplies
    each coefficient by its own complex number H, and no linear filter has a lower mean squared error than

        restored = IFFT(W FFT(blurred)),   W = conj(H) S / (|H|^2 S + s^2)

    Attributes:
        power: S, the expected power of sharp images; in linear light, divided by the tuned ratio of `measured`.
        noise: s^2, the expected power of the noise.
        fft_noise_scale: multiple of the noise that the Fourier transform assumes.
        boundary: how images continue; if it is circular, both spectra are of that kind and the noise scale is not used.
        space: in which images were blurred. Images and results are encoded; both spectra are of this space, each image
            divided by its contrast there. In linear light, signal and noise of a dark image are weaker alike: spectra
            of its brightness would need less smoothing in it than in others.
    """

    power: PowerSpectrum
    noise: PowerSpectrum
    fft_noise_scale: float = DEFAULT_NOISE_SCALE
    boundary: Extension = "symmetric"
    space: Space = ENCODED
    _gains: dict[tuple[bytes, tuple[int, ...], tuple[int, ...]], NDArray[np.float32]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def measured(
        cls,
        sharp: Sequence[ByteImage],
        blurred: Sequence[ByteImage],
        kernels: Sequence[Psf],
        boundary: Extension = "symmetric",
        space: Space = ENCODED,
    ) -> "WienerFilter":
        """Measure both spectra; tune the noise scale on the images that need a Fourier transform, if any.

        In linear light, the ratio of both spectra is tuned as well, on the images that are restored without
        approximation.

        The noise is the difference between the blurred training images and the exactly blurred sharp ones: rounding
        (1/12 gray level^2 at all frequencies), noise, compression, and the effect of a boundary that is not symmetric.
        It need not be white (if it is assumed to be, results on JPEG files of quality 50 are 0.3 to 0.5 dB lower).

        Args:
            sharp: training images, of any sizes; at least one.
            blurred: the same images degraded, rounded to 8 bits.
            kernels: of each image.
            boundary: how images continue beyond their boundary; symmetric also for a valid one.
            space: in which they were blurred.

        Raises:
            ValueError: if their numbers differ, there are none, or a pair differs in shape.
        """
        check_training_images(sharp, blurred, kernels)
        height, width = Counter(image.shape for image in sharp).most_common(1)[0][0]
        contrasts = [space.contrast(image) for image in blurred]
        lights, taken = (map(space.from_levels, images) for images in (sharp, blurred))
        differences = (
            _scaled(after - convolve(before, Kernel(kernel), boundary), contrast)
            for before, after, kernel, contrast in zip(lights, taken, kernels, contrasts, strict=True)
        )
        originals = map(_scaled, map(space.from_levels, sharp), contrasts)
        spectrum = CircularSpectrum if boundary == "circular" else PowerSpectrum
        power = spectrum.measured(originals, (height, width), ROUNDING_POWER)
        noise = spectrum.measured(differences, (height, width), LEAST_NOISE_POWER, NOISE_SMOOTHING)
        found = cls(power, noise, boundary=boundary, space=space)
        if boundary == "circular":
            found = replace(found, fft_noise_scale=1.0)
        triples = list(zip(sharp, blurred, kernels, strict=True))
        approximated = [one for one in triples if boundary != "circular" and method(one[2]) == "fft"]
        if space.linear and len(approximated) < len(triples):
            found = found._with_tuned_ratio(
                [one for one in triples if boundary == "circular" or method(one[2]) == "dct"]
            )
        return found._with_tuned_scale(approximated) if approximated else found

    def _with_tuned_scale(self, triples: Sequence[tuple[ByteImage, ByteImage, Psf]]) -> "WienerFilter":
        """Return the filter with the noise scale of the Fourier transform that scores highest on some images."""

        def score(factor: float) -> float:
            return mean_psnr(replace(self, fft_noise_scale=factor).by_fft, *zip(*triples, strict=True))

        factor = climb(score, DEFAULT_NOISE_SCALE, low=1.0, high=1e6, steps=(4.0, 2.0, 1.4))
        return replace(self, fft_noise_scale=factor)

    def _with_tuned_ratio(self, triples: Sequence[tuple[ByteImage, ByteImage, Psf]]) -> "WienerFilter":
        """Return the filter with the ratio of signal to noise that scores highest on some images, encoded again.

        In linear light, the least squared error is not the best result: encoding multiplies the errors of dark areas.
        The power of the signal is divided by the ratio: the filter depends on the ratio of signal and noise alone.
        """

        def scaled(factor: float) -> WienerFilter:
            return replace(self, power=type(self.power)(self.power.power / factor))

        def score(factor: float) -> float:
            return mean_psnr(scaled(factor), *zip(*triples, strict=True))

        return scaled(climb(score, 4.0, low=0.1, high=1e4, steps=(4.0, 2.0, 1.4)))

    def __call__(self, blurred: UnitImage, kernel: Psf) -> UnitImage:
        """Restore an image.

        Args:
            blurred: in [0, 1], shape (H, W); it may be smaller than the kernel.
            kernel: odd-sized, of sum 1.

        Returns:
            Shape (H, W), not clamped.
        """
        if self.boundary == "circular":
            return self._restored_circularly(blurred, kernel)
        if method(kernel) == "fft":
            return self.by_fft(blurred, kernel)
        # In float32, like the image: each array of 30 megapixels would take 240 MB in float64.
        coefficients = fft.dctn(self.space.from_encoded(blurred.astype(np.float32, copy=False)), norm="ortho")
        for top, gain in self._gains_by_rows(kernel, blurred.shape):
            coefficients[top : top + len(gain)] *= gain
        restored: UnitImage = fft.idctn(coefficients, norm="ortho", overwrite_x=True)
        return self.space.to_encoded(restored)

    def _restored_circularly(self, blurred: UnitImage, kernel: Psf) -> UnitImage:
        """Restore an image with a circular boundary, as `__call__` does."""
        image = self.space.from_encoded(blurred.astype(np.float32, copy=False))
        height, width = image.shape
        response = transfer(kernel, height, width).astype(np.complex64)
        restored = filtered(image, wiener_gain(response, self.power, self.noise, 1.0, height, width))
        return self.space.to_encoded(restored.astype(np.float32, copy=False))

    def _gains_by_rows(self, kernel: Psf, shape: tuple[int, ...]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the first row and the gains of some rows of DCT coefficients at a time.

        Small images have all rows at once, which are kept for the next image of the same size and kernel.
        """
        height, width = shape
        if height * width > LARGEST_KEPT:
            step = max(1, LARGEST_KEPT // width)
            for top in range(0, height, step):
                yield top, self._gain(kernel, (height, width), slice(top, min(top + step, height)))
            return
        key = (kernel.tobytes(), kernel.shape, shape)
        gain = self._gains.get(key)
        if gain is None:
            gain = self._gain(kernel, (height, width), slice(0, height))
            if len(self._gains) >= KEPT_GAINS:
                self._gains.clear()
            self._gains[key] = gain
        yield 0, gain

    def _gain(self, kernel: Psf, shape: tuple[int, int], rows: slice) -> NDArray[np.float32]:
        response = eigenvalues(kernel, *shape, rows).astype(np.float32)
        vertical, horizontal = (dct_frequencies(size) for size in shape)
        expected, disturbing = (
            each.at(vertical[rows], horizontal).astype(np.float32) for each in (self.power, self.noise)
        )
        blurred_power: NDArray[np.float32] = response * expected
        gain: NDArray[np.float32] = blurred_power / (response * blurred_power + disturbing)
        return gain

    def by_fft(self, blurred: UnitImage, kernel: Psf) -> UnitImage:
        """Restore an image by Fourier transform, whatever its kernel; shape (H, W)."""
        image = self.space.from_encoded(blurred.astype(np.float32, copy=False))
        restored = restore_by_fft(image, kernel, self.power, self.noise, self.fft_noise_scale)
        return self.space.to_encoded(restored.astype(np.float32, copy=False))


def _scaled(image: NDArray[np.uint8] | NDArray[np.float32], contrast: float) -> NDArray[np.uint8] | NDArray[np.float32]:
    return image if contrast == 1 else (image / np.float32(contrast)).astype(np.float32, copy=False)


def method(kernel: Psf) -> Method:
    """Return the method of `WienerFilter` for a kernel.

    Point symmetry is not enough: motion at 45 degrees equals itself turned by 180 degrees, yet not its mirror image.
    """
    difference = max(np.abs(kernel - mirrored).sum() for mirrored in (kernel[::-1], kernel[:, ::-1]))
    return "dct" if difference <= EVENNESS_TOLERANCE else "fft"


def eigenvalues(kernel: Psf, height: int, width: int, rows: slice = slice(None)) -> Psf:
    """Return the factor of each DCT-II coefficient of an image under blurring, from -1 to 1; 1 for the mean.

    S. A. Martucci, "Symmetric convolution and the discrete sine and cosine transforms", IEEE Trans. Signal Process.
    1994.

    Args:
        kernel: equal to its mirror images, and possibly larger than the image.
        height: of the image [px].
        width: of the image [px].
        rows: of the coefficients to return; by default all, (height, width).
    """
    vertical, horizontal = (_cosines(size, taps) for size, taps in zip((height, width), kernel.shape, strict=True))
    return vertical[rows] @ kernel @ horizontal.T


def _cosines(size: int, taps: int) -> Psf:
    """Return the cosine of each DCT frequency at each tap of a centered kernel, shape (size, taps)."""
    cosines: NDArray[np.float64] = np.cos(np.pi * np.outer(dct_frequencies(size), np.arange(taps) - taps // 2))
    return cosines


def restore_by_fft(
    blurred: Pixels, kernel: Psf, power: PowerSpectrum, noise: PowerSpectrum, noise_scale: float
) -> Pixels:
    """Restore an image by a Wiener filter on the padded image.

    The filter assumes a circular boundary, but the image was blurred with a symmetric one: without mirror symmetry of
    the kernel, the margin is not the mirror image of the blurred image. It is that at first, faded at its outer edge,
    and then, several times, the mirrored restored image blurred by the kernel.

    Args:
        blurred: in [0, 1], shape (H, W); float32 or float64 is the precision of the computation.
        kernel: of the blur.
        power: expected power of the sharp image.
        noise: expected power of the noise.
        noise_scale: multiple of the noise to assume; above 1 it also weakens artifacts of the boundary.

    Returns:
        The restored image, shape (H, W).
    """
    margins = [_margin(size, max(LEAST_MARGIN, *kernel.shape)) for size in blurred.shape]
    height, width = (size + 2 * margin for size, margin in zip(blurred.shape, margins, strict=True))
    inside = tuple(slice(margin, margin + size) for size, margin in zip(blurred.shape, margins, strict=True))
    response = transfer(kernel, height, width).astype(np.result_type(blurred.dtype, np.complex64))
    gain = wiener_gain(response, power, noise, noise_scale, height, width)

    observed = _faded(pad_symmetric(blurred, *margins), margins)
    restored = filtered(observed, gain)[inside]
    for _ in range(BOUNDARY_ROUNDS):
        observed = filtered(pad_symmetric(restored, *margins), response)
        observed[inside] = blurred
        restored = filtered(observed, gain)[inside]
    return restored


def transfer(kernel: Psf, height: int, width: int) -> Spectrum:
    """Return the Fourier transform of a centered kernel, of any size, shape (height, width // 2 + 1)."""
    periods = [-(-taps // size) for taps, size in zip(kernel.shape, (height, width), strict=True)]
    impulse = np.zeros((periods[0] * height, periods[1] * width))
    impulse[: kernel.shape[0], : kernel.shape[1]] = kernel
    # A kernel larger than the image covers the same pixels several times
    impulse = impulse.reshape(periods[0], height, periods[1], width).sum(axis=(0, 2))
    shift = (-(kernel.shape[0] // 2), -(kernel.shape[1] // 2))
    transformed: Spectrum = fft.rfft2(np.roll(impulse, shift, axis=(0, 1)))
    return transformed


def wiener_gain(
    response: Spectrum, power: PowerSpectrum, noise: PowerSpectrum, noise_scale: float, height: int, width: int
) -> Spectrum:
    """Return the factors of a Wiener filter for the Fourier transform of an image of height and width [px].

    Args:
        response: factors of the blur, from `transfer`.
        power: expected power of the sharp image.
        noise: expected power of the noise.
        noise_scale: multiple of the noise to assume.
        height: of the image [px].
        width: of the image [px].
    """
    blurred_power = np.square(np.abs(response))
    expected, disturbing = (each.at_fourier(height, width).astype(blurred_power.dtype) for each in (power, noise))
    blurred_power *= expected
    disturbing *= blurred_power.dtype.type(noise_scale)
    gain: Spectrum = np.conj(response) * (expected / (blurred_power + disturbing))
    return gain


def filtered(image: Pixels, gain: Spectrum) -> Pixels:
    """Return an image (circular boundary) with its Fourier transform multiplied by the factors."""
    result: Pixels = fft.irfft2(fft.rfft2(image) * gain, s=image.shape)
    return result


def _margin(size: int, least: int) -> int:
    """Return the width of a margin [px], at least `least`, for a size with a fast Fourier transform."""
    total = fft.next_fast_len(size + 2 * least, real=True)
    while (total - size) % 2:  # equally wide on both sides
        total = fft.next_fast_len(total + 1, real=True)
    return int(total - size) // 2


def _faded(padded: Pixels, margins: Sequence[int]) -> Pixels:
    """Fade the margins of an image into its mean: a circular boundary has no step."""
    ramps = [np.sin(np.linspace(0, np.pi / 2, margin)) ** 2 for margin in margins]
    rows, columns = (
        np.concatenate([ramp, np.ones(size - 2 * len(ramp)), ramp[::-1]]).astype(padded.dtype)
        for size, ramp in zip(padded.shape, ramps, strict=True)
    )
    mean = padded.mean()
    faded: Pixels = mean + (padded - mean) * np.outer(rows, columns)
    return faded
