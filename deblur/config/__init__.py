"""The configuration: composing, checking, building."""

from deblur.config.build import build
from deblur.config.check import Config, check

__all__ = ["Config", "build", "check"]
