"""Configurations of a few keys, for tests of what reads no others."""

from typing import Any, Final

from deblur.config import TrainConfig
from deblur.config.schema import ComparisonGrids, Optimizer, OwnData, Trainer
from deblur.config.sections import OpenTarget, Target

_KINDS: Final[dict[str, type[Target]]] = {
    "model": OpenTarget,
    "blur": OpenTarget,
    "optimizer": Optimizer,
    "scheduler": OpenTarget,
    "data": OwnData,
    "trainer": Trainer,
}


def constructed(values: dict[str, Any]) -> TrainConfig:
    """Return a configuration that was not checked; the keys that are not given are missing, or have their defaults."""
    sections = {
        key: _KINDS[key].model_construct(**value) if key in _KINDS and value is not None else value
        for key, value in values.items()
    }
    if sections.get("callbacks"):
        sections["callbacks"] = {
            name: ComparisonGrids.model_construct(**value) for name, value in sections["callbacks"].items()
        }
    if "paths" in sections:
        sections["paths"] = OpenTarget.model_construct(**sections["paths"])
    return TrainConfig.model_construct(**sections)
