"""Weights of red, green and blue in the luma (ITU-R BT.601)."""

from typing import Final

LUMA_WEIGHTS: Final = (0.299, 0.587, 0.114)
LUMA_65536THS: Final = (19595, 38470, 7471)  # rounded, as in Pillow
