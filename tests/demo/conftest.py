from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from deblur.inference.building import build_network
from deblur.inference.weights import write_weights

MODEL = {
    "_target_": "deblur.models.SRCNN",
    "kernel_sizes": [3, 1, 3],
    "widths": [4, 2],
    "residual": True,
    "dropout": 0.0,
}
BLUR = {"name": "box", "_target_": "deblur.blur.Box", "size": 5, "noise_sigma": 2.0, "jpeg_quality": None}


@pytest.fixture(scope="session")
def network_at() -> Callable[[Path], Path]:
    """Write a small untrained network that is not the identity."""

    def write(path: Path) -> Path:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = build_network(MODEL)
        description = {"name": path.stem, "settings": {"model": MODEL, "blur": BLUR}}
        write_weights(path, network.state_dict(), description)
        return path

    return write
