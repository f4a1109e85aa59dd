"""Schedulers, and optimizers with a learning rate of their own for the last layer."""

from collections.abc import Sequence

from lightning.pytorch.utilities.types import LRSchedulerConfigType
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from deblur.config import build, schema
from deblur.errors import UserError

NEVER = 10**9  # [epochs]
ONE_CYCLE = "torch.optim.lr_scheduler.OneCycleLR"


def build_optimizer(settings: schema.Optimizer, network: nn.Module, trusted: Sequence[str] = ()) -> Optimizer:
    """Build an optimizer in which the last layer's rate is `lr` times `last_layer_lr_scale`.

    Dong et al., arXiv 1501.00092, section 3.3, take a tenth in the last layer and call it important for convergence.

    Args:
        settings: the class, `lr`, `last_layer_lr_scale` and what else the class takes.
        network: whose parameters are trained.
        trusted: modules of the user's own whose classes may be built.
    """
    node = {key: value for key, value in settings.plain().items() if key != "last_layer_lr_scale"}
    last = list(last_layer(network).parameters(recurse=False))
    others = [parameter for parameter in network.parameters() if all(parameter is not one for one in last)]
    groups = [{"params": last, "lr": settings.lr * settings.last_layer_lr_scale}]
    if others:
        groups.insert(0, {"params": others})
    return build(node, Optimizer, groups, trusted=trusted)


def build_scheduler(
    settings: schema.Scheduler, optimizer: Optimizer, steps: int, trusted: Sequence[str] = ()
) -> LRSchedulerConfigType:
    """Build a learning-rate scheduler, in the form that Lightning takes.

    Args:
        settings: the class and its arguments; `interval` (epoch or step) says how often it steps, and
            `monitor` what it watches, if it watches something.
        optimizer: whose rates are changed. OneCycleLR takes each group's own rate as its highest.
        steps: of the whole training; OneCycleLR takes it.
        trusted: modules of the user's own whose classes may be built.
    """
    given = settings.plain()
    node = {key: value for key, value in given.items() if key not in ("interval", "monitor")}
    if settings.target == ONE_CYCLE:
        node |= {"max_lr": [group["lr"] for group in optimizer.param_groups], "total_steps": steps}
    described: LRSchedulerConfigType = {
        "scheduler": build(node, LRScheduler, optimizer, trusted=trusted),
        "interval": given.get("interval", "epoch"),
    }
    if "monitor" in given:
        described |= {"monitor": given["monitor"], "frequency": NEVER}  # the LightningModule steps it
    return described


def last_layer(network: nn.Module) -> nn.Module:
    """Return the last module, in order of registration, that has parameters of its own."""
    layers = [module for module in network.modules() if any(True for _ in module.parameters(recurse=False))]
    if not layers:
        raise UserError(
            f"{type(network).__name__} has no parameters, so there is nothing to train: choose another model."
        )
    return layers[-1]
