"""The orientation in a picture's metadata, and turning pixels upright by it."""

from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ORIENTATION: Final = 0x0112  # the tag of TIFF and EXIF
UPRIGHT: Final = 1  # its value for pixels that are shown as they are stored

Level = TypeVar("Level", bound=np.generic)


def orientation(image: Image.Image) -> int:
    """Return the orientation of a picture, 1 to 8, or what else its metadata say; 1 where they cannot be read."""
    try:
        return int(image.getexif().get(ORIENTATION, UPRIGHT))
    except Exception:  # damaged metadata, of which any error may come, leave the pixels as they are
        return UPRIGHT


def upright(pixels: NDArray[Level], stored: int) -> NDArray[Level]:
    """Turn pixels as a viewer shows them.

    Args:
        pixels: (H, W) or (H, W, C) as stored.
        stored: their orientation; a value that EXIF does not know leaves them as they are.

    Returns:
        A view of the pixels, of shape (H, W), (W, H), (H, W, C) or (W, H, C).
    """
    if stored in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if stored in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if stored in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
