from typing import Any

import pytest
import torch
from torch import nn

from deblur.config.schema import Optimizer, Scheduler
from deblur.errors import UserError
from deblur.models import SRCNN
from deblur.training.optimizers import build_optimizer, build_scheduler, last_layer

ADAM = {"_target_": "torch.optim.Adam", "lr": 0.01, "weight_decay": 0.0, "last_layer_lr_scale": 0.1}


def optimizer_of(network: nn.Module, **changes: Any) -> torch.optim.Optimizer:
    return build_optimizer(Optimizer.model_validate(ADAM | changes), network)


def test_the_last_layer_has_its_own_rate() -> None:
    network = SRCNN((9, 3, 5), (4, 3))
    optimizer = optimizer_of(network)
    rates = {id(one): group["lr"] for group in optimizer.param_groups for one in group["params"]}
    last = network.convolutions[-1]
    assert len(rates) == 6
    for parameter in network.parameters():
        is_last = any(parameter is one for one in last.parameters())
        assert rates[id(parameter)] == pytest.approx(0.001 if is_last else 0.01)


def test_a_step_moves_the_last_layer_less() -> None:
    network = SRCNN((3, 3), (4,))
    before = [parameter.clone() for parameter in network.parameters()]
    optimizer = optimizer_of(network, _target_="torch.optim.SGD", momentum=0.9)
    network(torch.rand(1, 1, 9, 9)).sum().backward()
    optimizer.step()
    moved = [(new - old).abs().max() for new, old in zip(network.parameters(), before, strict=True)]
    for parameter, distance in zip(network.parameters(), moved, strict=True):
        assert parameter.grad is not None
        rate = 0.001 if any(parameter is one for one in network.convolutions[-1].parameters()) else 0.01
        torch.testing.assert_close(distance, rate * parameter.grad.abs().max(), rtol=1e-4, atol=1e-7)


def test_a_network_of_one_layer_has_only_a_last_one() -> None:
    network = nn.Conv2d(1, 1, 3)
    assert last_layer(network) is network
    optimizer = optimizer_of(network)
    assert [group["lr"] for group in optimizer.param_groups] == [pytest.approx(0.001)]


def test_the_cosine_ends_at_its_floor() -> None:
    optimizer = optimizer_of(SRCNN((3, 3), (4,)), last_layer_lr_scale=1.0)
    node = {"_target_": "torch.optim.lr_scheduler.CosineAnnealingLR", "T_max": 4, "eta_min": 0.0}
    scheduler = build_scheduler(Scheduler.model_validate(node), optimizer, steps=99)["scheduler"]
    rates = []
    for _ in range(4):
        optimizer.step()
        scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.00853553, 0.005, 0.00146447, 0.0], abs=1e-8)


def test_one_cycle_takes_all_steps_and_the_rate_of_each_layer() -> None:
    optimizer = optimizer_of(SRCNN((3, 3), (4,)))
    node = {"_target_": "torch.optim.lr_scheduler.OneCycleLR", "pct_start": 0.3, "interval": "step"}
    told = build_scheduler(Scheduler.model_validate(node), optimizer, steps=10)
    rates = []
    for _ in range(9):
        optimizer.step()
        told["scheduler"].step()
        rates.append([group["lr"] for group in optimizer.param_groups])
    assert told["interval"] == "step"
    assert [max(one) for one in zip(*rates, strict=True)] == pytest.approx([0.01, 0.001])
    assert rates[-1][0] < 1e-6


def test_a_plateau_watches_what_it_is_told() -> None:
    optimizer = optimizer_of(SRCNN((3, 3), (4,)))
    node = {"_target_": "torch.optim.lr_scheduler.ReduceLROnPlateau", "patience": 0, "monitor": "val/loss"}
    told = build_scheduler(Scheduler.model_validate(node), optimizer, steps=10)
    assert told["monitor"] == "val/loss"
    for value in (1.0, 2.0):
        told["scheduler"].step(value)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.001)


def test_an_unknown_argument_is_a_sentence() -> None:
    with pytest.raises(UserError, match=r"torch\.optim\.Adam: .*'beta'.* It takes: lr, betas"):
        optimizer_of(SRCNN((3, 3), (4,)), beta=0.9)
