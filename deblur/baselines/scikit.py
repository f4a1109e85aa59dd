"""Wiener and Richardson-Lucy deconvolution as scikit-image has them."""

import importlib.util
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from deblur.baselines.base import Baseline, fitted
from deblur.blur.images import pad_symmetric
from deblur.blur.kernels import Psf
from deblur.errors import UserError
from deblur.wiener.images import ByteImage, UnitImage, check_training_images
from deblur.wiener.tuning import climb, climb_whole, mean_psnr

LEAST_MARGIN = 32
"""Least width in px of the mirrored margin for Richardson and Lucy, whose convolutions take the image as black beyond
its boundary: without a margin results are worse than the blurred image."""

KERNELS_PER_MARGIN = 4
"""Width of that margin in kernels, where this is more: with each iteration the black comes further in. Four real faces
blurred by motion of 15 px reach 23.9, 24.9 and 25.9 dB at best with margins of 32, 45 and 60 px."""

MOST_ITERATIONS = 100
"""Limit of Richardson and Lucy's iterations, 1.1 s for 256x256. Without noise more would still gain: three real
faces blurred by box 7, 10, 30 and 100 reach 23.0, 24.4 and 25.6 dB."""

LEAST_DIVISOR = 1e-6
"""Brightness below which Richardson and Lucy's ratio is taken as 0: rounding errors of black areas, 1/4000 gray
level."""


class _Padded(Baseline):
    """A restorer of scikit-image's that works on an image with a mirrored margin."""

    def __init__(self) -> None:
        """Look for scikit-image, which is not loaded before it is needed.

        Raises:
            UserError: It is not installed.
        """
        if importlib.util.find_spec("skimage") is None:
            raise UserError(
                f"The baseline {self.name} needs a package that is not installed: pip install scikit-image."
            )
        self._tuned: float | None = None

    def fit(self, sharp: Sequence[ByteImage], blurred: Sequence[ByteImage], kernels: Sequence[Psf]) -> None:
        """Search for the parameter of the highest mean PSNR; every try restores all images."""
        check_training_images(sharp, blurred, kernels)

        def score(parameter: float) -> float:
            return mean_psnr(lambda image, kernel: self._restored(image, kernel, parameter), sharp, blurred, kernels)

        self._tuned = self._search(score)

    def restore(self, blurred: UnitImage, kernel: Psf) -> UnitImage:
        """Restore an image with the tuned parameter."""
        return self._restored(blurred, kernel, fitted(self._tuned))

    def _restored(self, blurred: UnitImage, kernel: Psf, parameter: float) -> UnitImage:
        margins = self._margins(blurred.shape, kernel.shape)
        padded = pad_symmetric(blurred.astype(np.float64), *margins)
        restored = self._deconvolved(padded, kernel, parameter)
        inside = tuple(slice(before, before + size) for (before, _), size in zip(margins, blurred.shape, strict=True))
        return restored[inside].astype(np.float32)

    @abstractmethod
    def _margins(self, shape: tuple[int, ...], kernel_shape: tuple[int, ...]) -> list[tuple[int, int]]:
        """Return how many px to mirror before and after each axis; with them, the kernel has room."""

    @abstractmethod
    def _search(self, score: Callable[[float], float]) -> float:
        """Search for the parameter that scores highest."""

    @abstractmethod
    def _deconvolved(self, padded: Psf, kernel: Psf, parameter: float) -> Psf:
        """Deconvolve a padded image in [0, 1], shape (H, W), whose size exceeds that of the kernel."""


class Wiener(_Padded):
    """Wiener-Hunt deconvolution with a Laplacian prior, `skimage.restoration.wiener`.

    B. R. Hunt, "A matrix theory proof of the discrete convolution theorem", IEEE Trans. Audio Electroacoust. 1971.
    Tuned is the balance between the image and the prior.
    """

    name = "wiener"
    images_to_fit = 24

    @property
    def settings(self) -> Mapping[str, float | int | str]:
        """The balance."""
        return {"balance": float(f"{fitted(self._tuned):.4g}")}

    def _search(self, score: Callable[[float], float]) -> float:
        return climb(score, start=1e-3, low=1e-8, high=1e3, steps=(10.0, 3.0, 1.5, 1.2))

    def _margins(self, shape: tuple[int, ...], kernel_shape: tuple[int, ...]) -> list[tuple[int, int]]:
        # As many whole periods, of twice the image's size, as the kernel needs
        periods = (2 * size * math.ceil(taps / (2 * size)) for size, taps in zip(shape, kernel_shape, strict=True))
        return [(0, period - size) for period, size in zip(periods, shape, strict=True)]

    def _deconvolved(self, padded: Psf, kernel: Psf, parameter: float) -> Psf:
        restored: Psf = _restoration().wiener(padded, kernel, parameter, clip=False)
        return restored


class RichardsonLucy(_Padded):
    """Richardson-Lucy deconvolution, `skimage.restoration.richardson_lucy`.

    W. H. Richardson, JOSA 1972; L. B. Lucy, Astronomical Journal 1974. It climbs towards the image of the highest
    likelihood under Poisson noise and has to be stopped before it fits the noise: tuned is the number of iterations.
    scikit-image's function cannot go on from an earlier result, so that each number that is tried starts again: the
    search is coarse and yet takes about 3 s an image of 256x256. A dozen images are enough for it.
    """

    name = "richardson_lucy"
    images_to_fit = 12

    @property
    def settings(self) -> Mapping[str, float | int | str]:
        """The number of iterations."""
        return {"iterations": round(fitted(self._tuned))}

    def _search(self, score: Callable[[float], float]) -> float:
        return climb_whole(score, start=25, high=MOST_ITERATIONS, steps=(2.0, 1.41))

    def _margins(self, shape: tuple[int, ...], kernel_shape: tuple[int, ...]) -> list[tuple[int, int]]:
        margin = max(LEAST_MARGIN, KERNELS_PER_MARGIN * max(kernel_shape))
        return [(margin, margin)] * len(shape)

    def _deconvolved(self, padded: Psf, kernel: Psf, parameter: float) -> Psf:
        restored: Psf = _restoration().richardson_lucy(
            padded, kernel, num_iter=round(parameter), clip=False, filter_epsilon=LEAST_DIVISOR
        )
        return restored


def _restoration() -> Any:
    """Import the part of scikit-image that restores, which takes a second."""
    from skimage import restoration

    return restoration
