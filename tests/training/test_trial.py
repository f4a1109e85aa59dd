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
    """Maps images by one layer, which goes wrong as it is asked to."""

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
    ("network", "color", "expected"),
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
def test_another_output_is_a_sentence(network: nn.Module, color: Any, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        refuse_unfit_output(network, lambda: network, settings_of(color=color, patch_size=32))


@pytest.mark.parametrize(
    ("kind", "arguments", "color"), [(Own, (), "gray"), (Haloed, (1, 1, 2), "gray"), (Own, (3, 3), "rgb")]
)
def test_a_fitting_network_is_accepted_and_draws_no_number(
    kind: type[Own], arguments: tuple[int, ...], color: Any
) -> None:
    torch.manual_seed(5)
    refuse_unfit_output(kind(*arguments), lambda: kind(*arguments), settings_of(color=color, patch_size=32))
    drawn = torch.rand(3)
    torch.manual_seed(5)
    kind(*arguments)  # the network to be trained
    assert torch.equal(drawn, torch.rand(3))


class KnownKernel(Own):
    known_kernel_stages = 1

    def forward(self, blurred: Tensor, kernel: Tensor, noise_sigma: Tensor) -> Any:  # type: ignore[override] # more
        assert kernel.ndim == 3
        assert noise_sigma.shape == kernel.shape[:1] == blurred.shape[:1]
        return super().forward(blurred)


def test_a_network_that_takes_the_kernel_gets_one() -> None:
    refuse_unfit_output(KnownKernel(), KnownKernel, settings_of(patch_size=32))
    with pytest.raises(UserError, match=r"KnownKernel returns \(1, 1, 31, 32\) for a blurred patch"):
        refuse_unfit_output(KnownKernel(), lambda: KnownKernel(cut=1), settings_of(patch_size=32))


class Keeping(Own):
    """Keeps what its first call made, as a grid of places or the weights of a lazy layer."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: Tensor | None = None

    def forward(self, blurred: Tensor) -> Any:
        if self.kept is None:
            self.kept = torch.ones_like(blurred)
        return self.layer(blurred) * self.kept


def test_the_network_to_be_trained_is_not_called() -> None:
    network = Keeping()
    refuse_unfit_output(network, Keeping, settings_of(patch_size=32))
    assert network.kept is None
    assert network.training
    network(torch.rand(2, 1, 32, 32)).mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("network", [Own(3, 3), SRCNN([3], [])])
def test_whole_images_and_networks_of_the_package_are_not_tried(network: nn.Module) -> None:
    def build() -> nn.Module:
        raise AssertionError

    refuse_unfit_output(network, build, settings_of(patch_size=None if isinstance(network, Own) else 32))
