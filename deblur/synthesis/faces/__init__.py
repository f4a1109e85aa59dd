"""Anime-like faces in gray levels for tests and first trainings, drawn without files and without a network."""

from deblur.synthesis.faces.render import draw

__all__ = ["draw"]
