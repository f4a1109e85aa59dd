"""The parts of a training: all that can be refused before its images are decoded."""

import inspect
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, NamedTuple

import lightning.pytorch as L
from lightning.pytorch.callbacks import Callback
from torch import nn

from deblur.blur import Degradation
from deblur.choices import CUDA_GRAPHS
from deblur.config import TrainConfig, build
from deblur.config.chosen import build_loss, build_metrics
from deblur.config.identity import config_without_paths
from deblur.config.on_device import DEGRADING
from deblur.config.signatures import refuse_unfit_arguments
from deblur.console import LIBRARIES
from deblur.data.datamodule import DeblurDataModule, build_data_module
from deblur.device import accelerator_of, refuse_absent_device
from deblur.errors import UserError
from deblur.inference.building import build_network
from deblur.models.protocol import traits_of
from deblur.text import counted
from deblur.training.module import DeblurModule
from deblur.training.optimizers import build_optimizer, build_scheduler
from deblur.training.trial import refuse_unfit_output

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


class Parts(NamedTuple):
    """What a training is made of."""

    degradation: Degradation
    module: DeblurModule
    data: DeblurDataModule
    callbacks: list[Callback]  # those of the configuration


def build_parts(config: TrainConfig) -> Parts:
    """Build the parts of a training; no image is read.

    Args:
        config: a checked configuration.

    Raises:
        UserError: for a class that cannot be built of its settings.
    """
    trusted = config.trusted
    refuse_unfit_arguments(config)
    degradation = build(config.blur, Degradation, trusted=trusted)
    network = build_network(config.model, trusted)
    _refuse_other_channels(network, config)
    _refuse_graphs(network, config)
    if config.data.degrade_on == "device":  # of a kernel in a file or a custom network, `check` did not know
        degradation.require_tensors(*DEGRADING, noise_is_known=traits_of(network).takes_kernel)
    refuse_unfit_output(network, partial(build_network, config.model, trusted), config.data)
    optimizer = build_optimizer(config.optimizer, network, trusted)
    if config.scheduler is not None:  # the module builds it when the number of steps is known: this one is a trial
        trial = build_optimizer(config.optimizer, network, trusted)
        build_scheduler(config.scheduler, trial, steps=100, trusted=trusted)
    module = DeblurModule(
        model=config.model.plain(),
        optimizer=config.optimizer.plain(),
        scheduler=None if config.scheduler is None else config.scheduler.plain(),
        loss=config.loss,
        metrics=config.metrics,
        seed=config.seed,
        blur=config_without_paths(config.blur.plain()),
        data=config_without_paths(config.data.plain()),
        network=network,
        built_optimizer=optimizer,
        built_loss=build_loss(config.loss, trusted),
        built_metrics=build_metrics(config.metrics, trusted),
    )
    module.trusted = trusted
    data = build_data_module(
        config.data,
        degradation,
        trusted=trusted,
        training_seed=config.seed,
        context=module.context,
        cache_root=config.paths.cache_root,
    )
    callbacks = [build(node, Callback, trusted=trusted) for node in (config.callbacks or {}).values() if node]
    return Parts(degradation, module, data, callbacks)


def _refuse_other_channels(network: nn.Module, config: TrainConfig) -> None:
    """Refuse a custom network that states other channels than its images have; ours are built with theirs."""
    channels, wanted = traits_of(network).channels, config.data.channels
    if channels == wanted:
        return
    change = "change the class"
    arguments = inspect.signature(type(network)).parameters
    if "channels" in arguments and config.model.plain().get("channels") is None:
        change = f"give +model.channels={wanted} if that is what its argument channels means, change the class"
    raise UserError(
        f"data.color={config.data.color} gives images of {counted(wanted, 'channel')}, and {type(network).__name__} is "
        f"for {channels} (its attribute channels, or 1 without it): {change}, or data.color."
    )


def _refuse_graphs(network: nn.Module, config: TrainConfig) -> None:
    """Refuse CUDA graphs on what `trainer.accelerator=auto` is without a GPU, and of a custom non-blind network."""
    if config.model.plain().get("compile") != CUDA_GRAPHS:
        return
    found = accelerator_of(config.trainer.accelerator)
    if found != "gpu":
        raise UserError(
            f"model.compile={CUDA_GRAPHS} records CUDA graphs, and this machine has no CUDA GPU that torch sees "
            f"(trainer.accelerator={config.trainer.accelerator} is {found}): give model.compile=true."
        )
    if traits_of(network).takes_kernel:
        raise UserError(
            f"model.compile={CUDA_GRAPHS} needs tensors of one shape, and the kernels that {type(network).__name__} "
            "takes vary in size: give model.compile=true."
        )


def rehearse(config: TrainConfig) -> int:
    """Build all of a training, and return the number of its network's parameters; nothing is written or trained.

    The images are listed and not read.

    Args:
        config: a checked configuration.

    Raises:
        UserError: as `build_parts` does, for a missing device, and for missing images.
    """
    refuse_absent_device(config.trainer)
    parts = build_parts(config)
    settings = {**config.trainer.plain(), **_ON_ANY_MACHINE, "callbacks": parts.callbacks}
    with _quiet():
        build(settings, L.Trainer, trusted=config.trusted)
    if config.data.target != _DOWNLOADED:
        _ = parts.data.source.names
    return sum(parameter.numel() for parameter in parts.module.network.parameters())


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what Lightning logs about a trainer that trains nothing."""
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
