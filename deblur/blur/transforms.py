"""The degradation as a step of an albumentations pipeline: the only file that imports albumentations."""

from typing import Any

import albumentations
import numpy as np
from numpy.typing import NDArray

from deblur.blur.degradation import Degradation, Sampled, degrade
from deblur.blur.images import WHOLE, Crop


class Degrade(albumentations.ImageOnlyTransform):  # type: ignore[misc] # albumentations has no types
    """Degrade the target `image` of every call; masks and targets added as masks stay as they are.

    Give the sharp image twice, as `image` and as a target added with `additional_targets={"sharp": "mask"}`, and the
    flips before this step turn both. What is drawn can be given as `sampled`; else it is drawn from the pipeline's
    generator.
    """

    def __init__(self, degradation: Degradation, crop: Crop = WHOLE) -> None:
        """Wrap a degradation.

        Args:
            degradation: What to draw from and apply.
            crop: What to keep of the degraded image.
        """
        super().__init__(p=1.0)  # the base class' 0.5 would leave half of the images sharp
        self.degradation = degradation
        self.crop = crop

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 # the interface of albumentations
        """Take what was drawn, or draw it from the pipeline's generator, once for each call."""
        return {"sampled": data.get("sampled") or self.degradation.sample(self.random_generator)}

    def apply(self, img: NDArray[np.uint8], sampled: Sampled, **_: Any) -> NDArray[np.uint8]:
        """Degrade an image, shape (H, W) or (H, W, 3)."""
        return degrade(img, self.degradation, sampled, self.crop)


def mirrored_and_degraded(mirror: tuple[bool, bool], degradation: Degradation, crop: Crop) -> albumentations.Compose:
    """Return a pipeline from `image`, `sharp` and what was drawn, `sampled`, to both images mirrored, one degraded.

    Args:
        mirror: Whether both are mirrored left-right, and top-bottom.
        degradation: What is applied to the mirrored image.
        crop: What is kept of the degraded image; the sharp one stays whole.
    """
    flips = (albumentations.HorizontalFlip(p=1.0), albumentations.VerticalFlip(p=1.0))
    wanted = [flip for flip, is_wanted in zip(flips, mirror, strict=True) if is_wanted]
    return albumentations.Compose([*wanted, Degrade(degradation, crop)], additional_targets={"sharp": "mask"})
