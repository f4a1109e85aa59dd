"""The configuration: composing, checking, building."""

from deblur.config.build import build
from deblur.config.check import check
from deblur.config.commands import EvaluateConfig
from deblur.config.schema import TrainConfig

__all__ = ["EvaluateConfig", "TrainConfig", "build", "check"]
