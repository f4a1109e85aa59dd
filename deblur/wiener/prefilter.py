"""What a network that repairs a restoration is given besides the blurred image: the Wiener estimate."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deblur.blur.kernels import Psf
from deblur.wiener.filters import WienerFilter
from deblur.wiener.images import UnitImage
from deblur.wiener.spectra import PowerSpectrum

_ARRAYS = ("kernel", "power", "noise")

KERNEL_SUM_TOLERANCE = 1e-3
"""How far from 1 the sum of a kernel may be, which a file holds in float32."""

LARGEST_KERNEL = 1001
"""Largest side of a kernel [px]; the blurs of this program have up to half of it."""


@dataclass(frozen=True, eq=False)
class WienerPrefilter:
    """Computes Wiener estimates of a whole blurred image, for one or more noise powers.

    The filter is global: made of a part of the image, the Wiener estimate would be another one.

    Attributes:
        kernel: what all images are blurred with; None where each image comes with its own.
        power: what to expect of sharp images at each frequency of the DCT-II, for images in [0, 1], (H, W).
        noise: what to expect of the noise, likewise.
        fft_noise_scale: how much more noise is assumed by the Fourier transform.
        noise_scales: a result for each; how much more noise is assumed than there was in the calibration.
        estimate_noise: whether the white noise of each image is estimated from it; `noise` is what comes on top.

    Raises:
        ValueError: where a spectrum or a factor is not above 0, or the kernel is none.
    """

    kernel: NDArray[np.floating] | None
    power: NDArray[np.floating]
    noise: NDArray[np.floating]
    fft_noise_scale: float
    noise_scales: Sequence[float]
    estimate_noise: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot have been measured, of a damaged file."""
        factors = np.array([self.fft_noise_scale, *self.noise_scales], dtype=np.float64)
        for name, values in (("power", self.power), ("noise", self.noise), ("kernel", self.kernel)):
            if values is not None and values.ndim != 2:
                raise ValueError(f"{name} has {values.ndim} dimensions instead of 2")
        for name, values in (("power", self.power), ("noise", self.noise), ("noise_scales", factors)):
            if values.size == 0 or not (np.isfinite(values).all() and values.min() > 0):
                raise ValueError(f"{name} are not numbers above 0")
        if not self.noise_scales:
            raise ValueError("there are no noise_scales")
        if self.kernel is None:
            return
        if any(size % 2 == 0 for size in self.kernel.shape):
            raise ValueError("the kernel has an even side")
        if max(self.kernel.shape) > LARGEST_KERNEL:
            raise ValueError(f"the kernel has a side of {max(self.kernel.shape)} px: {LARGEST_KERNEL} are allowed")
        if not (np.isfinite(self.kernel).all() and self.kernel.min() >= 0):
            raise ValueError("the kernel holds what is no number from 0 up")
        if not abs(self.kernel.sum(dtype=np.float64) - 1) <= KERNEL_SUM_TOLERANCE:
            raise ValueError("the sum of the kernel is not 1")

    def __call__(self, blurred: UnitImage, kernel: Psf | None = None) -> UnitImage:
        """Return the Wiener estimate of an image.

        Args:
            blurred: in [0, 1], (H, W).
            kernel: what it was blurred with; read only if the pre-filter has none of its own.

        Returns:
            (G, H, W) in float32, one plane for each noise scale; not clamped.

        Raises:
            ValueError: where there is no kernel.
        """
        known = kernel if self.kernel is None else self.kernel
        if known is None:
            raise ValueError("the network needs the kernel of each image")
        return self._filter(blurred, np.asarray(known, dtype=np.float64), self.noise_scales)

    @property
    def planes(self) -> int:
        """How many planes a Wiener estimate has."""
        return len(self.noise_scales)

    @property
    def needs_kernel(self) -> bool:
        """Whether each image has to come with its kernel."""
        return self.kernel is None

    @cached_property
    def _filter(self) -> WienerFilter:
        power, noise = (PowerSpectrum(each.astype(np.float64)) for each in (self.power, self.noise))
        return WienerFilter(power, noise, self.fft_noise_scale, self.estimate_noise)

    def as_plain(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        return {
            "fft_noise_scale": self.fft_noise_scale,
            "noise_scales": list(self.noise_scales),
            "estimate_noise": self.estimate_noise,
            **{name: None if array is None else _as_plain(array) for name, array in arrays.items()},
        }

    @classmethod
    def of_plain(cls, told: Mapping[str, Any]) -> "WienerPrefilter":
        """Return what `as_plain` has told.

        Raises:
            ValueError, KeyError, TypeError, OverflowError: where it tells something else.
        """
        arrays = {name: None if told[name] is None else _of_plain(told[name]) for name in _ARRAYS}
        power, noise, kernel = arrays["power"], arrays["noise"], arrays["kernel"]
        if power is None or noise is None:
            raise ValueError("the spectra are missing")
        if not isinstance(told["noise_scales"], list):
            raise ValueError("noise_scales are no list")
        factors = [_number(factor) for factor in told["noise_scales"]]
        estimated = told.get("estimate_noise", False)  # files of before have none
        if not isinstance(estimated, bool):
            raise ValueError("estimate_noise is neither true nor false")
        return cls(kernel, power, noise, _number(told["fft_noise_scale"]), factors, estimated)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a factor is no number")
    return float(value)


def _as_plain(array: NDArray[np.floating]) -> dict[str, Any]:
    content = np.ascontiguousarray(array, dtype="<f4")
    return {"shape": list(content.shape), "float32": base64.b64encode(content.tobytes()).decode()}


def _of_plain(told: Mapping[str, Any]) -> NDArray[np.floating]:
    shape, text = told["shape"], told["float32"]
    if not isinstance(shape, list) or len(shape) != 2 or not all(type(size) is int and size > 0 for size in shape):
        raise ValueError("a shape is not two whole numbers from 1 up")
    if not isinstance(text, str):
        raise ValueError("an array is no text")
    return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4").reshape(shape)
