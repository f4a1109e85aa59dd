"""RGB images from gray drawings, whose luma is exactly that of the drawing."""

import colorsys
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deblur.luma import LUMA_65536THS

Color = tuple[float, float, float]  # red, green and blue at full brightness: the largest is 255
Plane = NDArray[np.float32]

COLORLESS: Final[Color] = (255.0, 255.0, 255.0)

_RED, _GREEN, _BLUE = (weight / sum(LUMA_65536THS) for weight in LUMA_65536THS)
_LEAST: Final = np.float32(1e-6)  # instead of a division by 0


def luma_of(color: Color) -> float:
    """Return the luma of a color at full brightness, 0 to 255."""
    red, green, blue = color
    return _RED * red + _GREEN * green + _BLUE * blue


def color_of(hue: float, saturation: float, level: float = 0.0) -> Color:
    """Return a color at full brightness, as pale as it has to be to exist at a luma.

    Args:
        hue: [degrees], 0 for red, 120 for green.
        saturation: 0 to 1, that of HSV.
        level: luma at which the color is needed, 0 to 255. The lighter, the paler: near white there are only pale
            colors.
    """
    red, green, blue = colorsys.hsv_to_rgb(hue / 360 % 1, 1, 255)
    darkness = 255 - luma_of((red, green, blue))
    largest = (255 - level) / max(darkness, 1.0)
    paleness = 1 - max(min(saturation, largest), 0.0)
    return (red + (255 - red) * paleness, green + (255 - green) * paleness, blue + (255 - blue) * paleness)


def with_colors(image: NDArray[np.uint8], colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the RGB image (H, W, 3) of gray levels (H, W) in colors at full brightness (H, W, 3).

    Each color is dimmed to the gray level of its pixel, as by a weaker light, which keeps hue and saturation.
    """
    full, gray = colors.astype(np.float32), image.astype(np.float32)
    dimming = gray / (full @ np.array([_RED, _GREEN, _BLUE], np.float32))
    return with_differences(image, full[..., 0] * dimming - gray, full[..., 2] * dimming - gray)


def with_differences(image: NDArray[np.uint8], red: Plane, blue: Plane) -> NDArray[np.uint8]:
    """Return the RGB image (H, W, 3) of gray levels and color differences; its luma is exactly the gray levels.

    If a channel would leave [0, 255], both differences of the pixel are reduced by the same factor: it becomes paler
    and keeps its hue. Red and blue are rounded first. Green is then rounded from what is missing to the gray level:
    by half a level at most, which changes the luma by less than 0.3, so that the luma rounds to the gray level.

    Args:
        image: gray levels (H, W).
        red: R - Y, red minus luma (H, W), in levels of 255.
        blue: B - Y, likewise.
    """
    gray = image.astype(np.float32)
    green = (red * np.float32(_RED) + blue * np.float32(_BLUE)) * np.float32(-1 / _GREEN)
    above = np.maximum(np.maximum(red, blue), green)
    below = np.minimum(np.minimum(red, blue), green)
    factor = np.minimum((255 - gray) / np.maximum(above, _LEAST), gray / np.maximum(-below, _LEAST))
    np.minimum(factor, 1, out=factor)
    channels = np.empty((*image.shape, 3), np.uint8)
    rounded_red, rounded_blue = np.rint(gray + red * factor), np.rint(gray + blue * factor)
    channels[..., 0], channels[..., 2] = rounded_red, rounded_blue
    missing = gray - rounded_red * np.float32(_RED) - rounded_blue * np.float32(_BLUE)
    channels[..., 1] = np.clip(np.rint(missing * np.float32(1 / _GREEN)), 0, 255)
    return channels
