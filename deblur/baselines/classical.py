"""Classical, non-blind restorers behind the same call: identity, DCT-Wiener, and those of scikit-image."""

import importlib.util
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Final, TypeVar

import numpy as np

from deblur.blur.camera import ENCODED, Space
from deblur.blur.images import Extension, padded
from deblur.blur.kernels import Psf
from deblur.errors import UserError
from deblur.wiener.filters import Method, WienerFilter, filtered, method, transfer
from deblur.wiener.images import GRAY_LEVELS, ByteImage, UnitImage, check_training_images, climb, climb_whole, mean_psnr

LEAST_MARGIN: Final = 32
"""Least width of the mirrored margin of Richardson-Lucy [px], whose convolutions assume black beyond the boundary:
without a margin, results are worse than the blurred image."""

KERNELS_PER_MARGIN: Final = 4
"""Width of that margin in kernels, if this is more: with each iteration the black comes further in. Four real faces
blurred by motion of 15 px reach 23.9, 24.9 and 25.9 dB at best with margins of 32, 45 and 60 px."""

MOST_ITERATIONS: Final = 100
"""Limit of the iterations of Richardson-Lucy, 1.1 s for 256x256. Without noise more would still gain: three real faces
blurred by box 7, 10, 30 and 100 reach 23.0, 24.4 and 25.6 dB."""

LEAST_KERNEL: Final = 3
"""Side of the Laplacian of `skimage.restoration.wiener` [px], which an image has to hold like a kernel."""

LEAST_DIVISOR: Final = 1e-6
"""Brightness below which the ratio of Richardson-Lucy is 0: rounding errors of black areas, 1/4000 gray level."""

Settings = Mapping[str, float | int | str]
Fitted = TypeVar("Fitted")


class Baseline(ABC):
    """A classical, non-blind restorer: it gets the kernel of each image.

    Attributes:
        name: in commands, tables and file names.
        images_to_fit: training images that suffice, for a fit within a minute; 0 if there is nothing to tune.
        boundary: how the blurred images continue beyond their boundary; symmetric also for a valid one.
        space: in which the images were blurred, and are restored. They are given, returned and measured encoded.
    """

    name: ClassVar[str]
    images_to_fit: ClassVar[int]

    def __init__(self, boundary: Extension = "symmetric", space: Space = ENCODED) -> None:
        """Set boundary and space; the parameters are tuned by `fit`."""
        self.boundary: Extension = boundary
        self.space = space

    @abstractmethod
    def fit(self, sharp: Sequence[ByteImage], blurred: Sequence[ByteImage], kernels: Sequence[Psf]) -> None:
        """Tune on training images; a searched parameter has the highest mean per-image PSNR of the clamped result.

        Args:
            sharp: training images, of any sizes; at least one.
            blurred: the same images degraded, rounded to 8 bits.
            kernels: of each image.

        Raises:
            ValueError: if their numbers differ, there are none, or a pair differs in shape.
        """

    @abstractmethod
    def restore(self, blurred: UnitImage, kernel: Psf) -> UnitImage:
        """Restore an image.

        Args:
            blurred: in [0, 1], shape (H, W); it may be smaller than the kernel.
            kernel: odd-sized, of sum 1.

        Returns:
            The restored image, shape (H, W), not clamped.

        Raises:
            RuntimeError: if the restorer has not been fitted.
        """

    @property
    @abstractmethod
    def settings(self) -> Settings:
        """The tuned parameters, the method and the space if it is linear light, for tables; empty for no restoration.

        Raises:
            RuntimeError: if the restorer has not been fitted.
        """


class Identity(Baseline):
    """No restoration: the blurred image itself, the reference of every gain."""

    name = "none"
    images_to_fit = 0

    def fit(self, sharp: Sequence[ByteImage], blurred: Sequence[ByteImage], kernels: Sequence[Psf]) -> None:
        """Check the images; there is nothing to tune."""
        check_training_images(sharp, blurred, kernels)

    def restore(self, blurred: UnitImage, kernel: Psf) -> UnitImage:  # noqa: ARG002 - called like all others
        """Return the image as it is."""
        return blurred

    @property
    def settings(self) -> Settings:
        """Nothing."""
        return {}


def fitted(value: Fitted | None) -> Fitted:
    """Return a tuned value.

    Raises:
        RuntimeError: if it has not been tuned yet.
    """
    if value is None:
        raise RuntimeError("Call fit() first: what it tunes on training images is needed here.")
    return value


class DctWiener(Baseline):
    """`WienerFilter`, measured on training images: in the domain of the DCT-II if the kernel allows it.

    If the boundary is circular, all kernels are restored by Fourier transform, without approximation.

    The filter is global and relies on the exactly symmetric boundary. Photographs, whose scene continues outside the
    crop, have lower results. On crops of 64 px of real faces with a halo of 64 px, box 7 falls from 29.2 dB (symmetric)
    to 23.1 dB (valid), and motion 15 from 32.1 to 20.2 dB; with noise of sigma 2, from 25.3 to 25.2 and from 25.9 to
    22.1 dB. Fitted on pairs with a valid boundary, the noise includes the effect of the boundary.
    """

    name = "dct_wiener"
    images_to_fit = 200

    def __init__(self, boundary: Extension = "symmetric", space: Space = ENCODED) -> None:
        """Start without images."""
        super().__init__(boundary, space)
        self._filter: WienerFilter | None = None
        self._methods: frozenset[Method] = frozenset()

    def fit(self, sharp: Sequence[ByteImage], blurred: Sequence[ByteImage], kernels: Sequence[Psf]) -> None:
        """Measure spectrum and noise."""
        self._filter = WienerFilter.measured(sharp, blurred, kernels, boundary=self.boundary, space=self.space)
        self._methods = frozenset(["fft"] if self.boundary == "circular" else map(method, kernels))

    def restore(self, blurred: UnitImage, kernel: Psf) -> UnitImage:
        """Restore an image by the method that its kernel allows."""
        return fitted(self._filter)(blurred, kernel)

    @property
    def settings(self) -> Settings:
        """The noise of the training images [gray levels], the methods and, if one approximates, its noise scale."""
        found: dict[str, float | int | str] = {
            **self.space.settings,
            "method": " and ".join(sorted(self._methods)),
            "noise_sigma": float(f"{GRAY_LEVELS * fitted(self._filter).noise.mean ** 0.5:.4g}"),
        }
        if "fft" in self._methods and self.boundary != "circular":
            found["noise_scale"] = float(f"{fitted(self._filter).fft_noise_scale:.4g}")
        return found


class _Padded(Baseline):
    """A restorer of scikit-image's that works on an image with a margin."""

    def __init__(self, boundary: Extension = "symmetric", space: Space = ENCODED) -> None:
        """Check that scikit-image is installed, without importing it.

        Raises:
            UserError: if it is not.
        """
        if importlib.util.find_spec("skimage") is None:
            raise UserError(
                f"The baseline {self.name} needs a package that is not installed: pip install scikit-image."
            )
        super().__init__(boundary, space)
        self._tuned: float | None = None

    def fit(self, sharp: Sequence[ByteImage], blurred: Sequence[ByteImage], kernels: Sequence[Psf]) -> None:
        """Search for the parameter of the highest mean PSNR; each evaluation restores all images."""
        check_training_images(sharp, blurred, kernels)

        def score(parameter: float) -> float:
            return mean_psnr(lambda image, kernel: self._restored(image, kernel, parameter), sharp, blurred, kernels)

        self._tuned = self._search(score)

    def restore(self, blurred: UnitImage, kernel: Psf) -> UnitImage:
        """Restore an image with the tuned parameter."""
        return self._restored(blurred, kernel, fitted(self._tuned))

    def _restored(self, blurred: UnitImage, kernel: Psf, parameter: float) -> UnitImage:
        margins = self._margins(blurred.shape, kernel.shape)
        extended = padded(self.space.from_encoded(blurred.astype(np.float64)), self.boundary, *margins)
        restored = self._deconvolved(extended, kernel, parameter)
        inside = tuple(slice(before, before + size) for (before, _), size in zip(margins, blurred.shape, strict=True))
        return self.space.to_encoded(restored[inside]).astype(np.float32)

    @abstractmethod
    def _margins(self, shape: tuple[int, ...], kernel_shape: tuple[int, ...]) -> list[tuple[int, int]]:
        """Return the margins before and after each axis [px]."""

    @abstractmethod
    def _search(self, score: Callable[[float], float]) -> float:
        """Search for the parameter that scores highest."""

    @abstractmethod
    def _deconvolved(self, extended: Psf, kernel: Psf, parameter: float) -> Psf:
        """Deconvolve an extended image in [0, 1], shape (H, W)."""


class Wiener(_Padded):
    """Wiener-Hunt deconvolution with a Laplacian prior, `skimage.restoration.wiener`.

    B. R. Hunt, "A matrix theory proof of the discrete convolution theorem", IEEE Trans. Audio Electroacoust. 1971. The
    balance between the image and the prior is tuned.
    """

    name = "wiener"
    images_to_fit = 24

    @property
    def settings(self) -> Settings:
        """The balance."""
        return {**self.space.settings, "balance": float(f"{fitted(self._tuned):.4g}")}

    def _search(self, score: Callable[[float], float]) -> float:
        return climb(score, start=1e-3, low=1e-8, high=1e3, steps=(10.0, 3.0, 1.5, 1.2))

    def _margins(self, shape: tuple[int, ...], kernel_shape: tuple[int, ...]) -> list[tuple[int, int]]:
        # As many whole periods as the kernel needs: of twice the image's size if its mirror image extends it. Such an
        # even size suffices. Otherwise one more pixel is needed: of a kernel as large as half the spectrum,
        # scikit-image assumes that it is a spectrum.
        is_circular = self.boundary == "circular"
        periods = (size if is_circular else 2 * size for size in shape)
        needed = (max(taps, LEAST_KERNEL) + 1 if is_circular else taps for taps in kernel_shape)
        totals = (period * math.ceil(taps / period) for period, taps in zip(periods, needed, strict=True))
        return [(0, total - size) for total, size in zip(totals, shape, strict=True)]

    def _deconvolved(self, extended: Psf, kernel: Psf, parameter: float) -> Psf:
        from skimage import restoration  # takes a second

        restored: Psf = restoration.wiener(extended, kernel, parameter, clip=False)  # type: ignore[no-untyped-call] # of scikit-image
        return restored


class RichardsonLucy(_Padded):
    """Richardson-Lucy deconvolution, `skimage.restoration.richardson_lucy`.

    W. H. Richardson, JOSA 1972; L. B. Lucy, Astronomical Journal 1974. It converges to the image of the highest
    likelihood under Poisson noise and has to be stopped before it fits the noise: the number of iterations is tuned.
    scikit-image's function cannot continue from an earlier result: the search is coarse, and still takes about 3 s per
    image of 256x256. A dozen images are enough.

    scikit-image's function convolves with black beyond the boundary. A margin hides this for a symmetric boundary; for
    a circular one the same iteration is computed here by Fourier transform, which is exact and needs no margin.
    """

    name = "richardson_lucy"
    images_to_fit = 12

    @property
    def settings(self) -> Settings:
        """The number of iterations."""
        return {**self.space.settings, "iterations": round(fitted(self._tuned))}

    def _search(self, score: Callable[[float], float]) -> float:
        return climb_whole(score, start=25, high=MOST_ITERATIONS, steps=(2.0, 1.41))

    def _margins(self, shape: tuple[int, ...], kernel_shape: tuple[int, ...]) -> list[tuple[int, int]]:
        if self.boundary == "circular":
            return [(0, 0)] * len(shape)
        margin = max(LEAST_MARGIN, KERNELS_PER_MARGIN * max(kernel_shape))
        return [(margin, margin)] * len(shape)

    def _deconvolved(self, extended: Psf, kernel: Psf, parameter: float) -> Psf:
        if self.boundary == "circular":
            return _circular_richardson_lucy(extended, kernel, round(parameter))
        from skimage import restoration

        restored: Psf = restoration.richardson_lucy(  # type: ignore[no-untyped-call] # of scikit-image
            extended, kernel, num_iter=round(parameter), clip=False, filter_epsilon=LEAST_DIVISOR
        )
        return restored


def _circular_richardson_lucy(image: Psf, kernel: Psf, iterations: int) -> Psf:
    """Return what `skimage.restoration.richardson_lucy` iterates to, with a circular boundary."""
    response = transfer(kernel, *image.shape)
    estimate = np.full(image.shape, 0.5)  # as there
    for _ in range(iterations):
        expected = filtered(estimate, response)
        ratio = np.where(expected < LEAST_DIVISOR, 0.0, image / np.maximum(expected, LEAST_DIVISOR))
        estimate *= filtered(ratio, np.conj(response))
    return estimate
