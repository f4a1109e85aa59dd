"""SRCNN on a blurred image and its Wiener estimates."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deblur.models.srcnn import ConvStack, inner, pad_symmetric

if TYPE_CHECKING:  # only this network needs SciPy
    from deblur.blur.camera import Space
    from deblur.blur.images import Extension
    from deblur.blur.kernels import Psf
    from deblur.wiener.images import ByteImage
    from deblur.wiener.prefilter import WienerPrefilter

_MEASURED = ("kernel", "power", "noise")
_CHOSEN = ("is_circular", "is_linear")


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
    is_circular: Tensor
    is_linear: Tensor

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
        self.non_blind = non_blind
        self.estimate_noise = estimate_noise
        self._noise_scales = tuple(noise_scales)
        for name in _MEASURED:
            self.register_buffer(name, torch.zeros(0, 0))
        self.register_buffer("fft_noise_scale", torch.ones(()))
        self.register_buffer("is_circular", torch.zeros(()))  # 1 for a circular boundary
        self.register_buffer("is_linear", torch.zeros(()))  # 1 for a blur in linear light

    def calibrate(
        self,
        sharp: "Sequence[ByteImage]",
        blurred: "Sequence[ByteImage]",
        kernels: "Sequence[Psf]",
        boundary: "Extension" = "symmetric",
        space: "Space | None" = None,
    ) -> None:
        """Measure the spectra that the Wiener filter needs, on all channels alike.

        Args:
            sharp: training images (H, W) or (H, W, 3), of any sizes; at least one.
            blurred: the same images degraded, rounded to 8 bits.
            kernels: of each image.
            boundary: how the blurred images continue beyond their boundary; symmetric also for a valid one.
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
        found = WienerFilter.measured(sharp, blurred, kernels, self.estimate_noise, boundary, space or ENCODED)
        self.power, self.noise = self._buffer(found.power.power), self._buffer(found.noise.power)
        self.fft_noise_scale = torch.tensor(found.fft_noise_scale, device=self.fft_noise_scale.device)
        self.is_circular = torch.tensor(float(boundary == "circular"), device=self.is_circular.device)
        self.is_linear = torch.tensor(float(found.space.linear), device=self.is_linear.device)

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
            boundary="circular" if self.is_circular.item() else "symmetric",
            linear_light=bool(self.is_linear.item()),
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

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *others: Any) -> None:
        # The shapes depend on the training's images and kernel: a network that is not calibrated lacks them.
        for name in _MEASURED:
            held = state_dict.get(f"{prefix}{name}")
            if isinstance(held, Tensor) and held.ndim == 2:
                setattr(self, name, torch.empty_like(held, device=self.power.device))
        # Files of before these choices are of a symmetric boundary and of encoded values.
        usual = {f"{prefix}{name}": torch.zeros_like(getattr(self, name)) for name in _CHOSEN}
        known = {**usual, **state_dict}
        super()._load_from_state_dict(known, prefix, *others)


def _array(values: Tensor) -> NDArray[np.float32]:
    return values.float().numpy(force=True).copy()  # NumPy knows no bfloat16; the weights may change
