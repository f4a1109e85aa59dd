"""Which images are large enough for a training patch, or for the crop of validation and test."""

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from deblur.errors import UserError

if TYPE_CHECKING:  # OpenCV: a command that is refused starts sooner without it
    from deblur.blur.images import Crop
    from deblur.config import TrainConfig

Shape = tuple[int, int]  # height and width [px]

_log = logging.getLogger(__name__)


def fitting(shapes: Sequence[Shape], indices: Iterable[int], crop: "Crop", least: int = 1) -> tuple[int, ...]:
    """Return those of some images whose crop is at least `least` px high and wide."""
    return tuple(index for index in indices if min(crop.shape(shapes[index])) >= least)


def too_large_patch(patch_size: int | None, shapes: Sequence[Shape], margin: Shape, images: str) -> UserError:
    """Return the refusal of a training patch that no image has room for.

    Args:
        patch_size: The side of the patch [px]; None for whole images.
        shapes: Height and width of each image [px]; at least one.
        margin: Rows above and below, and columns left and right, that a valid boundary takes from an image [px].
        images: What the images are, in the plural.
    """
    largest = _largest(shapes, margin)
    height, width = _within(largest, margin)
    room = min(height, width)
    if max(margin) == 0:
        return UserError(
            f"data.patch_size={patch_size} is larger than all {images}, of which the largest is {_px(largest)}. Set "
            f"data.patch_size={room} or less."
        )
    if room < 1:
        return nothing_left(shapes, images, margin)
    return UserError(
        f"data.patch_size={patch_size} is too large for all {images}: with data.boundary=valid the blur takes "
        f"{_sides(margin)}, which leaves {_px((height, width))} of the largest, of {_px(largest)}. Set "
        f"data.patch_size={room} or less, or take a smaller blur or data.boundary=symmetric."
    )


def nothing_left(
    shapes: Sequence[Shape], images: str, margin: Shape, instead: str = "data.boundary=symmetric"
) -> UserError:
    """Return the refusal of a valid boundary that leaves nothing of any image.

    The arguments are those of `too_large_patch`, and the setting to use instead.
    """
    needed = (2 * margin[0] + 1, 2 * margin[1] + 1)
    return UserError(
        f"A valid boundary leaves nothing of the {images}: the blur takes {_sides(margin)}, so that an image needs at "
        f"least {_px(needed)}, and the largest is {_px(_largest(shapes, margin))}. Take a smaller blur, larger images "
        f"or {instead}."
    )


def large_enough(
    shapes: Sequence[Shape], indices: Sequence[int], crop: "Crop", images: str, patch_size: int | None = None
) -> tuple[int, ...]:
    """Return the images of a split that are large enough; warn of the others.

    Args:
        shapes: Height and width of each image [px].
        indices: The images of the split.
        crop: What is used of each.
        images: What they are, in the plural.
        patch_size: Side of a training patch, 1 for whole images [px]; None for images to measure.

    Raises:
        UserError: None is large enough.
    """
    found = fitting(shapes, indices, crop, patch_size or 1)
    if not found:
        raise too_large_patch(patch_size, [shapes[index] for index in indices], crop.margin, images)
    left_out = [shapes[index] for index in sorted(set(indices).difference(found))]
    if not left_out:
        return found
    number, smallest = f"{len(left_out)} of {len(indices)} {images}", _px(min(left_out, key=min))
    taken = f"a valid boundary, which takes {_sides(crop.margin)}"
    if patch_size is None:
        _log.warning(f"{number} are left out: {taken}, leaves nothing of them. The smallest is {smallest}.")
        return found
    room = min(_room(shape, crop.margin) for shape in left_out)
    boundary = f" within {taken}" if max(crop.margin) else ""
    advice = f" data.patch_size={room} or less would take all." if room >= 1 else ""
    _log.warning(
        f"{number} are left out of this training: they are too small for a patch of {patch_size} px{boundary}. The "
        f"smallest is {smallest}.{advice}"
    )
    return found


def refuse_too_large_patch(config: "TrainConfig") -> None:
    """Refuse a training patch that no image has room for, if that can be known before an image is decoded.

    The headers of files are read until one has room; a file whose header does not say its size counts as large enough.

    Args:
        config: A checked configuration.

    Raises:
        UserError: No image has room.
    """
    data = config.data
    patch_size, is_real = data.patch_size, data.boundary == "valid"
    if patch_size is None and not is_real:
        return
    margin = _margin(config) if is_real else (0, 0)
    found: list[Shape] = []
    from deblur.data.sources import source_of

    source = source_of(data, config.trusted)
    for shape in source.known_shapes():
        if shape is None:
            return
        upright = _largest([shape, shape[::-1]], margin)  # a camera may have stored it on its side
        if _room(upright, margin) >= (patch_size or 1):
            return
        found.append(upright)
    if found:
        raise too_large_patch(patch_size, found, margin, source.kind)


def _margin(config: "TrainConfig") -> Shape:
    from deblur.blur import Degradation
    from deblur.config import build

    return build(config.blur, Degradation, trusted=config.trusted).reach


def _largest(shapes: Sequence[Shape], margin: Shape) -> Shape:
    """Return the image with the most room."""
    return max(shapes, key=lambda shape: _room(shape, margin))


def _room(shape: Shape, margin: Shape) -> int:
    """Return the side of the largest patch in an image; below 1 if there is none [px]."""
    return min(_within(shape, margin))


def _within(shape: Shape, margin: Shape) -> Shape:
    return shape[0] - 2 * margin[0], shape[1] - 2 * margin[1]


def _px(shape: Shape) -> str:
    return f"{shape[1]}x{shape[0]} px"


def _sides(margin: Shape) -> str:
    rows, columns = margin
    return f"{rows} px of each side" if rows == columns else f"{rows} rows and {columns} columns of each side"
