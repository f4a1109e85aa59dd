"""Anime-like faces, gray or in color, for tests and first trainings, drawn without files and without a network."""

from deblur.synthesis.faces.render import draw

__all__ = ["draw"]
