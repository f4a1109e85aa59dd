from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from deblur.blur import Kernel, convolve
from deblur.blur.kernels import Psf
from deblur.synthesis.faces import draw

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


@pytest.fixture(scope="session")
def faces() -> list[NDArray[np.uint8]]:
    """Drawn faces of 256x256 px."""
    return [draw(0, index) for index in range(6)]


@pytest.fixture(scope="session")
def small_faces(faces: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """Parts of faces of 73x90 px: quick to restore, odd and not square."""
    return [face[60:133, 80:170] for face in faces]


@pytest.fixture(scope="session")
def degrade() -> Callable[[NDArray[np.uint8], Psf], NDArray[np.uint8]]:
    """Blur an image and round it to 8 bits, with noise if a sigma [gray levels] is given."""

    def degraded(image: NDArray[np.uint8], psf: Psf, noise_sigma: float = 0.0) -> NDArray[np.uint8]:
        noise = noise_sigma * np.random.default_rng(image.sum()).standard_normal(image.shape)
        return np.rint(convolve(image, Kernel(psf)) + noise).clip(0, 255).astype(np.uint8)

    return degraded
