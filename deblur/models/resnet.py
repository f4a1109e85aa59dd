"""A residual network on unshuffled pixels."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deblur.models.cpu_ops import convolve_rectified, is_fast_for, uses_fast_operators
from deblur.models.srcnn import inner, pad_symmetric, refuse_channels

MIDDLE_GRAY = 0.5
"""Subtracted from the input: weights drawn around zero suit values around zero."""

BRANCH_SCALE = 0.3
"""Initial scale of the weights of each block's second layer: a block starts as a small change."""


class Block(nn.Module):
    """Two layers of 3x3 filters whose output is added to their input; a ReLU before each, no padding.

    He et al., "Identity mappings in deep residual networks", ECCV 2016, without normalization, as in Lim et al.,
    "Enhanced deep residual networks for single image super-resolution", CVPRW 2017.
    """

    def __init__(self, width: int, has_fast_operators: bool) -> None:
        """Make the layers, of `width` channels."""
        super().__init__()
        self._has_fast_operators = has_fast_operators
        self.first = nn.Conv2d(width, width, 3)
        self.second = nn.Conv2d(width, width, 3)
        for layer in (self.first, self.second):
            _initialize(layer)
        with torch.no_grad():
            self.second.weight *= BRANCH_SCALE

    def forward(self, features: Tensor) -> Tensor:
        """Return (N, C, H - 4, W - 4) of features (N, C, H, W)."""
        rectified = torch.relu(features)
        if self._has_fast_operators and is_fast_for(rectified):
            changes = self.second(convolve_rectified(rectified, self.first))
        else:
            changes = self.second(torch.relu(self.first(rectified)))
        changed: Tensor = inner(features, changes.shape) + changes
        return changed


class ResNet(nn.Module):
    """Residual blocks on unshuffled pixels, for gray or RGB images; for the attributes see `Network`.

    Pixel-unshuffle turns each square of `unshuffle` x `unshuffle` pixels into channels, and pixel-shuffle at the end
    turns them back: the receptive field is `unshuffle` times larger, the cost `unshuffle`**2 times smaller (Zhang et
    al., "FFDNet", IEEE Trans. Image Process. 27, 2018, section III-B; Shi et al., "Real-time single image and video
    super-resolution using an efficient sub-pixel convolutional neural network", CVPR 2016). A part of an image has the
    same result as in the whole image if it begins at a multiple of `unshuffle`, the size divisor.

    The network predicts the correction to its input. The last layer is initialized with zeros: an untrained network is
    the identity. The others are initialized as in He et al., "Delving deep into rectifiers", ICCV 2015, and the second
    one of each block with `BRANCH_SCALE` times that.
    """

    def __init__(
        self,
        blocks: int,
        width: int,
        unshuffle: int = 3,
        end_kernel_size: int = 3,
        cpu_ops: str = "auto",
        channels: int = 1,
    ) -> None:
        """Make the layers.

        Args:
            blocks: residual blocks of two 3x3 layers each, from 0.
            width: channels between the layers.
            unshuffle: pixel-unshuffle factor; 1 keeps all pixels.
            end_kernel_size: odd side of the filters of the first and the last layer, in unshuffled pixels.
            cpu_ops: `auto` for the faster operators of `deblur.models.cpu_ops` on a CPU, or `torch` for torch's own.
            channels: channels of the image: 1 for gray, 3 for RGB.

        Raises:
            ValueError: for sizes that are too small, an even kernel size, or other `channels` or `cpu_ops`.
        """
        super().__init__()
        refuse_channels(channels)
        if blocks < 0 or width < 1 or unshuffle < 1 or end_kernel_size < 1 or end_kernel_size % 2 == 0:
            raise ValueError(
                "ResNet needs blocks from 0, a width and an unshuffle factor from 1, and an odd end_kernel_size: "
                f"{blocks}, {width}, {unshuffle}, {end_kernel_size}"
            )
        self.channels = channels
        self.size_divisor = unshuffle
        self.halo = unshuffle * (2 * (end_kernel_size // 2) + 2 * blocks)
        self.first = nn.Conv2d(channels * unshuffle**2, width, end_kernel_size)
        has_fast_operators = uses_fast_operators(cpu_ops)
        self.blocks = nn.Sequential(*(Block(width, has_fast_operators) for _ in range(blocks)))
        self.last = nn.Conv2d(width, channels * unshuffle**2, end_kernel_size)
        _initialize(self.first)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type] # it has one

    @property
    def receptive_field(self) -> int:
        """Return the side of the square of input pixels that one output pixel depends on [px]."""
        return self.size_divisor + 2 * self.halo

    @property
    def macs_per_pixel(self) -> int:
        """Return the MACs per output pixel, boundaries aside, rounded."""
        macs = sum(parameter.numel() for parameter in self.parameters() if parameter.ndim == 4)
        return round(macs / self.size_divisor**2)

    def forward(self, blurred: Tensor, pad: bool = True) -> Tensor:
        """Restore images.

        Args:
            blurred: (N, channels, H, W), in [0, 1].
            pad: surround the image with its mirror image first. Otherwise the input includes its halo, and the
                output does not.

        Returns:
            (N, channels, H, W), or (N, channels, H - 2 halo, W - 2 halo) without padding; not clamped.
            Without padding, the last pixels of sides that are no multiples of `size_divisor` depend on the mirror
            image.
        """
        padded = pad_symmetric(blurred, self.halo if pad else 0, multiple=self.size_divisor)
        reach = 0 if pad else 2 * self.halo
        correction = self._correction(padded)[..., : blurred.shape[-2] - reach, : blurred.shape[-1] - reach]
        return correction + (blurred if pad else inner(blurred, correction.shape))

    def _correction(self, padded: Tensor) -> Tensor:
        features = padded - MIDDLE_GRAY
        if padded.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            features = features.to(torch.get_autocast_dtype("cpu"))
        unshuffled = F.pixel_unshuffle(features, self.size_divisor).contiguous(memory_format=torch.channels_last)
        changes = self.last(torch.relu(self.blocks(self.first(unshuffled))))
        correction: Tensor = F.pixel_shuffle(changes, self.size_divisor)
        return correction.to(padded.dtype)


def _initialize(layer: nn.Conv2d) -> None:
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type] # it has one
