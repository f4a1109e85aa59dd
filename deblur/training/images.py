"""Blurred, restored and sharp images side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from deblur.blur.images import AnyImage, image_of
from deblur.data.datasets import Sample, as_float, collate_images

if TYPE_CHECKING:
    from deblur.training.module import DeblurModule

ERROR_GAIN = 4  # the error's levels are shown this much brighter
PAPER = 255  # level around images that are smaller than their place


class Restoration(NamedTuple):
    """One image three times, (H, W) or (H, W, 3) each."""

    blurred: AnyImage
    restored: AnyImage
    sharp: AnyImage


def restore_sample(module: "DeblurModule", sample: Sample) -> Restoration:
    """Restore one sample of an evaluation data set, in float32."""
    given = [as_float(planes.to(module.device)) for planes in module.inputs(collate_images([sample]))]
    was_training = module.training
    module.eval()
    with torch.no_grad(), torch.autocast(module.device.type, enabled=False):
        restored = to_uint8(module(*given))
    module.train(was_training)
    return Restoration(*map(image_of, (sample["blurred"], restored[0], sample["sharp"])))


def to_uint8(images: Tensor) -> AnyImage:
    """Return images in [0, 1] as levels, of the same shape."""
    levels = images.float().clamp(0, 1).mul(255).round().byte().numpy(force=True)
    return np.asarray(levels, dtype=np.uint8)


def error_map(restored: AnyImage, sharp: AnyImage) -> AnyImage:
    """Return the absolute difference of two images, channel by channel, made brighter to be seen."""
    difference = np.abs(restored.astype(np.int16) - sharp.astype(np.int16)) * ERROR_GAIN
    return np.asarray(np.minimum(difference, 255), dtype=np.uint8)


def comparison_grid(restorations: Sequence[Restoration], with_error: bool = False) -> AnyImage:
    """Return an image with one image a row: blurred | restored | sharp, and the error if wanted.

    Args:
        restorations: all gray, or all RGB.
        with_error: whether the error is shown.
    """
    height, width, *channels = np.max([one.sharp.shape for one in restorations], axis=0)
    rows = [[*one, error_map(one.restored, one.sharp)] if with_error else list(one) for one in restorations]
    page = np.full((len(rows) * height, len(rows[0]) * width, *channels), PAPER, np.uint8)
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            page[y * height :, x * width :][: image.shape[0], : image.shape[1]] = image
    return page
