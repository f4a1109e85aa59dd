"""Loggers whose packages are extras of this one."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final, NamedTuple

from deblur.config.schema import TrainConfig
from deblur.errors import UserError


class _Extra(NamedTuple):
    name: str
    modules: tuple[str, ...]
    option: str


_LOGGERS: Final[Mapping[str, _Extra]] = {
    "deblur.training.loggers.MLflow": _Extra("mlflow", ("mlflow", "sqlalchemy", "alembic"), "logger=mlflow"),
    "deblur.training.loggers.WandB": _Extra("wandb", ("wandb",), "logger=wandb"),
}


def refuse_absent_loggers(config: TrainConfig) -> None:
    """Refuse a logger whose package is not installed; none is imported.

    Args:
        config: of a training.

    Raises:
        UserError: for the first one, with what installs it.
    """
    for node in (config.logger or {}).values():
        extra = None if node is None else _LOGGERS.get(node.target)
        absent = next((module for module in extra.modules if not _is_installed(module)), None) if extra else None
        if extra is not None and absent is not None:
            raise UserError(
                f"{extra.option} needs the package {absent}, which is not installed: pip install "
                f'"deblur-lab[{extra.name}]", or choose another logger.'
            )


def _is_installed(module: str) -> bool:
    """Return whether a package is installed; a folder of its name, as W&B makes one, is none."""
    found = find_spec(module)
    return found is not None and found.origin is not None
