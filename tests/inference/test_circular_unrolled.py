"""A network for circular images that takes the kernel says what it is not for."""

from pathlib import Path

import numpy as np
import pytest

import deblur
from deblur.inference.weights import write_weights
from deblur.models import Unrolled


@pytest.mark.parametrize("boundary", ["circular", "unknown"])
def test_photographs_bring_a_warning(boundary: str, tmp_path: Path) -> None:
    arguments = {"stages": 1, "width": 4, "inner_width": 4, "boundary": boundary}
    settings = {
        "model": {"_target_": "deblur.models.Unrolled", **arguments},
        "blur": {"_target_": "deblur.blur.Box", "size": 3},
    }
    weights = Unrolled(1, 4, 4, boundary=boundary).state_dict()
    write_weights(tmp_path / "a.safetensors", weights, {"name": "a", "settings": settings})
    restorer = deblur.load(tmp_path / "a.safetensors", accelerator="cpu")
    is_warned = restorer.caveat.startswith("a was trained with data.boundary=circular: it takes each image")
    assert is_warned is (boundary == "circular")
    image = np.full((12, 10), 100, np.uint8)
    np.testing.assert_array_equal(restorer(image, kernel=[[1.0]]), image)  # a list is a kernel as well
