"""The networks."""

from deblur.models.srcnn import SRCNN, mirrored, pad_symmetric

__all__ = ["SRCNN", "mirrored", "pad_symmetric"]
