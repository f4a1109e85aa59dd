"""What a network gains on wide blur at full size and at smaller scales: `python -m studies.scales`.

Images in color of 512x512 px, each of four dead leaves, are blurred in a camera by kernels about 20 and 40 px wide,
with a valid boundary. The networks restore without the gate. The scale that `deblur.restore` chooses is that of the
estimated blur.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import deblur
from deblur.blur import degrade, exposed
from deblur.blur.images import Crop
from deblur.console import say, table
from deblur.inference.scaling import FULL
from deblur.inference.simulation import gain
from deblur.synthesis.leaves import draw

SEED: Final = 2204  # of dead leaves
IMAGES: Final = 3
SIDE: Final = 2  # drawings a side of an image
BLURS: Final[tuple[tuple[str, dict[str, float]], ...]] = (
    ("gaussian", {"sigma": 5.0}),
    ("gaussian", {"sigma": 10.0}),
    ("disk", {"radius": 10.0}),
    ("disk", {"radius": 20.0}),
    ("motion", {"length": 20.0}),
    ("motion", {"length": 40.0}),
)
SCALES: Final = (1, 2, 4)
GENERAL: Final = "default"


def main() -> None:
    """Measure the gains of each blur, by the network for its family and by the general one."""
    images = [_mosaic(number) for number in range(IMAGES)]
    rows = []
    for family, parameters in BLURS:
        for network in (GENERAL, "motion" if family == "motion" else "defocus"):
            rows.append(_row(network, family, parameters, images))
            say(" ".join(rows[-1]))
    header = ["blur", "network", *(f"1/{scale}" for scale in SCALES), "chosen", "scales chosen"]
    say(table("gain [dB] at each scale", header, rows))


def _mosaic(number: int) -> NDArray[np.uint8]:
    parts = [draw(SEED, number * SIDE**2 + part, "rgb") for part in range(SIDE**2)]
    return np.concatenate([np.concatenate(parts[row * SIDE : (row + 1) * SIDE], axis=1) for row in range(SIDE)])


def _row(network: str, family: str, parameters: dict[str, float], images: list[Any]) -> list[str]:
    restorer = deblur.load(network, accelerator="cpu", precision="32-true")
    gains: dict[int, list[float]] = {scale: [] for scale in SCALES}
    of_chosen, chosen = [], []
    for number, sharp in enumerate(images):
        rng = np.random.default_rng(number)
        given: dict[str, float] = {**parameters, "angle": rng.uniform(0, 180)} if family == "motion" else parameters
        blur = deblur.degradation(family, **given, camera="photo")
        sampled = blur.sample(rng)
        assert sampled.psf is not None
        down, across = (side // 2 for side in sampled.psf.shape)
        crop = Crop("valid", (down, across))
        blurred, target = degrade(sharp, blur, sampled, crop), exposed(crop.cut(sharp), blur, sampled)
        for scale in SCALES:
            gains[scale].append(
                gain(blurred, restorer(blurred, scale=FULL / scale, strength=1), target, of_luma=False).difference
            )
        chosen.append(restorer.scale_for(deblur.estimate_blur(blurred)))
        of_chosen.append(
            gain(blurred, restorer(blurred, scale=chosen[-1], strength=1), target, of_luma=False).difference
        )
    name = " ".join([family, *(f"{key} {value:g}" for key, value in parameters.items())])
    scales = ", ".join(sorted({f"1/{1 / scale:.0f}" for scale in chosen}))
    return [name, network, *(f"{np.mean(gains[scale]):+.2f}" for scale in SCALES), f"{np.mean(of_chosen):+.2f}", scales]


if __name__ == "__main__":
    main()
