"""Drawn faces blurred by known kernels, and a network that takes the kernel of each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deblur.blur import Kernel, convolve, kernels
from deblur.blur.kernels import Psf
from deblur.models import Unrolled
from deblur.synthesis.faces import draw

Pairs = tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]], list[Psf]]

BOX = kernels.box(5)
LOPSIDED = np.array([[0.0, 0.1, 0.3], [0.1, 0.3, 0.1], [0.1, 0.0, 0.0]])
KERNELS = {"even": BOX, "lopsided": LOPSIDED}


def noisy(image: NDArray[np.uint8], kernel: Psf, sigma: float = 2.0) -> NDArray[np.uint8]:
    """Blur an image, add noise [gray levels], and round it to 8 bits."""
    noise = sigma * np.random.default_rng(image.sum()).standard_normal(image.shape)
    return np.rint(convolve(image, Kernel(kernel)) + noise).clip(0, 255).astype(np.uint8)


def pairs(own: Sequence[Psf]) -> Pairs:
    """Return parts of drawn faces of 47x61 px, the same blurred by a kernel each, and the kernels."""
    sharp = [np.ascontiguousarray(draw(0, index)[80:127, 90:151]) for index in range(len(own))]
    return sharp, [noisy(image, kernel) for image, kernel in zip(sharp, own, strict=True)], list(own)


def unrolled(channels: int = 1, **settings: Any) -> Unrolled:
    """Return a network of one stage with random weights, also of the last layer of its prior."""
    torch.manual_seed(0)
    network = Unrolled(1, 4, 4, channels=channels, **settings)
    for prior in network.priors:
        torch.nn.init.normal_(prior.last.weight, std=0.1)  # type: ignore[union-attr,arg-type] # it is a `Prior`
    return network.eval()
