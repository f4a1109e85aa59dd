"""Similarity over several scales: MS-SSIM and VIF.

The values are those of torchmetrics, whose functions copy numbers to the device, or search masks for their places, in
each call: both make a GPU wait.
"""

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from deblur.metrics.images import SSIM_RADIUS, gaussian_taps, local_parts, smooth

SSIM_EXPONENTS: Final = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, in the paper
VIF_SCALES: Final = 4
VIF_NOISE: Final = 2.0  # variance of the noise of the eye [gray levels of 255, squared]
_GRAY_LEVELS: Final = 255
_LEAST_VARIANCE: Final = 1e-10  # gray levels squared: less is a flat window


def multiscale_ssim(restored: Tensor, sharp: Tensor) -> Tensor:
    """Compute the multi-scale structural similarity of each image, the mean of its channels.

    Wang et al., "Multi-scale structural similarity for image quality assessment", Asilomar 2003. The coarsest scale is
    extended by its mirror image (without the edge pixel), as in torchmetrics; negative means count as 0.

    Args:
        restored: (N, C, H, W) in [0, 1], at least 176x176.
        sharp: of the same shape.

    Returns:
        (N,) from 0 to 1.
    """
    taps = gaussian_taps()
    first, second = restored.flatten(0, 1), sharp.flatten(0, 1)
    *finer, coarsest = SSIM_EXPONENTS
    product = torch.ones_like(first[:, 0, 0])
    for exponent in finer:
        _, contrast = local_parts(first, second, taps)
        product = product * contrast.mean(dim=(-2, -1)).relu() ** exponent
        first, second = (F.avg_pool2d(planes[:, None], 2)[:, 0] for planes in (first, second))
    first, second = (F.pad(planes, [SSIM_RADIUS] * 4, mode="reflect") for planes in (first, second))
    luminance, contrast = local_parts(first, second, taps)
    product = product * (luminance * contrast).mean(dim=(-2, -1)).relu() ** coarsest
    return product.reshape(sharp.shape[:2]).mean(dim=1)


def vif(restored: Tensor, sharp: Tensor) -> Tensor:
    """Compute the visual information fidelity of each image, the mean of its channels.

    Sheikh and Bovik, "Image information and visual quality", IEEE TIP 2006, in the domain of pixels: the information
    about the sharp image that is left in the restored one, with windows of 17, 9, 5 and 3 px at four scales.

    Args:
        restored: (N, C, H, W) in [0, 1], at least 41x41.
        sharp: of the same shape.

    Returns:
        (N,) from 0, 1 for the sharp image itself; more if the contrast is higher.
    """
    after, before = (images.flatten(0, 1) * _GRAY_LEVELS for images in (restored, sharp))
    kept, whole = torch.zeros_like(after[:, 0, 0]), torch.zeros_like(after[:, 0, 0])
    for scale in range(VIF_SCALES):
        size = 2 ** (VIF_SCALES - scale) + 1
        taps = gaussian_taps(size / 5, size // 2)
        if scale:
            after, before = (smooth(planes, taps)[..., ::2, ::2] for planes in (after, before))
        planes = torch.stack([before, after, before.square(), after.square(), before * after])
        mean, other_mean, square, other_square, common = smooth(planes, taps)
        variance = (square - mean.square()).clamp(min=0)
        other_variance = (other_square - other_mean.square()).clamp(min=0)
        covariance = common - mean * other_mean
        gain = covariance / (variance + _LEAST_VARIANCE)
        is_flat, other_is_flat = variance < _LEAST_VARIANCE, other_variance < _LEAST_VARIANCE
        # What the gain does not explain is noise: all of it where nothing is to be seen, or in the negative.
        noise = torch.where(is_flat | (gain < 0), other_variance, other_variance - gain * covariance)
        noise = noise.masked_fill(other_is_flat, 0).clamp(min=_LEAST_VARIANCE)
        gain = gain.masked_fill(is_flat | other_is_flat, 0).clamp(min=0)
        variance = variance.masked_fill(is_flat, 0)
        kept = kept + torch.log10(1 + gain.square() * variance / (noise + VIF_NOISE)).sum(dim=(-2, -1))
        whole = whole + torch.log10(1 + variance / VIF_NOISE).sum(dim=(-2, -1))
    return (kept / whole).reshape(sharp.shape[:2]).mean(dim=1)
