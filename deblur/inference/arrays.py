"""What the Python interface takes as an image."""

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[Any]

DUST: Final = 1e-4
"""How far floating-point values may lie outside [0, 1], as rounding leaves them: a fortieth of an 8-bit level."""

_LARGEST_FRACTION: Final = 2.0  # what is larger is taken for a level of 8 or 16 bits
_TYPES: Final = "uint8, uint16 or floating point in [0, 1]"
_MOST_CHANNELS: Final = 4
# Modes of Pillow whose numbers are no levels of gray or RGB, and what they are converted to
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
        image: an array, or anything that NumPy makes one of, such as a tensor in the memory of the CPU; or an image of
            Pillow, of which palettes, bits, YCbCr and HSV are converted to gray or RGB, with alpha if there is any.

    Returns:
        (H, W) or (H, W, C) with 1 to 4 channels, uint8, uint16 or floating point; values outside [0, 1] by no more than
        `DUST` are clipped.

    Raises:
        ValueError: for anything else; the text says what was found, and what is expected.
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
        raise ValueError(f"an image is {_TYPES}, not {pixels.dtype}")
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
    # Whatever is no array raises what it likes: a tensor on a GPU TypeError, one with a gradient RuntimeError, ...
    except Exception as error:
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
