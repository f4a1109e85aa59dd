"""The networks."""

from deblur.models.srcnn import SRCNN, mirrored, pad_symmetric
from deblur.models.wiener_srcnn import WienerSRCNN

__all__ = ["SRCNN", "WienerSRCNN", "mirrored", "pad_symmetric"]
