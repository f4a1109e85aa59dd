"""The mean over the eight orientations of an image."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from deblur.models import SRCNN, Unrolled
from deblur.models.protocol import traits_of
from deblur.models.self_ensemble import ORIENTATIONS, SelfEnsemble, oriented, oriented_back

NOISE = torch.full((2,), 3.0)


def images(channels: int = 1) -> Tensor:
    return torch.rand(2, channels, 21, 30, generator=torch.Generator().manual_seed(1))


def kernels() -> Tensor:
    kernel = torch.rand(2, 5, 7, generator=torch.Generator().manual_seed(2))
    return kernel / kernel.sum((1, 2), keepdim=True)


def network(channels: int = 1) -> Unrolled:
    """Return a small network whose priors change the image, each orientation otherwise."""
    torch.manual_seed(0)
    made = Unrolled(2, 8, 12, channels=channels)
    for prior in made.priors:
        nn.init.normal_(prior.last.weight, std=0.05)
    return made.eval()


def test_orientations_differ_and_are_turned_back() -> None:
    plane = images()
    turned = [oriented(plane, orientation) for orientation in range(ORIENTATIONS)]
    assert len({tuple(one.flatten().tolist()) for one in turned}) == ORIENTATIONS
    for orientation, one in enumerate(turned):
        torch.testing.assert_close(oriented_back(one, orientation), plane, rtol=0, atol=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_orientation_of_the_image_does_not_matter(channels: int) -> None:
    alone, ensemble = network(channels), SelfEnsemble(network(channels))
    blurred, kernel = images(channels), kernels()
    with torch.inference_mode():
        upright = ensemble(blurred, kernel, NOISE)
        for orientation in range(ORIENTATIONS):
            turned = ensemble(oriented(blurred, orientation), oriented(kernel, orientation), NOISE)
            torch.testing.assert_close(oriented_back(turned, orientation), upright, rtol=0, atol=1e-5)
        turned = oriented_back(alone(oriented(blurred, 1), oriented(kernel, 1), NOISE), 1)
        assert (turned - alone(blurred, kernel, NOISE)).abs().max() > 1e-3


def test_the_mean_has_no_more_error_than_its_parts() -> None:
    alone, sharp = network(), images()
    with torch.inference_mode():
        parts = [
            oriented_back(alone(oriented(sharp, one), oriented(kernels(), one), NOISE), one)
            for one in range(ORIENTATIONS)
        ]
        mean = SelfEnsemble(alone)(sharp, kernels(), NOISE)
    errors = [float((part - sharp).square().mean()) for part in parts]
    assert float((mean - sharp).square().mean()) < sum(errors) / ORIENTATIONS


@pytest.mark.parametrize("make", [lambda: Unrolled(2, 8, 12, boundary="circular", linear_light=True), network])
def test_it_states_what_its_network_states(make: Callable[[], Unrolled]) -> None:
    made = make()
    of_network, of_ensemble = traits_of(made), traits_of(SelfEnsemble(made))
    assert (of_ensemble.channels, of_ensemble.is_circular, of_ensemble.is_linear) == (
        of_network.channels,
        of_network.is_circular,
        of_network.is_linear,
    )
    assert of_ensemble.macs_per_pixel == ORIENTATIONS * made.macs_per_pixel
    calls: list[None] = []
    with torch.inference_mode():
        SelfEnsemble(made.eval())(images(), kernels(), NOISE, None, lambda: calls.append(None))
    assert len(calls) == of_ensemble.stages == 2 * ORIENTATIONS


def test_a_blind_network_is_refused() -> None:
    with pytest.raises(ValueError, match="SelfEnsemble needs a non-blind network"):
        SelfEnsemble(SRCNN((5, 3), (4,)))
