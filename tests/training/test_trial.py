"""A custom network is tried on a patch before anything is trained."""

from typing import Any

import pytest
import torch
from data_settings import SETTINGS
from torch import Tensor, nn

from deblur.config.schema import DataSettings
from deblur.errors import UserError
from deblur.models import SRCNN
from deblur.training.trial import refuse_unfit_output


def settings_of(**section: Any) -> DataSettings:
    return DataSettings.model_validate(SETTINGS | section)


class Own(nn.Module):
    """Maps images by one layer, which is told to go wrong."""

    def __init__(self, inputs: int = 1, outputs: int = 1, cut: int = 0) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.BatchNorm2d(inputs), nn.Conv2d(inputs, outputs, 3, padding=1), nn.Dropout(0.5))
        self.cut = cut

    def forward(self, blurred: Tensor) -> Any:
        found = self.layer(blurred)
        return found[..., self.cut :, :]


class Haloed(Own):
    halo = 2

    def forward(self, blurred: Tensor, pad: bool = True) -> Any:
        found = self.layer(blurred)
        return found if pad else found[..., self.cut : -self.cut, self.cut : -self.cut]


class Pair(Own):
    def forward(self, blurred: Tensor) -> Any:
        return self.layer(blurred), 0


@pytest.mark.parametrize(
    ("network", "color", "told"),
    [
        (
            Own(1, 3),
            "gray",
            r"Own returns \(1, 3, 32, 32\) for a blurred patch \(1, 1, 32, 32\) of data.color=gray, and",
        ),
        (
            Own(3, 1),
            "rgb",
            r"Own returns \(1, 1, 32, 32\) .* of data.color=rgb, and its target is \(1, 3, 32, 32\): ch",
        ),
        (
            Own(3, 3),
            "gray",
            r"Own fails on a blurred patch \(1, 1, 32, 32\) of data.color=gray with RuntimeError: .*\(.*",
        ),
        (Own(cut=1), "gray", r"Own returns \(1, 1, 31, 32\)"),
        (Haloed(cut=1), "gray", r"\(1, 1, 34, 34\) for a .* \(1, 1, 36, 36\) .* as a network with halo=2 cuts off its"),
        (Pair(), "gray", r"Pair returns tuple for a blurred patch"),
    ],
)
def test_another_output_is_a_sentence(network: nn.Module, color: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        refuse_unfit_output(network, settings_of(color=color, patch_size=32))


@pytest.mark.parametrize("network", [Own(), Haloed(cut=2), Own(3, 3), SRCNN([3], [])])
def test_a_fitting_network_is_left_as_it_is(network: nn.Module) -> None:
    first = next(network.parameters())
    color: Any = "rgb" if first.numel() and isinstance(network, Own) and len(first) == 3 else "gray"
    network.get_submodule("layer.0" if isinstance(network, Own) else "").eval()
    modes = [module.training for module in network.modules()]
    held = {name: values.clone() for name, values in network.state_dict().items()}
    torch.manual_seed(5)
    refuse_unfit_output(network, settings_of(color=color, patch_size=32))
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(held[name], values) for name, values in network.state_dict().items())


def test_whole_images_have_no_size_to_try() -> None:
    refuse_unfit_output(Own(3, 3), settings_of(patch_size=None))
