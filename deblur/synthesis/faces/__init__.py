"""Faces drawn by a program: images for tests and first trainings that need no files and no network.

`draw(seed, index)` returns an anime-like face in gray levels. The same numbers always give the same face.
"""

from deblur.synthesis.faces.render import draw
from deblur.synthesis.faces.view import IMAGE_SIZE

__all__ = ["IMAGE_SIZE", "draw"]
