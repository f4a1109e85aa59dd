"""The networks."""

from deblur.models.srcnn import SRCNN, pad_symmetric

__all__ = ["SRCNN", "pad_symmetric"]
