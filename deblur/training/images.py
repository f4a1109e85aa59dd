"""Blurred, restored and sharp images side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from deblur.blur.images import AnyImage, image_of, most_blurred
from deblur.data.datasets import Sample, as_float, collate_images

if TYPE_CHECKING:
    from deblur.training.module import DeblurModule

ERROR_GAIN = 4  # the error's levels are shown this much brighter
PAPER = 255  # level around images that are smaller than their place
INK = 0  # level of letters
COLUMNS = ("blurred", "restored", "sharp", f"error x{ERROR_GAIN}")
LEAST_CELL = 128  # px; smaller images are enlarged to about this side
GAP = 4  # px between images
# Parts of an image's width: TensorBoard shows the grid at a third of its size.
FONT_SIZE = 1 / 9
LABEL = 1 / 7  # height of a line of letters
LINE = 1 / 85  # width of a line of the frame


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


def comparison_grid(restorations: Sequence[Restoration]) -> AnyImage:
    """Return an image with one image a row: blurred | restored | sharp.

    Args:
        restorations: all gray, or all RGB.
    """
    height, width, *channels = np.max([one.sharp.shape for one in restorations], axis=0)
    page = np.full((len(restorations) * height, 3 * width, *channels), PAPER, np.uint8)
    for y, row in enumerate(restorations):
        for x, image in enumerate(row):
            page[y * height :, x * width :][: image.shape[0], : image.shape[1]] = image
    return page


def detailed_grid(restorations: Sequence[Restoration]) -> AnyImage:
    """Return an image with one image a row, blurred | restored | sharp | error, labeled, and a detail below each row.

    The detail is where the blurred image differs most from the sharp one: the same one whatever the network. A frame
    marks it in the image. Images and details are enlarged by whole numbers, without interpolation.

    Args:
        restorations: all gray, or all RGB.
    """
    height, width, *channels = (int(size) for size in np.max([one.sharp.shape for one in restorations], axis=0))
    zoom = max(1, LEAST_CELL // max(height, width))
    high, wide = zoom * height + GAP, zoom * width + GAP
    label, line = round(LABEL * wide), max(1, round(LINE * wide))
    each = 2 * high + label
    page = np.full((label + len(restorations) * each - GAP, 4 * wide - GAP, *channels), PAPER, np.uint8)
    _write(page[:label], COLUMNS, wide)
    for y, one in enumerate(restorations):
        top, left, side = most_blurred(one.blurred, one.sharp)
        times = zoom * min(height, width) // side
        start = label + y * each
        for x, image in enumerate((*one, error_map(one.restored, one.sharp))):
            detail = image[top : top + side, left : left + side]
            framed = _framed(_enlarged(image, zoom), zoom * top, zoom * left, zoom * side, line)
            for row, shown in ((start, framed), (start + high + label - GAP, _enlarged(detail, times))):
                page[row:, x * wide :][: shown.shape[0], : shown.shape[1]] = shown
        _write(page[start + high - GAP :][:label], (f"framed detail x{times}",), wide)
    return page


def _enlarged(image: AnyImage, times: int) -> AnyImage:
    return image.repeat(times, axis=0).repeat(times, axis=1)


def _framed(image: AnyImage, top: int, left: int, side: int, line: int) -> AnyImage:
    """Return an image with a white line and a black one around a square, both `line` px wide."""
    framed, inner = image.copy(), image[top : top + side, left : left + side]
    for distance, level in ((2 * line, INK), (line, PAPER)):
        first_row, first_column = max(top - distance, 0), max(left - distance, 0)
        framed[first_row : top + side + distance, first_column : left + side + distance] = level
    framed[top : top + side, left : left + side] = inner
    return framed


def _write(strip: AnyImage, labels: Sequence[str], step: int) -> None:
    """Write labels into a strip of a page, one every `step` pixels."""
    height, width = strip.shape[:2]
    line = Image.new("L", (width, height), PAPER)
    draw, font = ImageDraw.Draw(line), ImageFont.load_default(FONT_SIZE * step)
    for place, label in enumerate(labels):
        draw.text((place * step + GAP, height / 2), label, INK, font, anchor="lm")
    letters = np.asarray(line)
    strip[:] = letters if strip.ndim == 2 else letters[..., None]
