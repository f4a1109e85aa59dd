"""Colors that nobody sees, below an alpha of 0."""

from typing import Any

from numpy.typing import NDArray

Pixels = NDArray[Any]


def without_hidden(pixels: Pixels, alpha: Pixels) -> Pixels:
    """Return an image whose hidden pixels have the color of the nearest visible one.

    A hidden color, mostly black, would be drawn into what is visible beside it, as a dark outline.

    Args:
        pixels: (H, W) or (H, W, 3).
        alpha: (H, W); 0 hides a pixel.

    Returns:
        The image itself where no pixel is hidden, or all are.
    """
    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return pixels
    from scipy import ndimage  # type: ignore[import-untyped] # it has no types; and most images need none of it

    nearest = ndimage.distance_transform_edt(hidden, return_distances=False, return_indices=True)
    filled: Pixels = pixels[tuple(nearest)]
    return filled


def with_hidden(restored: Pixels, pixels: Pixels, alpha: Pixels) -> Pixels:
    """Return a restored image with the hidden pixels as they were."""
    hidden = alpha == 0
    if hidden.any():
        restored[hidden] = pixels[hidden]
    return restored
