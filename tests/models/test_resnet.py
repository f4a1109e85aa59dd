import numpy as np
import pytest
import torch

from deblur.models import ResNet


def network(
    blocks: int = 2, width: int = 6, unshuffle: int = 2, end_kernel_size: int = 5, cpu_ops: str = "auto"
) -> ResNet:
    """Return a network that changes its input, which an untrained one does not."""
    torch.manual_seed(0)
    made = ResNet(blocks, width, unshuffle, end_kernel_size, cpu_ops)
    torch.nn.init.normal_(made.last.weight, std=0.05)
    return made.eval()


@pytest.mark.parametrize(("unshuffle", "halo", "field"), [(1, 8, 17), (2, 16, 34), (3, 24, 51)])
def test_the_receptive_field_grows_with_the_unshuffle_factor(unshuffle: int, halo: int, field: int) -> None:
    made = network(unshuffle=unshuffle)
    assert (made.halo, made.receptive_field, made.size_divisor) == (halo, field, unshuffle)
    for parameter in made.parameters():  # no ReLU is closed
        parameter.data.abs_()
    place = 30  # a multiple of all three
    image = torch.full((1, 1, 90, 96), 0.9, requires_grad=True)
    made(image)[0, 0, place, place + 6].backward()
    assert image.grad is not None
    rows, columns = np.nonzero(image.grad[0, 0].numpy())
    found = (rows.min(), rows.max(), columns.min(), columns.max())
    last = halo + unshuffle - 1
    assert found == (place - halo, place + last, place + 6 - halo, place + 6 + last)


def test_macs_are_those_of_the_filters() -> None:
    made = ResNet(blocks=3, width=8, unshuffle=2, end_kernel_size=5)
    assert made.macs_per_pixel == (2 * 25 * 4 * 8 + 6 * 9 * 8 * 8) / 4


def test_an_untrained_network_is_the_identity() -> None:
    image = torch.rand(2, 1, 31, 40)
    torch.testing.assert_close(ResNet(1, 4)(image), image, rtol=0, atol=0)


def test_signals_keep_their_strength_through_the_layers() -> None:
    torch.manual_seed(0)
    made = ResNet(blocks=4, width=32, unshuffle=2)
    features = made.blocks(made.first(torch.randn(4, 4, 40, 40)))
    assert 0.5 < features.square().mean().sqrt() < 4


@pytest.mark.parametrize("unshuffle", [1, 2, 3])
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (31, 40), (5, 64)])
def test_output_has_the_size_of_the_input(shape: tuple[int, int], unshuffle: int) -> None:
    made, image = network(unshuffle=unshuffle), torch.rand(2, 1, *shape)
    assert made(image).shape == image.shape
    around = torch.rand(2, 1, *(size + 2 * made.halo for size in shape))
    assert made(around, pad=False).shape == image.shape


def test_a_part_that_begins_at_a_multiple_of_the_stride_equals_that_place_of_the_whole() -> None:
    made, image = network(), torch.rand(1, 1, 90, 81)
    whole, around = made(image), 2 * made.halo
    part = made(image[..., 6 : 6 + 20 + around, 4 : 4 + 16 + around], pad=False)
    top, left = 6 + made.halo, 4 + made.halo
    torch.testing.assert_close(part, whole[..., top : top + 20, left : left + 16], atol=1e-6, rtol=0)
    shifted = made(image[..., 7 : 7 + 20 + around, 4 : 4 + 16 + around], pad=False)
    assert not torch.allclose(shifted, whole[..., top + 1 : top + 21, left : left + 16], atol=1e-4)


def test_gradients_are_those_of_plain_torch_layers() -> None:
    fast, plain = network().train(), network(cpu_ops="torch").train()
    plain.load_state_dict(fast.state_dict())
    image, target = torch.rand(2, 1, 52, 52), torch.rand(2, 1, 20, 20)
    for made in (fast, plain):
        (made(image, pad=False) - target).square().mean().backward()
    for one, other in zip(fast.parameters(), plain.parameters(), strict=True):
        assert one.grad is not None
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("wrong", [{"blocks": -1}, {"width": 0}, {"unshuffle": 0}, {"end_kernel_size": 4}])
def test_impossible_layers_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="ResNet needs blocks from 0"):
        ResNet(**{"blocks": 1, "width": 4} | wrong)
