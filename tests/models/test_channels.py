from collections.abc import Callable

import pytest
import torch
from torch import nn

from deblur.models import SRCNN, ResNet

Build = Callable[[int], nn.Module]

BUILDS: list[Build] = [
    lambda channels: SRCNN((5, 3), (6,), channels=channels),
    lambda channels: SRCNN((5, 3), (6,), residual=False, channels=channels),
    lambda channels: ResNet(1, 6, unshuffle=2, channels=channels),
]
IDS = ["srcnn", "not residual", "resnet"]


@pytest.mark.parametrize("build", BUILDS, ids=IDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_output_has_the_channels_of_the_input(build: Build, channels: int) -> None:
    network = build(channels)
    given = torch.rand(2, channels, 22, 18)
    assert network(given).shape == given.shape
    halo = network.halo
    assert isinstance(halo, int)
    assert network(given, pad=False).shape == (2, channels, 22 - 2 * halo, 18 - 2 * halo)


@pytest.mark.parametrize("build", BUILDS, ids=IDS)
def test_each_channel_is_restored_from_all_three(build: Build) -> None:
    network = build(3)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    given = torch.rand(2, 3, 22, 18, requires_grad=True)
    for channel in range(3):
        (gradient,) = torch.autograd.grad(network(given)[:, channel].sum(), given)
        assert (gradient.abs().sum((0, 2, 3)) > 0).all()


@pytest.mark.parametrize("build", BUILDS, ids=IDS)
@pytest.mark.parametrize("channels", [0, 2, 4, True, 3.0])
def test_other_numbers_of_channels_are_refused(build: Build, channels: int) -> None:
    with pytest.raises(ValueError, match=f"channels={channels} is not allowed: give 1 for gray or 3 for RGB"):
        build(channels)


def test_macs_count_the_channels() -> None:
    gray, rgb = (SRCNN((9, 3, 1, 5), (64, 32, 16), channels=channels) for channels in (1, 3))
    assert rgb.macs_per_pixel - gray.macs_per_pixel == 2 * (81 * 64 + 25 * 16)
