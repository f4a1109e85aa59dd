"""The networks."""

from deblur.models.resnet import ResNet
from deblur.models.srcnn import SRCNN, mirrored, pad_symmetric
from deblur.models.wiener_srcnn import WienerSRCNN

__all__ = ["SRCNN", "ResNet", "WienerSRCNN", "mirrored", "pad_symmetric"]
