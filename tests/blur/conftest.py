from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray


@pytest.fixture(params=[(37, 31), (64, 48), (1, 29), (23, 1)], ids=lambda shape: "x".join(map(str, shape)))
def noise_image(request: pytest.FixtureRequest) -> NDArray[np.uint8]:
    """Independent gray levels in odd and non-square shapes: nothing a wrong axis or boundary could hide behind."""
    return np.random.default_rng(0).integers(0, 256, request.param, dtype=np.uint8)


@pytest.fixture(scope="session")
def textured_image() -> NDArray[np.uint8]:
    """A 121x97 image of stripes, edges and grain over all gray levels, brighter towards one corner."""
    rows, columns = np.mgrid[:121, :97]
    stripes = 60 * np.sin(columns / 2.5) + 50 * (((rows // 13) + (columns // 9)) % 2)
    grain = np.random.default_rng(1).normal(0, 15, rows.shape)
    return (stripes + grain + 50 + 0.8 * rows + 0.5 * columns).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def kernel_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a kernel of 5x9 px and sum 1 that equals none of its mirror images."""
    psf = np.random.default_rng(4).random((5, 9)) ** 3
    path = tmp_path_factory.mktemp("kernels") / "lopsided.npy"
    np.save(path, psf / psf.sum())
    return path
