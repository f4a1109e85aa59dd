"""Which images are large enough for a training patch, or for what validation and test see of them."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from deblur.errors import UserError

if TYPE_CHECKING:  # OpenCV: a command that is refused starts sooner without it
    from deblur.data.crops import Crop

Shape = tuple[int, int]  # height and width [px]

_SYNTHETIC: Final = "deblur.data.SyntheticData"
_PHOTOS: Final = "deblur.data.PhotosData"
_TREES: Final = ("deblur.data.FolderData", "deblur.data.PairsData")


def fitting(shapes: Sequence[Shape], indices: Iterable[int], crop: "Crop", least: int = 1) -> tuple[int, ...]:
    """Return those of some images of which a frame leaves enough.

    Args:
        shapes: Height and width of each image [px].
        indices: The images in question.
        crop: What is seen of an image.
        least: Smallest height and width that has to be left [px].
    """
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

    Args:
        shapes: Height and width of each image [px]; at least one.
        images: What the images are, in the plural.
        margin: Rows above and below, and columns left and right, that the boundary takes from an image [px].
        instead: The setting that does without a valid boundary.
    """
    needed = (2 * margin[0] + 1, 2 * margin[1] + 1)
    return UserError(
        f"A valid boundary leaves nothing of the {images}: the blur takes {_sides(margin)}, so that an image needs at "
        f"least {_px(needed)}, and the largest is {_px(_largest(shapes, margin))}. Take a smaller blur, larger images "
        f"or {instead}."
    )


def too_small_for_patches(left_out: Sequence[Shape], count: int, patch_size: int, margin: Shape) -> str:
    """Return the sentence that tells of training images without room for a patch.

    Args:
        left_out: Height and width of each of them [px].
        count: Number of all training images.
        patch_size: The side of the patch [px]; 1 for whole images.
        margin: What a valid boundary takes from each [px].
    """
    room = min(_room(shape, margin) for shape in left_out)
    boundary = f" within a valid boundary, which takes {_sides(margin)}" if max(margin) else ""
    advice = f" data.patch_size={room} or less would take all." if room >= 1 else ""
    return (
        f"{len(left_out)} of {count} training images are left out of this training: they are too small for a patch of "
        f"{patch_size} px{boundary}. The smallest is {_px(min(left_out, key=min))}.{advice}"
    )


def too_small_to_measure(left_out: Sequence[Shape], count: int, images: str, margin: Shape) -> str:
    """Return the sentence that tells of images of which a valid boundary leaves nothing.

    Args:
        left_out: Height and width of each of them [px].
        count: Number of all images of that kind.
        images: What the images are, in the plural.
        margin: What the boundary takes from each [px].
    """
    return (
        f"{len(left_out)} of {count} {images} are left out: a valid boundary, which takes {_sides(margin)}, leaves "
        f"nothing of them. The smallest is {_px(min(left_out, key=min))}."
    )


def refuse_too_large_patch(config: Mapping[str, Any]) -> None:
    """Refuse a training patch that no image has room for, if that can be known before an image is decoded.

    Of drawn images the size is known. Of files the headers are read until one has room; a file whose header tells no
    size is taken to have it.

    Args:
        config: A checked configuration.

    Raises:
        UserError: No image has room.
    """
    data = config["data"]
    patch_size, is_real = data["patch_size"], data.get("boundary") == "valid"
    if patch_size is None and not is_real:
        return
    margin = _margin(config) if is_real else (0, 0)
    found: list[Shape] = []
    for shape in _stored_shapes(data):
        if shape is None:
            return
        upright = _largest([shape, shape[::-1]], margin)  # a camera may have stored it on its side
        if _room(upright, margin) >= (patch_size or 1):
            return
        found.append(upright)
    if found:
        images = "drawn images" if data["_target_"] == _SYNTHETIC else "images"
        raise too_large_patch(patch_size, found, margin, images)


def _stored_shapes(data: Mapping[str, Any]) -> Iterator[Shape | None]:
    """Yield the sizes of images as far as they can be known without decoding; None for one of which they cannot."""
    target = data["_target_"]
    if target == _SYNTHETIC:
        from deblur.synthesis import IMAGE_SIZE

        yield IMAGE_SIZE, IMAGE_SIZE
    elif target == _PHOTOS:
        from deblur.data.photographs import photographs

        yield from map(_stored_shape, photographs(data["max_images"], data["seed"]).paths())
    elif target in _TREES:
        from deblur.data.folders import walk

        key = "sharp" if data.get("sharp") else "root"  # blurred images beside the sharp ones are as large
        root = Path(data[key])
        yield from (_stored_shape(root / name) for name in walk(root, f"data.{key}"))


def _stored_shape(path: Path) -> Shape | None:
    from deblur.image_io.formats.opening import open_image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = open_image(path.read_bytes(), path)
        except Exception:  # a damaged file can raise nearly anything
            return None
    return image.height, image.width


def _margin(config: Mapping[str, Any]) -> Shape:
    from deblur.blur import Degradation
    from deblur.config import build

    height, width = build(config["blur"], Degradation, trusted=config["trusted"]).max_kernel_size
    return height // 2, width // 2


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
