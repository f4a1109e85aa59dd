"""The Wiener pre-filter: computes the second input of a Wiener-guided network."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, get_args

import numpy as np
from numpy.typing import NDArray

from deblur.blur.camera import Space
from deblur.blur.images import Extension, planes_of
from deblur.blur.kernels import Psf
from deblur.wiener.filters import WienerFilter
from deblur.wiener.images import UnitImage
from deblur.wiener.spectra import CircularSpectrum, PowerSpectrum

KERNEL_SUM_TOLERANCE: Final = 1e-3  # difference from 1 of the sum of a kernel, which a file holds in float32
LARGEST_KERNEL: Final = 1001  # side [px]; the blurs of this program have up to half of it
_ARRAYS: Final = ("kernel", "power", "noise")


@dataclass(frozen=True, eq=False)
class WienerPrefilter:
    """Wiener estimates of a whole blurred image, for one or more noise powers.

    The filter is global: the estimate of a part of an image differs from that part of the estimate.

    Attributes:
        kernel: of all images; None if each image comes with its own.
        power: expected power of sharp images at each frequency of the DCT-II, or of the Fourier transform if the
            boundary is circular, for images in [0, 1], (H, W).
        noise: expected power of the noise, likewise.
        fft_noise_scale: multiple of the noise that the Fourier transform assumes.
        noise_scales: one estimate each, which assumes this multiple of the noise of the calibration.
        estimate_noise: whether the white noise of each image is estimated from it and added to `noise`.
        boundary: how the blurred images continue beyond their boundary; symmetric also for a valid one.
        linear_light: whether images were blurred in linear light, which the filter then works on; else on their values.

    Raises:
        ValueError: if a spectrum or a factor is not above 0, or the kernel is not allowed.
    """

    kernel: NDArray[np.floating] | None
    power: NDArray[np.floating]
    noise: NDArray[np.floating]
    fft_noise_scale: float
    noise_scales: Sequence[float]
    estimate_noise: bool = False
    boundary: Extension = "symmetric"
    linear_light: bool = False

    def __post_init__(self) -> None:
        """Refuse values of a damaged file, which cannot have been measured."""
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
            blurred: in [0, 1], (H, W) or (H, W, 3).
            kernel: of the image; ignored if the pre-filter has a kernel.

        Returns:
            (noise scales x channels, H, W) in float32: all channels of the first noise scale, then of the next one; not
            clamped.

        Raises:
            ValueError: if there is no kernel.
        """
        known = kernel if self.kernel is None else self.kernel
        if known is None:
            raise ValueError("the network needs the kernel of each image")
        psf = np.asarray(known, dtype=np.float64)
        each = [self._filter(plane, psf, self.noise_scales) for plane in planes_of(blurred)]
        return each[0] if len(each) == 1 else np.stack(each, 1).reshape(-1, *blurred.shape[:2])

    @property
    def planes(self) -> int:
        """The number of planes of a Wiener estimate, for each channel of the image."""
        return len(self.noise_scales)

    @property
    def needs_kernel(self) -> bool:
        """Whether each image has to come with its kernel."""
        return self.kernel is None

    @cached_property
    def _filter(self) -> WienerFilter:
        space = Space(self.linear_light)
        spectrum = CircularSpectrum if self.boundary == "circular" else PowerSpectrum
        power, noise = (spectrum(each.astype(np.float64)) for each in (self.power, self.noise))
        return WienerFilter(power, noise, self.fft_noise_scale, self.estimate_noise, self.boundary, space)

    def as_plain(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        return {
            "fft_noise_scale": self.fft_noise_scale,
            "noise_scales": list(self.noise_scales),
            "estimate_noise": self.estimate_noise,
            "boundary": self.boundary,
            **({"linear_light": True} if self.linear_light else {}),
            **{name: None if array is None else _as_plain(array) for name, array in arrays.items()},
        }

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> "WienerPrefilter":
        """Return the pre-filter of the values that `as_plain` returned.

        Raises:
            ValueError, KeyError, TypeError, OverflowError: for other values.
        """
        arrays = {name: None if plain[name] is None else _of_plain(plain[name]) for name in _ARRAYS}
        power, noise, kernel = arrays["power"], arrays["noise"], arrays["kernel"]
        if power is None or noise is None:
            raise ValueError("the spectra are missing")
        if not isinstance(plain["noise_scales"], list):
            raise ValueError("noise_scales are no list")
        factors = [_number(factor) for factor in plain["noise_scales"]]
        estimated = plain.get("estimate_noise", False)  # files of before have none
        if not isinstance(estimated, bool):
            raise ValueError("estimate_noise is neither true nor false")
        boundary = plain.get("boundary", "symmetric")  # files of before have none
        if boundary not in get_args(Extension):
            raise ValueError(f"the boundary is none of {', '.join(get_args(Extension))}")
        linear_light = plain.get("linear_light", False)  # absent if it is false
        if not isinstance(linear_light, bool):
            raise ValueError("linear_light is neither true nor false")
        scale = _number(plain["fft_noise_scale"])
        return cls(kernel, power, noise, scale, factors, estimated, boundary, linear_light)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a factor is no number")
    return float(value)


def _as_plain(array: NDArray[np.floating]) -> dict[str, Any]:
    content = np.ascontiguousarray(array, dtype="<f4")
    return {"shape": list(content.shape), "float32": base64.b64encode(content.tobytes()).decode()}


def _of_plain(plain: Mapping[str, Any]) -> NDArray[np.floating]:
    shape, text = plain["shape"], plain["float32"]
    if not isinstance(shape, list) or len(shape) != 2 or not all(type(size) is int and size > 0 for size in shape):
        raise ValueError("a shape is not two whole numbers from 1 up")
    if not isinstance(text, str):
        raise ValueError("an array is no text")
    return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4").reshape(shape)
