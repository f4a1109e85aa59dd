"""Make the gate that comes with the package: `python -m scripts.gate`, or `make gate`.

It is trained on dead leaves that each pretrained network in turn has restored: a third of them sharp, a third nearly
sharp, a third blurred. It is calibrated on other dead leaves, and both are drawn from their numbers alone.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from deblur import degradation
from deblur.blur import Degradation, degrade, exposed
from deblur.blur.images import Crop
from deblur.choices import PRETRAINED
from deblur.config import build
from deblur.inference.restorer import Restorer, load
from deblur.synthesis.leaves import draw

SEED: Final = 20  # of the collection of dead leaves
MARGIN: Final = 16  # px that are cut off, into which the mirrored boundary is blurred
KINDS: Final = ("sharp", "nearly sharp", "blurred")
OWN: Final = 0.6  # fraction of the blurred images with a blur of the network's own training


@dataclass(frozen=True)
class Example:
    """An image (H, W), uint8: sharp, as it is given to a network, and restored."""

    kind: str
    network: str
    sharp: NDArray[np.uint8]
    given: NDArray[np.uint8]
    restored: NDArray[np.uint8]


class Examples:
    """Draws images and has them restored."""

    def __init__(self) -> None:
        """Load the pretrained networks."""
        self._restorers: dict[str, Restorer] = {name: load(name, accelerator="cpu") for name in PRETRAINED}
        self._own = {name: build(one.settings["blur"], Degradation) for name, one in self._restorers.items()}
        common: Mapping[str, Any] = {"noise_sigma": [0.0, 3.0]}
        files: Mapping[str, Any] = {"jpeg_quality": [60, 95]}
        self._sharp = (degradation("none"), degradation("none", camera="photo"))
        self._nearly = (
            degradation("gaussian", sigma=[0.3, 0.7]),
            degradation("gaussian", sigma=[0.3, 0.7], **files, noise_sigma=[0.0, 2.0]),
            degradation("none", **files),
            degradation("none", **files),
            degradation("none", noise_sigma=[0.5, 5.0]),
            degradation("none", **files, camera="photo"),
        )
        self._any = (
            degradation("mixed", **common),
            degradation("mixed", **common, jpeg_quality=[70, 100]),
            degradation("mixed", **common, camera="photo"),
            degradation("mixed", **common, jpeg_quality=[70, 100], camera="photo"),
            degradation("varying", **common, jpeg_quality=[70, 100]),
        )

    def of(self, index: int) -> Iterator[Example]:
        """Yield an example of each kind of an image, each restored by another network."""
        image = draw(SEED, index)
        rng = np.random.default_rng([SEED, index])
        for place, kind in enumerate(KINDS):
            name = PRETRAINED[(index + place) % len(PRETRAINED)]
            chosen = self._degradation(kind, name, rng)
            sampled = chosen.sample(rng)
            crop = Crop("valid", (MARGIN, MARGIN))
            sharp = exposed(crop.cut(image), chosen, sampled)
            # The camera's noise and rounding alone: its sharp images count as sharp.
            given = sharp if kind == "sharp" else degrade(image, chosen, sampled, crop)
            yield Example(kind, name, sharp, given, self._restorers[name](given))

    def _degradation(self, kind: str, network: str, rng: np.random.Generator) -> Degradation:
        if kind == "blurred" and rng.random() < OWN:
            return self._own[network]
        choices = {"sharp": self._sharp, "nearly sharp": self._nearly, "blurred": self._any}[kind]
        return choices[int(rng.integers(len(choices)))]
