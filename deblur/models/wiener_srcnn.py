"""SRCNN that repairs what a Wiener filter restores."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deblur.models.srcnn import ConvStack, inner, pad_symmetric

if TYPE_CHECKING:  # SciPy is loaded for a network that is used, not for the others beside it
    from deblur.blur.kernels import Psf
    from deblur.wiener.images import ByteImage
    from deblur.wiener.prefilter import WienerPrefilter

_MEASURED = ("kernel", "power", "noise")


class WienerSRCNN(ConvStack):
    """A chain of convolutions that sees the blurred image and what Wiener filters make of it, its Wiener estimate.

    The filter is a global one: an image's part restored alone misses what lies around it. So it belongs to
    `prefilter`, which takes whole images, and the rest of the network is local: it may be given patches and tiles
    of the blurred image and its Wiener estimate. It predicts the correction to the first of the Wiener filter's
    results.

    To deconvolve first and to let a network repair the result follows Schuler et al., "A machine learning approach for
    non-blind image deconvolution", CVPR 2013.

    Attributes:
        non_blind: whether each image comes with its kernel; else all have the one that the network was calibrated
            with.
        estimate_noise: whether the white noise of each image is estimated from it.
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
    ) -> None:
        """Make the layers; the filter comes with `calibrate` or with the weights of a file.

        Args:
            kernel_sizes: odd side of each layer's filters [px], such as 9, 3, 5.
            widths: channels between the layers, one fewer than `kernel_sizes`.
            noise_scales: a Wiener filter for each; how much more noise than there was in the calibration it assumes.
            non_blind: each image comes with its kernel.
            estimate_noise: the white noise of each image is estimated from it; else that of the calibration is
                assumed for all.
            dropout: share of the activations dropped after each hidden layer, from 0 to below 1.
            dilations: for each layer, how far the taps of its filters lie apart [px]; None is 1 for all.

        Raises:
            ValueError: for an even kernel size, the wrong number of widths or dilations, or no noise scale above 0.
        """
        super().__init__(1 + len(noise_scales), kernel_sizes, widths, dilations, dropout)
        if not noise_scales or min(noise_scales) <= 0:
            raise ValueError(f"noise_scales are numbers above 0, at least one: {noise_scales}")
        self.non_blind = non_blind
        self.estimate_noise = estimate_noise
        self._noise_scales = tuple(noise_scales)
        for name in _MEASURED:
            self.register_buffer(name, torch.zeros(0, 0))
        self.register_buffer("fft_noise_scale", torch.ones(()))

    def calibrate(self, sharp: "Sequence[ByteImage]", blurred: "Sequence[ByteImage]", kernels: "Sequence[Psf]") -> None:
        """Measure what the Wiener filter has to know.

        Args:
            sharp: training images, of any sizes; at least one.
            blurred: the same ones degraded, rounded to 8 bits.
            kernels: what each was blurred with.

        Raises:
            ValueError: where the kernels differ, unless each image comes with its own.
        """
        from deblur.wiener.filters import WienerFilter

        if not self.non_blind:
            if any(not np.array_equal(kernel, kernels[0]) for kernel in kernels):
                raise ValueError("the images are blurred with several kernels: take non_blind=true")
            self.kernel = self._buffer(kernels[0])
        found = WienerFilter.measured(sharp, blurred, kernels, self.estimate_noise)
        self.power, self.noise = self._buffer(found.power.power), self._buffer(found.noise.power)
        self.fft_noise_scale = torch.tensor(found.fft_noise_scale, device=self.fft_noise_scale.device)

    def prefilter(self) -> "WienerPrefilter":
        """Return what makes the Wiener estimate of an image, without torch.

        Raises:
            RuntimeError: where the network has not been calibrated.
            ValueError: where its weights are those of a damaged file.
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
        )

    def forward(self, blurred: Tensor, wiener_estimate: Tensor, pad: bool = True) -> Tensor:
        """Restore images.

        Args:
            blurred: (N, 1, H, W), gray in [0, 1].
            wiener_estimate: (N, G, H, W), what `prefilter` makes of the whole image.
            pad: surround both with their mirror images first. Without it they have to bring `halo` more pixels on
                each side, and the output is smaller by as much.

        Returns:
            (N, 1, H, W), or (N, 1, H - 2 halo, W - 2 halo) without padding; not clamped.
        """
        given = torch.cat([blurred, wiener_estimate], dim=1)
        padded = pad_symmetric(given, self.halo) if pad else given
        correction = self.convolve(padded)
        return correction + inner(padded[:, 1:2], correction.shape)

    def _buffer(self, values: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.power.device)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *others: Any) -> None:
        # The shapes are those of the training's images and of its kernel, which a network that is not calibrated
        # does not know.
        for name in _MEASURED:
            held = state_dict.get(f"{prefix}{name}")
            if isinstance(held, Tensor) and held.ndim == 2:
                setattr(self, name, torch.empty_like(held, device=self.power.device))
        super()._load_from_state_dict(state_dict, prefix, *others)


def _array(values: Tensor) -> NDArray[np.float32]:
    return values.float().numpy(force=True).copy()  # NumPy knows no bfloat16; the weights may change
