"""The properties of a network, and the defaults of a plain module."""

import subprocess
import sys

import pytest
from torch import nn

from deblur.errors import UserError
from deblur.models import SRCNN, ResNet, Unrolled
from deblur.models.protocol import Traits, traits_of


def test_a_plain_module_works_with_the_defaults() -> None:
    assert traits_of(nn.Conv2d(1, 1, 3, padding=1)) == Traits(None, 1, None, None)


@pytest.mark.parametrize(
    ("network", "traits"),
    [
        (SRCNN((9, 1, 5), (64, 32)), Traits(6, 1, 13, 8032)),
        (ResNet(1, 4, 3), Traits(12, 3, 27, 104)),
        (SRCNN((9, 1, 5), (64, 32), channels=3), Traits(6, 1, 13, 20_000, channels=3)),
        (ResNet(1, 4, 3, channels=3), Traits(12, 3, 27, 248, channels=3)),
        (Unrolled(2, 4, 4), Traits(None, 1, None, Unrolled(2, 4, 4).macs_per_pixel, stages=2)),
    ],
)
def test_networks_of_the_package_define_all_members(network: nn.Module, traits: Traits) -> None:
    assert traits_of(network) == traits


@pytest.mark.parametrize("value", [0, 2, 1001, 1.0, True, None])
def test_a_size_divisor_that_does_not_divide_the_halo_is_refused(value: object) -> None:
    network = nn.Identity()
    network.halo, network.size_divisor = 9, value  # type: ignore[assignment] # wrong values too
    with pytest.raises(UserError, match=r"size_divisor=.* is not allowed with halo=9: give a whole number from 1 to"):
        traits_of(network)


@pytest.mark.parametrize("value", [0, 2, 4, -1, 3.0, True, "3", None, (3,)])
def test_channels_that_no_image_has_are_refused(value: object) -> None:
    network = nn.Identity()
    network.channels = value  # type: ignore[assignment] # wrong values too
    with pytest.raises(
        UserError,
        match=r"channels=.* is not allowed: it states the channels of the images, 1 for gray or 3 for RGB\. Give",
    ):
        traits_of(network)


def test_no_torch_is_imported() -> None:
    code = "import sys, deblur.models.protocol; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
