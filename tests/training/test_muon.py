"""Muon: what its steps are, for layers and for vectors."""

import copy
import math
from typing import Any

import pytest
import torch
from torch import nn

from deblur.config.schema import Optimizer as Settings
from deblur.models import SRCNN
from deblur.training.muon import ADAM_RMS, Muon, orthogonalized
from deblur.training.optimizers import build_optimizer


@pytest.mark.parametrize("shape", [(4, 36), (36, 4), (9, 9), (1, 25), (64, 576)])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_singular_values_become_about_1(shape: tuple[int, int], scale: float) -> None:
    matrix = scale * torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    found = orthogonalized(matrix)
    values = torch.linalg.svdvals(found)
    assert found.shape == shape
    assert values.max() < 1.3
    assert values.max() > 0.6
    if shape != (9, 9):  # a square matrix has tiny ones
        assert values.min() > 0.6


def test_directions_are_kept() -> None:
    matrix = torch.randn(5, 20, generator=torch.Generator().manual_seed(1))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    nearest = left @ right
    cosine = (orthogonalized(matrix) * nearest).sum() / nearest.norm() / orthogonalized(matrix).norm()
    assert cosine > 0.97


def test_nothing_is_made_of_nothing() -> None:
    assert torch.equal(orthogonalized(torch.zeros(3, 7)), torch.zeros(3, 7))


@pytest.mark.parametrize("layer", [nn.Conv2d(8, 16, 3), nn.ConvTranspose2d(16, 8, 2), nn.Linear(30, 12)], ids=repr)
def test_a_step_is_as_large_as_one_of_adam(layer: nn.Module) -> None:
    torch.manual_seed(0)
    weight = layer.weight
    assert isinstance(weight, nn.Parameter)
    before = weight.detach().clone()
    weight.grad = 100 * torch.randn_like(weight)
    Muon([weight], lr=0.01).step()
    size = (weight.detach() - before).square().mean().sqrt().item()
    assert size == pytest.approx(0.01 * ADAM_RMS, rel=0.3)
    assert ((weight.detach() - before) * weight.grad).sum() < 0


def test_vectors_are_stepped_as_by_adam() -> None:
    ours, theirs = (nn.Parameter(torch.tensor([1.0, -2.0, 3.0])) for _ in range(2))
    muon = Muon([ours], lr=0.02, adam_lr_scale=0.5)
    adam = torch.optim.Adam([theirs], lr=0.01, betas=(0.9, 0.99))
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        ours.grad = torch.randn(3, generator=generator)
        theirs.grad = ours.grad.clone()
        muon.step()
        adam.step()
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


def test_weight_decay_shrinks_layers_alone() -> None:
    weight, bias = nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.ones(3))
    weight.grad, bias.grad = torch.zeros(2, 3), torch.zeros(3)
    Muon([weight, bias], lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(weight.detach(), torch.full((2, 3), 0.95))
    torch.testing.assert_close(bias.detach(), torch.ones(3))


def test_it_goes_on_from_its_state() -> None:
    torch.manual_seed(0)
    first = nn.Conv2d(2, 3, 3)
    images = torch.rand(2, 2, 8, 8)

    def steps(layer: nn.Module, optimizer: Muon, count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            layer(images).square().mean().backward()
            optimizer.step()

    muon = Muon(first.parameters(), lr=0.01)
    steps(first, muon, 3)
    second = copy.deepcopy(first)
    resumed = Muon(second.parameters(), lr=0.5)
    resumed.load_state_dict(copy.deepcopy(muon.state_dict()))
    steps(first, muon, 2)
    steps(second, resumed, 2)
    assert torch.equal(first.weight, second.weight)
    assert first.bias is not None
    assert second.bias is not None
    assert torch.equal(first.bias, second.bias)


def test_it_returns_what_its_closure_returns() -> None:
    weight = nn.Parameter(torch.ones(2, 2))

    def closure() -> torch.Tensor:
        loss = weight.square().sum()
        loss.backward()
        return loss

    assert Muon([weight]).step(closure).item() == 4
    assert weight.norm() < 2


@pytest.mark.parametrize(
    "wrong", [{"lr": -1.0}, {"momentum": 1.0}, {"momentum": -0.1}, {"weight_decay": -1.0}, {"adam_lr_scale": -1.0}]
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Muon needs lr, weight_decay and adam_lr_scale from 0"):
        Muon([nn.Parameter(torch.ones(2, 2))], **wrong)


def test_a_configuration_builds_it_with_its_rates() -> None:
    settings = Settings.model_validate(
        {"_target_": "deblur.training.muon.Muon", "lr": 4e-3, "last_layer_lr_scale": 0.1}
    )
    muon = build_optimizer(settings, SRCNN([3, 3], [4]))
    assert isinstance(muon, Muon)
    assert [group["lr"] for group in muon.param_groups] == pytest.approx([4e-3, 4e-4])
    assert math.isclose(muon.param_groups[0]["momentum"], 0.95)
