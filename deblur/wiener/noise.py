"""Estimates of the white noise of one blurred image, with and without knowledge of its kernel."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft  # type: ignore[import-untyped] # it has no types

from deblur.blur.kernels import Psf
from deblur.wiener.images import GRAY_LEVELS, UnitImage

Pixels = NDArray[np.float32]
Values = NDArray[np.float64]

ROUNDING_POWER: Final = 1 / 12 / GRAY_LEVELS**2  # variance of rounding to 8 bits; sharp images are rounded as well
MEDIAN_OF_NORMAL: Final = 0.6745  # of the absolute value of a normal variable of standard deviation 1

BLOCK_SIDES: Final = ((128, 64), (56, 32), (32, 16))
"""Shorter side of an image from which on blocks of a side are used, both [px]: at least nine blocks."""

MOST_BLOCKS_PER_AXIS: Final = 24  # a larger image is sampled at this many places, evenly
CLIPPED_FRACTION: Final = 0.02  # of the pixels of a block, at 0 or 1, up to which their missing noise hardly counts
LEAST_KEPT: Final = 0.25  # fraction of the blocks that are used even if all are clipped

WEAK_FRACTION: Final = 0.03  # of the frequencies, those that the kernel weakens most, which have to show the noise
WEAK_RESPONSE: Final = 0.02
"""|K|^2 that the kernel must not exceed on the weak frequencies, or the noise cannot be separated from fine texture.

Gaussians of at least 0.6 px, motion of at least about 2 px and disks of at least 1 px are below. At a gaussian of 0.55
px, which leaves 0.05, the estimates for eight photographs with noise of 1 gray level were 11 to 42 % too low."""

LOWEST_FREQUENCY: Final = 2.0  # [cycles per block]; below, the window mixes frequencies with the mean
KNOTS: Final = 12  # of the logarithm of the radial frequency
HARMONICS: Final = 2  # of the orientation: cos and sin of 2 and of 4 times the angle
SMOOTHNESS: Final = 30.0  # penalty on squared second differences of the logarithm of the spectrum along the knots
ISOTROPY: Final = 1.0  # penalty on squared amplitudes of the harmonics

ITERATIONS: Final = 25  # Fisher scoring; a photograph takes about 8
TOLERANCE: Final = 1e-3  # decrease of the negative log-likelihood at which the fit ends
SHORTEST_STEP: Final = 1e-3  # of a step that is halved until the likelihood rises
LEAST_INFORMATION: Final = 1e-6  # on the diagonal, for coefficients that no frequency determines
LARGEST_LOG: Final = 40.0  # limit of logarithms of powers, so that no trial step overflows
LEAST_POWER: Final = 1e-12  # relative to the mean power: keeps logarithms finite for frequencies without any power


def noise_power(blurred: UnitImage, kernel: Psf) -> float:
    """Estimate the variance of the white noise of a blurred image whose kernel is known.

    Where the kernel lets hardly anything pass, the blurred image holds only noise, however textured the scene is. The
    expected power at a frequency f is modeled as

        M(f) = S(f) B(f) + n

    S is the power spectrum of the sharp scene, B the response |K|^2 of the kernel as blocks see it, n the variance of
    the noise. log S is a smooth function of the logarithm of the radial frequency, with a few harmonics of the
    orientation. S and n maximize the likelihood of the measured power P, penalized for roughness of log S:

        sum over f of -(log M(f) + P(f) / M(f))

    (P. Whittle, "Estimation and information in stationary time series", Arkiv foer Matematik 2, 1953). P is averaged
    over overlapping blocks under a window (P. Welch, "The use of fast Fourier transform for the estimation of power
    spectra", IEEE Trans. Audio and Electroacoustics 15(2), 1967), so that nothing is assumed beyond the boundary of
    the image. Blocks with clipped pixels, which have lost noise, are left out as far as others remain. On photographs
    under kernels that blur as much as a gaussian of 0.7 px, with noise of 1 to 13 gray levels, more than 99 % of the
    standard deviations are within 10 % (`studies/noise_estimate.py`).

    The estimate includes the rounding of the image, `ROUNDING_POWER` for 8 bits, but has no lower limit: it is about 0
    for a constant image, and for some images below 128 px with hardly any noise. The noise must be white and the same
    everywhere: coarser noise, such as that of demosaiced or resized images, and errors of the kernel are not seen,
    since they lie at other frequencies. The scale of the kernel does not matter.

    If the kernel hardly blurs (`WEAK_RESPONSE`), or the shorter side is below 32 px, the result is that of
    `white_noise`, at least `ROUNDING_POWER`.

    Args:
        blurred: in [0, 1], shape (H, W).
        kernel: of the blur.

    Returns:
        The variance, for images in [0, 1].

    Raises:
        ValueError: if the image does not have two dimensions.
    """
    if blurred.ndim != 2:
        raise ValueError(f"The image must have the shape (H, W), not {blurred.shape}: estimate each channel by itself.")
    side = next((block for least, block in BLOCK_SIDES if min(blurred.shape) >= least), None)
    if side is None:
        return white_noise(blurred)
    response = block_response(kernel, side)
    if np.quantile(response, WEAK_FRACTION) > WEAK_RESPONSE:
        return white_noise(blurred)
    basis = _basis(side)
    power = block_power(blurred, side)[basis.used]
    scale = float(power.mean())
    if scale == 0:
        return 0.0
    return scale * _fitted_noise(power / scale + LEAST_POWER, np.maximum(response[basis.used], LEAST_POWER), basis)


def block_power(image: UnitImage, side: int) -> Values:
    """Return the mean power of square blocks that overlap by half, that of white noise being its variance.

    Args:
        image: in [0, 1], shape (H, W), neither below `side`.
        side: of the blocks [px].

    Returns:
        The power at the frequencies of `scipy.fft.rfft2`, shape (side, side // 2 + 1).
    """
    window = _window(side)
    plane = np.outer(window, window).astype(np.float32)
    rows, columns = (_starts(size, side) for size in image.shape)
    blocks: Pixels = np.stack([image[top : top + side, left : left + side] for top in rows for left in columns])
    blocks = blocks[_unclipped(blocks)].astype(np.float32, copy=False)
    means = np.tensordot(blocks, plane / plane.sum(), 2)[:, None, None]
    spectra = fft.rfft2((blocks - means) * plane)
    power: Values = np.mean(np.square(spectra.real) + np.square(spectra.imag), axis=0, dtype=np.float64)
    return power


def block_response(kernel: Psf, side: int) -> Values:
    """Return the expected power of blocks of blurred white noise of variance 1, in the form of `block_power`.

    The window spreads |K|^2 over neighboring frequencies, which fills its zeros. It multiplies the autocorrelation of
    the kernel by its own. The sum of the kernel is scaled to 1.
    """
    taps = [2 * size - 1 for size in kernel.shape]
    transformed = fft.rfft2(kernel / kernel.sum(), taps)
    correlation = fft.fftshift(fft.irfft2(np.square(np.abs(transformed)), taps))
    window = _window(side)
    overlap = np.correlate(window, window, "full")
    waves = []
    for frequencies, size in zip((fft.fftfreq(side), fft.rfftfreq(side)), kernel.shape, strict=True):
        lags = np.arange(1 - size, size)
        seen = np.where(np.abs(lags) < side, overlap[np.clip(lags + side - 1, 0, 2 * side - 2)], 0)
        waves.append(seen * np.exp(-2j * np.pi * np.outer(frequencies, lags)))
    response: Values = (waves[0] @ correlation @ waves[1].T).real
    return response


def white_noise(image: UnitImage) -> float:
    """Estimate the variance of the white noise of an image, at least that of rounding to 8 bits.

    Most of the finest diagonal differences hold only noise, especially in a blurred image, and their median ignores the
    others: D. Donoho and I. Johnstone, "Ideal spatial adaptation by wavelet shrinkage", Biometrika 81(3), 1994, section
    2.5.

    Args:
        image: in [0, 1], shape (H, W); for one row or column, only rounding is assumed.
    """
    height, width = (size - size % 2 for size in image.shape)
    levels = np.rint(image[:height, :width] * GRAY_LEVELS).astype(np.int32)
    differences = levels[::2, ::2] + levels[1::2, 1::2] - levels[1::2, ::2] - levels[::2, 1::2]
    if differences.size == 0:
        return ROUNDING_POWER
    # The differences are whole numbers: without a median within the histogram's bin, weak noise had two strengths only.
    counts = np.bincount(np.abs(differences).ravel())
    upto = np.cumsum(counts)
    middle = int(np.searchsorted(upto, upto[-1] / 2))
    low, high = max(middle - 0.5, 0), middle + 0.5
    median = high - (upto[middle] - upto[-1] / 2) / counts[middle] * (high - low)
    deviation = median / 2 / MEDIAN_OF_NORMAL / GRAY_LEVELS
    return float(max(deviation**2, ROUNDING_POWER))


def _window(side: int) -> Values:
    """Return a Hann window, (side,), of which the sum of squares is 1."""
    window = np.square(np.sin(np.pi * (np.arange(side) + 0.5) / side))
    scaled: Values = window / np.sqrt(np.square(window).sum())
    return scaled


def _starts(size: int, side: int) -> list[int]:
    """Return where the blocks along an axis start: evenly, at most half a block apart unless there are too many."""
    count = min(math.ceil(2 * (size - side) / side) + 1, MOST_BLOCKS_PER_AXIS)
    return [round(start) for start in np.linspace(0, size - side, count)]


def _unclipped(blocks: Pixels) -> NDArray[np.intp]:
    """Return the indices of the blocks without clipped pixels, or of the least clipped ones if there are too few."""
    fractions = np.mean((blocks <= 0) | (blocks >= 1), axis=(1, 2))
    count = max(int(np.sum(fractions <= CLIPPED_FRACTION)), math.ceil(LEAST_KEPT * len(blocks)))
    return np.sort(np.argsort(fractions, kind="stable")[:count])


@dataclass(frozen=True, eq=False)
class _Basis:
    """The functions of which log S is a sum.

    Attributes:
        used: frequencies of `block_power` that the fit uses, each of a conjugate pair once; shape as of that.
        functions: their values at these F frequencies, shape (F, C).
        penalty: the matrix of the quadratic penalty on the C coefficients.
    """

    used: NDArray[np.bool_]
    functions: Values
    penalty: Values


@cache
def _basis(side: int) -> _Basis:
    """Return linear interpolation between the knots, by itself and times each harmonic of the orientation."""
    vertical, horizontal = np.meshgrid(fft.fftfreq(side), fft.rfftfreq(side), indexing="ij")
    radius = np.hypot(vertical, horizontal)
    is_repeated = np.isin(horizontal, (0, 0.5)) & (vertical < 0) & (vertical > -0.5)
    used = (radius * side >= LOWEST_FREQUENCY) & ~is_repeated
    angle, place = np.arctan2(vertical, horizontal)[used], np.log(radius[used])
    place = (place - place.min()) / (place.max() - place.min()) * (KNOTS - 1)
    tents = np.maximum(1 - np.abs(place[:, None] - np.arange(KNOTS)), 0)
    waves = [np.ones_like(angle)]
    for order in range(1, HARMONICS + 1):
        waves += [np.cos(2 * order * angle), np.sin(2 * order * angle)]
    bends = np.diff(np.eye(KNOTS), 2, axis=0)
    penalty = np.asarray(SMOOTHNESS * np.kron(np.eye(len(waves)), bends.T @ bends), np.float64)
    penalty[KNOTS:, KNOTS:] += ISOTROPY * np.eye((len(waves) - 1) * KNOTS)
    return _Basis(used, np.concatenate([tents * wave[:, None] for wave in waves], axis=1), penalty)


def _fitted_noise(power: Values, response: Values, basis: _Basis) -> float:
    """Return the n of the best fit, by Fisher scoring on log S and log n.

    Args:
        power: P, above 0, of mean 1; shape (F,).
        response: B, above 0; shape (F,).
        basis: of log S, for these F frequencies.
    """
    functions = basis.functions
    penalty = np.pad(basis.penalty, (0, 1))

    def model(parameters: Values) -> tuple[Values, float]:
        logs = np.clip(np.append(functions @ parameters[:-1], parameters[-1]), -LARGEST_LOG, LARGEST_LOG)
        return np.exp(logs[:-1]) * response, float(np.exp(logs[-1]))

    def cost(parameters: Values) -> float:
        scene, noise = model(parameters)
        total = scene + noise
        return float(np.sum(np.log(total) + power / total) + parameters @ penalty @ parameters / 2)

    parameters = _start(power, response, basis)
    slopes = np.empty((len(power), len(parameters)))
    lowest = cost(parameters)
    for _ in range(ITERATIONS):
        scene, noise = model(parameters)
        total = scene + noise
        np.multiply(functions, (scene / total)[:, None], out=slopes[:, :-1])
        slopes[:, -1] = noise / total
        gradient = slopes.T @ (1 - power / total) + penalty @ parameters
        information = slopes.T @ slopes + penalty + LEAST_INFORMATION * np.eye(len(parameters))
        step, length = np.linalg.solve(information, gradient), 1.0
        while not (reached := cost(parameters - length * step)) < lowest and length > SHORTEST_STEP:
            length /= 2
        if not reached < lowest:
            break
        parameters, gained, lowest = parameters - length * step, lowest - reached, reached
        if gained < TOLERANCE:
            break
    return model(parameters)[1]


def _start(power: Values, response: Values, basis: _Basis) -> Values:
    """Return the start of the fit: noise from the weakest frequencies, log S by least squares from the others."""
    order = np.argsort(response, kind="stable")
    noise = float(np.median(power[order[: math.ceil(WEAK_FRACTION * len(order))]]))
    strong = order[len(order) // 2 :]
    functions = basis.functions[strong]
    logs = np.log(np.maximum(power[strong] - noise / 2, power[strong] / 20) / response[strong])
    information = functions.T @ functions + basis.penalty + LEAST_INFORMATION * np.eye(functions.shape[1])
    return np.append(np.linalg.solve(information, functions.T @ logs), math.log(noise))


def noise_sigma_of(planes: UnitImage, kernel: Psf) -> float:
    """Return the standard deviation of the noise of an image whose kernel is known [gray levels of 255].

    Args:
        planes: of the blurred image, in [0, 1], shape (C, H, W); the power is the mean of that of the channels.
        kernel: of the blur.
    """
    powers = [noise_power(plane, kernel) for plane in planes]
    return GRAY_LEVELS * math.sqrt(math.fsum(powers) / len(powers))
