"""Optimizers with a learning rate of their own for the last layer."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from deblur.config import build


def build_optimizer(settings: Mapping[str, Any], network: nn.Module, trusted: Sequence[str] = ()) -> Optimizer:
    """Build an optimizer in which the last layer's rate is `lr` times `last_layer_lr_scale`.

    Dong et al., arXiv 1501.00092, section 3.3, take a tenth in the last layer and call it important for convergence.

    Args:
        settings: `_target_`, `lr`, `last_layer_lr_scale` and what else the class takes.
        network: whose parameters are trained.
        trusted: modules of the user's own whose classes may be built.
    """
    node = {key: value for key, value in settings.items() if key != "last_layer_lr_scale"}
    last = list(last_layer(network).parameters(recurse=False))
    others = [parameter for parameter in network.parameters() if all(parameter is not one for one in last)]
    groups = [{"params": last, "lr": settings["lr"] * settings.get("last_layer_lr_scale", 1.0)}]
    if others:
        groups.insert(0, {"params": others})
    return build(node, Optimizer, groups, trusted=trusted)


def build_scheduler(settings: Mapping[str, Any], optimizer: Optimizer, trusted: Sequence[str] = ()) -> LRScheduler:
    """Build a learning-rate scheduler that steps once an epoch."""
    return build(settings, LRScheduler, optimizer, trusted=trusted)


def last_layer(network: nn.Module) -> nn.Module:
    """Return the last module, in order of registration, that has parameters of its own."""
    layers = [module for module in network.modules() if any(True for _ in module.parameters(recurse=False))]
    return layers[-1]
