"""Networks that repair what a Wiener filter restores, calibrated on a few drawn faces."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deblur.blur import Kernel, convolve, kernels
from deblur.blur.images import image_of, planes_of
from deblur.blur.kernels import Psf
from deblur.models import WienerSRCNN
from deblur.synthesis.faces import draw

Pairs = tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]], list[Psf]]

BOX = kernels.box(5)
LOPSIDED = np.array([[0.0, 0.1, 0.3], [0.1, 0.3, 0.1], [0.1, 0.0, 0.0]])
KERNELS = {"even": BOX, "lopsided": LOPSIDED}


def noisy(image: NDArray[np.uint8], kernel: Psf, sigma: float = 2.0) -> NDArray[np.uint8]:
    """Blur an image, add noise [gray levels], and round it to 8 bits."""
    noise = sigma * np.random.default_rng(image.sum()).standard_normal(image.shape)
    blurred = image_of(np.stack([convolve(np.ascontiguousarray(each), Kernel(kernel)) for each in planes_of(image)]))
    return np.rint(blurred + noise).clip(0, 255).astype(np.uint8)


def pairs(own: Sequence[Psf], channels: int = 1) -> Pairs:
    """Return parts of drawn faces of 47x61 px, the same blurred by a kernel each, and the kernels.

    Those of three channels have a face in each.
    """
    sharp = [np.ascontiguousarray(draw(0, index)[80:127, 90:151]) for index in range(len(own))]
    if channels == 3:
        sharp = [np.stack([face, sharp[0], 255 - face], axis=2) for face in sharp]
    return sharp, [noisy(image, kernel) for image, kernel in zip(sharp, own, strict=True)], list(own)


def calibrated(
    kernel: Psf = BOX, kernel_sizes: Sequence[int] = (5, 3), widths: Sequence[int] = (4,), **settings: Any
) -> WienerSRCNN:
    """Return a network for one kernel, with random weights of its layers."""
    torch.manual_seed(0)
    network = WienerSRCNN(kernel_sizes, widths, **settings)
    network.calibrate(*pairs([kernel] * 4, network.channels))
    return network.eval()
