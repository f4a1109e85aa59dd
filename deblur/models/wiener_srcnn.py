"""SRCNN on a blurred image and its Wiener estimates."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deblur.models.srcnn import ConvStack, inner, pad_symmetric

if TYPE_CHECKING:  # only this network needs SciPy
    from deblur.blur.camera import Space
    from deblur.blur.kernels import Psf
    from deblur.wiener.images import ByteImage
    from deblur.wiener.prefilter import WienerPrefilter

_MEASURED = ("kernel", "power", "noise")
_LINEAR = "linear_light"  # among the weights, only if the filter works in linear light


class WienerSRCNN(ConvStack):
    """A convolutional stack whose input is the blurred image and its Wiener estimates.

    A Wiener filter needs the whole image: `prefilter` computes the estimates. The layers are local: they take patches
    and tiles of the blurred image and its estimates. The network predicts the correction to the first estimate.

    Schuler et al., "A machine learning approach for non-blind image deconvolution", CVPR 2013, deconvolve first and let
    a network correct the result.
    """

    kernel: Tensor
    power: Tensor
    noise: Tensor
    fft_noise_scale: Tensor

    def __init__(
        self,
        kernel_sizes: Sequence[int],
        widths: Sequence[int],
        noise_scales: Sequence[float] = (1.0,),
        non_blind: bool = False,
        estimate_noise: bool = False,
        dropout: float = 0.0,
        dilations: Sequence[int] | None = None,
        cpu_ops: str = "auto",
        channels: int = 1,
    ) -> None:
        """Make the layers; `calibrate` or the weights of a file provide the Wiener filter.

        For the other arguments and their errors see `ConvStack`.

        Args:
            kernel_sizes: odd side of each layer's filters [px], such as 9, 3, 5.
            widths: channels between the layers, one fewer than `kernel_sizes`.
            noise_scales: one Wiener estimate each, which assumes this multiple of the noise measured by `calibrate`.
            non_blind: each image comes with its kernel; otherwise all have the kernel of the calibration.
            estimate_noise: the white noise is estimated from each image; otherwise that of the calibration is assumed.
            dropout: see `ConvStack`.
            dilations: see `ConvStack`.
            cpu_ops: see `ConvStack`.
            channels: see `ConvStack`.

        Raises:
            ValueError: for noise scales that are not above 0, or none.
        """
        planes = channels * (1 + len(noise_scales))
        super().__init__(planes, channels, kernel_sizes, widths, dilations, dropout, cpu_ops)
        if not noise_scales or min(noise_scales) <= 0:
            raise ValueError(f"noise_scales are numbers above 0, at least one: {noise_scales}")
        self.channels = channels
        self.non_blind = non_blind
        self.estimate_noise = estimate_noise
        self.linear_light = False
        self._noise_scales = tuple(noise_scales)
        for name in _MEASURED:
            self.register_buffer(name, torch.zeros(0, 0))
        self.register_buffer("fft_noise_scale", torch.ones(()))

    def calibrate(
        self,
        sharp: "Sequence[ByteImage]",
        blurred: "Sequence[ByteImage]",
        kernels: "Sequence[Psf]",
        space: "Space | None" = None,
    ) -> None:
        """Measure the spectra that the Wiener filter needs, on all channels alike.

        Args:
            sharp: training images (H, W) or (H, W, 3), of any sizes; at least one.
            blurred: the same images degraded, rounded to 8 bits.
            kernels: of each image.
            space: in which they were blurred; None is that of the encoded values.

        Raises:
            ValueError: if the kernels differ, unless the network is non-blind.
        """
        from deblur.blur.camera import ENCODED
        from deblur.blur.images import planes_of
        from deblur.wiener.filters import WienerFilter

        if not self.non_blind:
            if any(not np.array_equal(kernel, kernels[0]) for kernel in kernels):
                raise ValueError("the images are blurred with several kernels: take non_blind=true")
            self.kernel = self._buffer(kernels[0])
        sharp, blurred = ([plane for image in images for plane in planes_of(image)] for images in (sharp, blurred))
        kernels = [kernel for kernel in kernels for _ in range(self.channels)]
        found = WienerFilter.measured(sharp, blurred, kernels, self.estimate_noise, space or ENCODED)
        self.linear_light = found.space.linear
        self.power, self.noise = self._buffer(found.power.power), self._buffer(found.noise.power)
        self.fft_noise_scale = torch.tensor(found.fft_noise_scale, device=self.fft_noise_scale.device)

    def prefilter(self) -> "WienerPrefilter":
        """Return the Wiener pre-filter, which needs no torch.

        Raises:
            RuntimeError: if the network has not been calibrated.
            ValueError: if its weights are those of a damaged file.
        """
        from deblur.wiener.prefilter import WienerPrefilter

        if self.power.numel() == 0:
            raise RuntimeError("Call calibrate() first: what it measures on training images is needed here.")
        return WienerPrefilter(
            kernel=None if self.non_blind else _array(self.kernel),
            power=_array(self.power),
            noise=_array(self.noise),
            fft_noise_scale=self.fft_noise_scale.item(),
            noise_scales=self._noise_scales,
            estimate_noise=self.estimate_noise,
            linear_light=self.linear_light,
        )

    def forward(self, blurred: Tensor, wiener_estimate: Tensor, pad: bool = True) -> Tensor:
        """Restore images.

        Args:
            blurred: (N, channels, H, W), in [0, 1].
            wiener_estimate: (N, noise scales x channels, H, W), what `prefilter` returns for the whole image.
            pad: surround both with their mirror images first. Otherwise they include their halo, and the output does
                not.

        Returns:
            (N, channels, H, W), or (N, channels, H - 2 halo, W - 2 halo) without padding; not clamped.
        """
        given = torch.cat([blurred, wiener_estimate], dim=1)
        padded = pad_symmetric(given, self.halo) if pad else given
        correction = self.convolve(padded)
        return correction + inner(padded[:, self.channels : 2 * self.channels], correction.shape)

    def _buffer(self, values: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.power.device)

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.linear_light:
            destination[f"{prefix}{_LINEAR}"] = torch.tensor(True)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        # Its presence says it: weights without memory have no values. The dictionary is torch's own copy.
        self.linear_light = state_dict.pop(f"{prefix}{_LINEAR}", None) is not None
        # The shapes depend on the training's images and kernel: a network that is not calibrated lacks them.
        for name in _MEASURED:
            held = state_dict.get(f"{prefix}{name}")
            if isinstance(held, Tensor) and held.ndim == 2:
                setattr(self, name, torch.empty_like(held, device=self.power.device))
        super()._load_from_state_dict(state_dict, prefix, *others)


def _array(values: Tensor) -> NDArray[np.float32]:
    return values.float().numpy(force=True).copy()  # NumPy knows no bfloat16; the weights may change
