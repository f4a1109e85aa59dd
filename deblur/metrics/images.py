"""The one definition of PSNR and SSIM."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from deblur.luma import LUMA_WEIGHTS

SSIM_SIGMA = 1.5  # [px]
SSIM_RADIUS = 5  # of the window [px]: 3.5 sigma, as in scikit-image
_SSIM_C1 = 0.01**2  # K1 and K2 of the paper, for a data range of 1
_SSIM_C2 = 0.03**2


def psnr(restored: Tensor, sharp: Tensor) -> Tensor:
    """Compute the peak signal-to-noise ratio of each image, from the mean squared error of all channels.

    Args:
        restored: (N, C, H, W); clamped to [0, 1] before it is compared.
        sharp: (N, C, H, W) in [0, 1].

    Returns:
        (N,) [dB]; infinite if an image is restored exactly.
    """
    # torchmetrics' function copies the data range to the device in each call, which synchronizes a GPU.
    errors = (restored.float().clamp(0, 1) - sharp.float()).square().mean(dim=(1, 2, 3))
    return -10 * torch.log10(errors)


def ssim(restored: Tensor, sharp: Tensor) -> Tensor:
    """Compute the structural similarity of each image, the mean of its channels.

    Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE TIP 2004, with a
    gaussian window of sigma 1.5 px, averaged over the pixels whose window lies inside the image. Equal to
    scikit-image's with `gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1`, with
    `channel_axis` for RGB images.

    Args:
        restored: (N, C, H, W), at least 11x11; clamped to [0, 1] before it is compared.
        sharp: (N, C, H, W) in [0, 1].

    Returns:
        (N,) from -1 to 1.
    """
    taps = gaussian_taps()
    first, second = restored.float().clamp(0, 1).flatten(0, 1), sharp.float().flatten(0, 1)
    if sharp.device.type != "cpu":
        of_channels = _ssim_of(first, second, taps)
    else:
        # One channel at a time: its planes stay in the CPU's cache, which is several times faster.
        of_channels = torch.stack([_ssim_of(*pair, taps) for pair in zip(first, second, strict=True)])
    return of_channels.reshape(sharp.shape[:2]).mean(dim=1)


def ssim_map(restored: Tensor, sharp: Tensor) -> Tensor:
    """Compute the local structural similarity, of which `ssim` is the mean.

    Args:
        restored: (N, C, H, W), at least 11x11; clamped to [0, 1] before it is compared.
        sharp: (N, C, H, W) in [0, 1].

    Returns:
        (N, C, H - 10, W - 10), for the windows that lie inside the image.
    """
    pair = restored.float().clamp(0, 1).flatten(0, 1), sharp.float().flatten(0, 1)
    local = _local_ssim(*pair, gaussian_taps())
    return local.reshape(*sharp.shape[:2], *local.shape[-2:])


def luma(images: Tensor) -> Tensor:
    """Return the luma of images, 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601) in full range, not rounded.

    Papers on super-resolution measure the Y of MATLAB's `rgb2ycbcr` instead, of studio range: 16 + 219 times this luma
    in levels of 255. An error is smaller there by the factor 219 / 255, and a PSNR higher by 1.32 dB; an SSIM differs
    as well.

    Args:
        images: (N, C, H, W), gray or RGB; gray images are their own luma.

    Returns:
        (N, 1, H, W).
    """
    if images.shape[1] == 1:
        return images
    red, green, blue = (images[:, channel : channel + 1] * weight for channel, weight in enumerate(LUMA_WEIGHTS))
    return red + green + blue


def local_parts(first: Tensor, second: Tensor, taps: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Return the two factors of the local structural similarity: of luminance, and of contrast with structure.

    Args:
        first: planes (N, H, W) in [0, 1].
        second: of the same shape.
        taps: weights of the window along each side.

    Returns:
        (N, H - len(taps) + 1, W - len(taps) + 1) each.
    """
    # Both factors by the difference, 2ab = a^2 + b^2 - (a - b)^2: four planes to smooth instead of five, and no
    # cancellation in a flat window.
    difference = first - second
    planes = torch.stack([first, difference, first * first + second * second, difference * difference])
    mean, mean_difference, mean_squares, mean_error = smooth(planes, taps)
    squared_means = mean.square() + (mean - mean_difference).square()
    squared_difference = mean_difference.square()
    luminance = 1 - squared_difference / (squared_means + _SSIM_C1)
    contrast = 1 - (mean_error - squared_difference) / (mean_squares - squared_means + _SSIM_C2)
    return luminance, contrast


def smooth(planes: Tensor, taps: Sequence[float]) -> Tensor:
    """Convolve planes (..., H, W) along both sides with the same symmetric weights, without padding."""
    return _smooth_along(_smooth_along(planes, -2, taps), -1, taps)


def gaussian_taps(sigma: float = SSIM_SIGMA, radius: int = SSIM_RADIUS) -> list[float]:
    """Return the weights of a gaussian window along one side, 2 radius + 1 of sum 1."""
    weights = [math.exp(-0.5 * (x / sigma) ** 2) for x in range(-radius, radius + 1)]
    return [weight / sum(weights) for weight in weights]


def _ssim_of(first: Tensor, second: Tensor, taps: Sequence[float]) -> Tensor:
    return torch.mean(_local_ssim(first, second, taps), dim=(-2, -1))


def _local_ssim(first: Tensor, second: Tensor, taps: Sequence[float]) -> Tensor:
    luminance, contrast = local_parts(first, second, taps)
    return luminance * contrast


def _smooth_along(planes: Tensor, dimension: int, taps: Sequence[float]) -> Tensor:
    size = planes.shape[dimension] - len(taps) + 1
    total = planes.narrow(dimension, 0, size) * taps[0]
    for shift, tap in enumerate(taps[1:], start=1):
        total.add_(planes.narrow(dimension, shift, size), alpha=tap)
    return total
