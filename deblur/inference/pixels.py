"""Arrays that are restored: which are accepted, by networks for gray and RGB, and colors below an alpha of 0."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np

from deblur.choices import DEFAULT_COLOR, Color
from deblur.inference.levels import BT601, Pixels, as_levels, as_unit, rounded, white_of
from deblur.inference.tiles import Plane, Planes

DUST: Final = 1e-4
"""How far floating-point values may lie outside [0, 1], as rounding leaves them: a fortieth of an 8-bit level."""
_LARGEST_FRACTION: Final = 2.0  # larger values are taken for levels of 8 or 16 bits
_MOST_CHANNELS: Final = 4
_BLOCK_ROWS: Final = 256  # computed at once, so that no second image in float32 is held
# Modes of Pillow whose numbers are no levels of gray or RGB, and the modes to which they are converted
_CONVERTED: Final = {
    "1": "L",
    "P": "RGB",
    "PA": "RGBA",
    "La": "LA",
    "RGBa": "RGBA",
    "RGBX": "RGB",
    "YCbCr": "RGB",
    "HSV": "RGB",
}
_REFUSED: Final = {
    "CMYK": "the inks of a print, whose colors depend on a printer: convert it to RGB with its profile",
    "LAB": "Lab colors: convert it to RGB with PIL.ImageCms",
    "I": "whole numbers of 32 bits, of which none is defined as white: give an array of uint16, or of floating point "
    "in [0, 1]",
}


def as_pixels(image: Any) -> Pixels:
    """Return an image as an array of native byte order, with values of floating point in [0, 1].

    Args:
        image: an array, or anything that NumPy converts, such as a tensor in the memory of the CPU; or an image of
            Pillow, of which palettes, bits, YCbCr and HSV are converted to gray or RGB, with alpha if there is any.

    Returns:
        (H, W) or (H, W, C) with 1 to 4 channels, uint8, uint16 or floating point; values outside [0, 1] by no more than
        `DUST` are clipped.

    Raises:
        ValueError: for anything else, with what was found and what is expected.
    """
    pixels = _array(_converted(image))
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.ndim not in (2, 3) or not 1 <= channels <= _MOST_CHANNELS or pixels.size == 0:
        raise ValueError(
            f"an image has the shape (H, W) or (H, W, C) with 1 to {_MOST_CHANNELS} channels, not {pixels.shape}"
        )
    native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if native.dtype in (np.uint8, np.uint16):
        return native
    if not np.issubdtype(native.dtype, np.floating):
        raise ValueError(f"an image is uint8, uint16 or floating point in [0, 1], not {pixels.dtype}")
    lowest, highest = native.min(), native.max()
    if not np.isfinite(lowest) or not np.isfinite(highest):
        raise ValueError("an image in floating point has values in [0, 1], and this one has NaN or infinite ones")
    if lowest < -DUST or highest > 1 + DUST:
        are_levels = lowest >= 0 and highest > _LARGEST_FRACTION
        advice = "divide 8-bit levels by 255, and 16-bit ones by 65535" if are_levels else "scale or clip it"
        raise ValueError(
            f"an image in floating point has values in [0, 1], not from {lowest:g} to {highest:g}: {advice}"
        )
    return native if lowest >= 0 and highest <= 1 else np.clip(native, 0, 1)


def _array(image: Any) -> Pixels:
    try:
        return np.asarray(image)
    except Exception as error:  # of many kinds: TypeError for a tensor on a GPU, RuntimeError for one with a gradient
        reason = " ".join(str(error).split())
        raise ValueError(
            f"an image is an array, and NumPy makes none of this {type(image).__name__}: {reason}"
        ) from error


def _converted(image: Any) -> Any:
    """Return an image of Pillow in a mode whose numbers are levels; anything else as it is."""
    mode = getattr(image, "mode", None)
    if not isinstance(mode, str) or not hasattr(image, "has_transparency_data"):
        return image
    if mode in _REFUSED:
        raise ValueError(f"the image has mode {mode}, {_REFUSED[mode]}")
    target = _CONVERTED.get(mode)
    if target is None:
        return image
    return image.convert(f"{target}A" if target in ("L", "RGB") and image.has_transparency_data else target)


def plane_count(pixels: Pixels, color: Color = DEFAULT_COLOR) -> int:
    """Return how many planes `restore_pixels` restores, for a progress bar."""
    return 3 if pixels.ndim == 3 and pixels.shape[2] >= 3 and color == "channels" else 1


def restore_pixels(pixels: Pixels, restore: Callable[[Plane], Plane], color: Color = DEFAULT_COLOR) -> Pixels:
    """Restore the gray planes of an image one after the other, with a network for gray images.

    With `luma`, the Y of full-range YCbCr (ITU-R BT.601, the gray that networks are trained on) is restored and clipped
    to [0, 1]; Cb and Cr stay. A change of Y alone adds the same amount to red, green and blue, which is computed
    without the rounding of a conversion and back. A color that thus leaves the gamut is clipped in each channel, which
    slightly changes its hue and its luma.

    With `channels`, red, green and blue are each restored and clipped; this follows blurs that differ between colors,
    takes three times as long, and can leave colored fringes. A gray image is one plane either way.

    A plane that is restored to itself returns exactly the same whole numbers.

    Args:
        pixels: (H, W) or (H, W, 3), uint8 or uint16 of full range, or floating point in [0, 1].
        restore: maps a plane (H, W) in [0, 1] to one of the same size, clamped or not.
        color: `luma` or `channels`.

    Returns:
        New pixels of the same shape and type; whole numbers are rounded to the nearest level.
    """
    if pixels.ndim == 2:
        return as_levels(restore(as_unit(pixels)), pixels)
    restored = np.empty_like(pixels)
    if color == "channels":
        for channel in range(3):
            restored[..., channel] = as_levels(restore(as_unit(pixels[..., channel])), pixels)
        return restored
    luma = np.empty(pixels.shape[:2], np.float32)
    blocks = [slice(top, top + _BLOCK_ROWS) for top in range(0, len(pixels), _BLOCK_ROWS)]
    for rows in blocks:
        luma[rows] = as_unit(pixels[rows]) @ BT601
    restored_luma = restore(luma)
    white = white_of(pixels)
    for rows in blocks:
        change = np.clip(restored_luma[rows], 0, 1) - luma[rows]
        restored[rows] = np.clip(rounded(pixels[rows] + change[..., None] * white, pixels), 0, white)
    return restored


def restore_rgb(pixels: Pixels, tiles: Callable[[Pixels], Iterable[tuple[slice, slice, Planes]]]) -> Pixels:
    """Restore an image with a network for RGB images, of which one tile at a time is held in floating point.

    A gray image is restored as a color image of three equal channels, and the luma of the result is taken.

    Args:
        pixels: as in `restore_pixels`.
        tiles: returns the rows, the columns and the values (3, rows, columns), clamped or not, of each restored tile of
            an image (H, W, 3).

    Returns:
        As `restore_pixels` does.
    """
    colors = pixels if pixels.ndim == 3 else np.broadcast_to(pixels[..., None], (*pixels.shape, 3))
    restored = np.empty_like(pixels)
    for rows, columns, tile in tiles(colors):
        values = np.moveaxis(tile, 0, 2)
        restored[rows, columns] = as_levels(values if pixels.ndim == 3 else np.clip(values, 0, 1) @ BT601, pixels)
    return restored


def restore_visible(pixels: Pixels, alpha: Pixels, restore: Callable[[Pixels], Pixels]) -> Pixels:
    """Restore an image without its hidden colors, mostly black, which would bleed into their surroundings.

    Hidden pixels are filled with the nearest visible color first, and keep their own color in the result.

    Args:
        pixels: (H, W) or (H, W, 3).
        alpha: (H, W); 0 hides a pixel.
        restore: maps pixels to new ones of the same shape.
    """
    hidden = alpha == 0
    if not hidden.any():
        return restore(pixels)
    restored = restore(visible(pixels, alpha))
    restored[hidden] = pixels[hidden]
    return restored


def visible(pixels: Pixels, alpha: Pixels | None) -> Pixels:
    """Return an image whose hidden pixels have the nearest visible color; the image itself if all or none are hidden.

    Args:
        pixels: (H, W) or (H, W, 3).
        alpha: (H, W); 0 hides a pixel. None hides none.
    """
    if alpha is None:
        return pixels
    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return pixels
    from scipy import ndimage  # type: ignore[import-untyped] # it has no types; and most images need none of it

    nearest = ndimage.distance_transform_edt(hidden, return_distances=False, return_indices=True)
    filled: Pixels = pixels[tuple(nearest)]
    return filled
