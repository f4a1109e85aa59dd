"""Everything of a training that can be refused before its images are decoded, made and thrown away."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import lightning.pytorch as L
from lightning.pytorch.callbacks import Callback

from deblur.blur import Degradation
from deblur.config import TrainConfig, build
from deblur.config.chosen import build_loss, build_metrics
from deblur.config.signatures import refuse_unfit_arguments
from deblur.console import LIBRARIES
from deblur.data.datamodule import build_data_module
from deblur.device import refuse_absent_device
from deblur.inference.building import build_network
from deblur.training.module import DeblurModule
from deblur.training.optimizers import build_optimizer, build_scheduler

_DOWNLOADED: Final = "deblur.data.AnimeFacesData"
_ON_ANY_MACHINE: Final[Mapping[str, Any]] = {
    "accelerator": "cpu",
    "devices": 1,
    "strategy": "auto",
    "precision": "32-true",
    "deterministic": False,
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def rehearse(config: TrainConfig) -> int:
    """Make the parts of a training and return the number of its network's parameters; nothing is written or trained.

    The images are listed and not read.

    Args:
        config: a checked configuration.

    Raises:
        UserError: for a class that cannot be built of its settings, a device that is not there, images that are not.
    """
    trusted = config.trusted
    refuse_unfit_arguments(config)
    refuse_absent_device(config.trainer)
    degradation = build(config.blur, Degradation, trusted=trusted)
    network = build_network(config.model, trusted)
    module = DeblurModule(
        model=config.model.plain(),
        optimizer=config.optimizer.plain(),
        loss=config.loss,
        metrics=config.metrics,
        seed=config.seed,
        network=network,
        built_loss=build_loss(config.loss, trusted),
        built_metrics=build_metrics(config.metrics, trusted),
    )
    optimizer = build_optimizer(config.optimizer, network, trusted)
    if config.scheduler is not None:
        build_scheduler(config.scheduler, optimizer, steps=100, trusted=trusted)
    callbacks = [build(node, Callback, trusted=trusted) for node in (config.callbacks or {}).values() if node]
    with _quiet():
        build({**config.trainer.plain(), **_ON_ANY_MACHINE, "callbacks": callbacks}, L.Trainer, trusted=trusted)
    data = build_data_module(
        config.data,
        degradation,
        trusted=trusted,
        context=module.context,
        cache_root=config.paths.cache_root,
    )
    if config.data.target != _DOWNLOADED:
        _ = data.source.names
    return sum(parameter.numel() for parameter in network.parameters())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning from telling of a trainer that trains nothing."""
    loggers = [logging.getLogger(name) for name in LIBRARIES]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
