import subprocess
import sys

import pytest

HEAVY = ("lightning", "hydra", "omegaconf", "albumentations", "torchmetrics", "scipy", "matplotlib")


MODULES = {
    "import deblur.image_io.reading, deblur.image_io.writing, deblur.inference.pixels, deblur.inference.tiles": (
        *HEAVY,
        "torch",
        "cv2",
    ),
    "import deblur.inference.torch_network, deblur.inference.trained": tuple(
        name
        for name in HEAVY
        if name != "omegaconf"  # reads the configuration of a run
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("imports", "heavy"), MODULES.items())
def test_a_start_is_quick(imports: str, heavy: tuple[str, ...]) -> None:
    code = f"{imports}, sys; print(*(name for name in {heavy} if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.split() == []
