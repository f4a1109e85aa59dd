"""The forward model as a step of an albumentations pipeline."""

from typing import Any

import albumentations
import numpy as np
from numpy.typing import NDArray

from deblur.blur.degradation import Degradation, Sampled


class Degrade(albumentations.ImageOnlyTransform):  # type: ignore[misc] # albumentations has no types
    """Degrade the target `image` of every call; masks and targets added as masks stay as they are.

    Give the sharp image twice, as `image` and as a target added with `additional_targets={"sharp": "mask"}`, and the
    flips before this step turn both.
    """

    def __init__(self, degradation: Degradation) -> None:
        """Wrap a degradation.

        Args:
            degradation: What to draw from and apply.
        """
        super().__init__(p=1.0)  # the base class' 0.5 would leave half of the images sharp
        self.degradation = degradation

    def get_params(self) -> dict[str, Any]:
        """Draw from the pipeline's generator, once for each call."""
        return {"sampled": self.degradation.sample(self.random_generator)}

    def apply(self, img: NDArray[np.uint8], sampled: Sampled, **_: Any) -> NDArray[np.uint8]:
        """Degrade a gray image, shape (H, W)."""
        return self.degradation.apply(img, sampled)
