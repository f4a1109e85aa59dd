"""The configuration: composing, checking, building."""

from deblur.config.build import build
from deblur.config.check import Config, check, refuse_trust_in_files

__all__ = ["Config", "build", "check", "refuse_trust_in_files"]
