from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from deblur.blur import kernels
from deblur.models import SRCNN, ResNet, WienerSRCNN

Build = Callable[[int], nn.Module]

BUILDS: list[Build] = [
    lambda channels: SRCNN((5, 3), (6,), channels=channels),
    lambda channels: SRCNN((5, 3), (6,), residual=False, channels=channels),
    lambda channels: ResNet(1, 6, unshuffle=2, channels=channels),
    lambda channels: WienerSRCNN((5, 3), (6,), noise_scales=(0.5, 2.0), channels=channels),
]
IDS = ["srcnn", "not residual", "resnet", "wiener_srcnn"]


def inputs_of(network: nn.Module, channels: int) -> list[Tensor]:
    given = [torch.rand(2, channels, 22, 18)]
    return [*given, torch.rand(2, 2 * channels, 22, 18)] if isinstance(network, WienerSRCNN) else given


@pytest.mark.parametrize("build", BUILDS, ids=IDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_output_has_the_channels_of_the_input(build: Build, channels: int) -> None:
    network = build(channels)
    given = inputs_of(network, channels)
    assert network(*given).shape == given[0].shape
    halo = network.halo
    assert isinstance(halo, int)
    assert network(*given, pad=False).shape == (2, channels, 22 - 2 * halo, 18 - 2 * halo)


@pytest.mark.parametrize("build", BUILDS, ids=IDS)
def test_each_channel_is_restored_from_all_three(build: Build) -> None:
    network = build(3)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    given = inputs_of(network, 3)
    given[0].requires_grad_()
    for channel in range(3):
        (gradient,) = torch.autograd.grad(network(*given)[:, channel].sum(), given[0])
        assert (gradient.abs().sum((0, 2, 3)) > 0).all()


@pytest.mark.parametrize("build", BUILDS, ids=IDS)
@pytest.mark.parametrize("channels", [0, 2, 4, True, 3.0])
def test_other_numbers_of_channels_are_refused(build: Build, channels: int) -> None:
    with pytest.raises(ValueError, match=f"channels={channels} is not allowed: give 1 for gray or 3 for RGB"):
        build(channels)


def test_macs_count_the_channels() -> None:
    gray, rgb = (SRCNN((9, 3, 1, 5), (64, 32, 16), channels=channels) for channels in (1, 3))
    assert rgb.macs_per_pixel - gray.macs_per_pixel == 2 * (81 * 64 + 25 * 16)


def test_a_color_correction_is_added_to_the_first_estimate_of_the_same_channel() -> None:
    network = WienerSRCNN((3, 1), (4,), noise_scales=(1.0, 2.0), channels=3)
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    blurred, estimate = torch.rand(1, 3, 8, 9), torch.rand(1, 6, 8, 9)
    torch.testing.assert_close(network(blurred, estimate), estimate[:, :3])


def test_the_wiener_estimate_of_a_color_image_is_that_of_its_channels() -> None:
    rng = np.random.default_rng(0)
    sharp = [rng.integers(0, 256, (24, 30, 3), dtype=np.uint8) for _ in range(3)]
    blurred = [(image // 2 + 60).astype(np.uint8) for image in sharp]
    network = WienerSRCNN((3, 1), (4,), noise_scales=(1.0, 3.0), channels=3)
    network.calibrate(sharp, blurred, [kernels.box(3)] * 3)
    prefilter = network.prefilter()
    image = blurred[0].astype(np.float32) / 255
    estimate = prefilter(image)
    assert estimate.shape == (6, 24, 30)
    for channel in range(3):
        np.testing.assert_array_equal(estimate[channel::3], prefilter(np.ascontiguousarray(image[..., channel])))
