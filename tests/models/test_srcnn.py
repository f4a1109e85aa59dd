from collections.abc import Sequence

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from deblur.config.places import conf_dir
from deblur.models import SRCNN, pad_symmetric

PRESETS = {
    "9-1-5": ((9, 1, 5), (64, 32), 13, 8_032),
    "9-3-1-5": ((9, 3, 1, 5), (64, 32, 16), 15, 24_528),
    "9-1-1-1-5": ((9, 1, 1, 1, 5), (64, 32, 32, 16), 13, 9_168),
    "original 9-1-5": ((9, 1, 5), (128, 64), 13, 20_160),
}


@pytest.mark.parametrize("name", PRESETS)
def test_cost_and_field_are_those_of_the_layers(name: str) -> None:
    kernel_sizes, widths, field, macs = PRESETS[name]
    network = SRCNN(kernel_sizes, widths)
    assert network.receptive_field == field
    assert network.macs_per_pixel == macs
    assert sum(parameter.numel() for parameter in network.parameters()) == macs + sum(widths) + 1


def test_macs_are_those_that_torch_counts() -> None:
    network = SRCNN((9, 3, 1, 5), (8, 4, 3)).to("meta")  # the counter knows torch's own convolutions only
    side = 1 + 2 * network.halo
    with FlopCounterMode(display=False) as counter:
        network(torch.rand(1, 1, side, side, device="meta"), pad=False)
    # Without padding the first layers compute a little more than one pixel: 11x11, 9x9, 9x9 of them here.
    layers = (81 * 8 * 49, 9 * 8 * 4 * 25, 4 * 3 * 25, 25 * 3)
    assert counter.get_total_flops() == 2 * sum(layers)


@pytest.mark.parametrize("residual", [True, False])
def test_one_output_pixel_depends_on_its_receptive_field_only(residual: bool) -> None:
    network = SRCNN((5, 3, 3), (4, 3), residual=residual)
    for parameter in network.parameters():  # no ReLU is closed
        parameter.data.abs_()
    blurred = torch.rand(1, 1, 31, 37, requires_grad=True)
    network(blurred)[0, 0, 15, 18].backward()
    assert blurred.grad is not None
    rows, columns = np.nonzero(blurred.grad[0, 0].numpy())
    half = network.receptive_field // 2
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (15 - half, 15 + half, 18 - half, 18 + half)


def test_taps_that_lie_apart_see_further_at_the_same_cost() -> None:
    dense, wide = SRCNN((5, 3, 3, 5), (4, 4, 4)), SRCNN((5, 3, 3, 5), (4, 4, 4), dilations=(1, 2, 4, 2))
    assert (dense.receptive_field, wide.receptive_field) == (13, 1 + 4 + 4 + 8 + 8)
    assert dense.macs_per_pixel == wide.macs_per_pixel
    for parameter in wide.parameters():  # no ReLU is closed
        parameter.data.abs_()
    blurred = torch.rand(1, 1, 31, 37, requires_grad=True)
    wide(blurred)[0, 0, 15, 18].backward()
    assert blurred.grad is not None
    rows, columns = np.nonzero(blurred.grad[0, 0].numpy())
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (3, 27, 6, 30)


def test_a_dilation_is_wanted_for_each_layer() -> None:
    for dilations in ([1, 2], [1, 0, 1], [1, 1, 1, 1]):
        with pytest.raises(ValueError, match="a dilation of at least 1 for each layer"):
            SRCNN((5, 3, 3), (4, 4), dilations=dilations)


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (31, 37)])
def test_output_has_the_size_of_the_input(shape: tuple[int, int]) -> None:
    assert SRCNN((9, 1, 5), (4, 3))(torch.rand(2, 1, *shape)).shape == (2, 1, *shape)


def test_a_patch_with_context_equals_the_same_place_of_the_whole_image() -> None:
    network = SRCNN((9, 3, 5), (6, 4)).eval()
    image = torch.rand(1, 1, 50, 41)
    whole = network(image)
    patch = network(image[..., 5 : 5 + 20 + 2 * network.halo, 3 : 3 + 16 + 2 * network.halo], pad=False)
    top, left = 5 + network.halo, 3 + network.halo
    torch.testing.assert_close(patch, whole[..., top : top + 20, left : left + 16], atol=1e-6, rtol=0)


def test_a_residual_network_adds_its_output_to_the_input() -> None:
    torch.manual_seed(0)
    residual, plain = SRCNN((9, 1, 5), (8, 4)), SRCNN((9, 1, 5), (8, 4), residual=False)
    plain.load_state_dict(residual.state_dict())
    image = torch.rand(1, 1, 40, 33)
    torch.testing.assert_close(residual(image), plain(image) + image)
    trimmed = image[..., residual.halo : -residual.halo, residual.halo : -residual.halo]
    torch.testing.assert_close(residual(image, pad=False), plain(image, pad=False) + trimmed)


def test_dropout_acts_in_training_only() -> None:
    network = SRCNN((3, 3), (16,), residual=False, dropout=0.5)
    image = torch.rand(1, 1, 20, 20)
    assert not torch.equal(network(image), network(image))
    network.eval()
    assert torch.equal(network(image), network(image))


@pytest.mark.parametrize(("kernel_sizes", "widths"), [((9, 2, 5), (4, 4)), ((9, 5), (4, 4)), ((9, 5), ())])
def test_impossible_layers_are_refused(kernel_sizes: tuple[int, ...], widths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="odd kernel_sizes and one width"):
        SRCNN(kernel_sizes, widths)


@given(height=st.integers(1, 9), width=st.integers(1, 9), halo=st.integers(0, 20))
def test_padding_is_numpys_symmetric(height: int, width: int, halo: int) -> None:
    image = np.arange(height * width, dtype=np.float32).reshape(height, width)
    padded = pad_symmetric(torch.from_numpy(image), halo)
    np.testing.assert_array_equal(padded.numpy(), np.pad(image, halo, mode="symmetric"))


def _is_seen(dilations: Sequence[int]) -> NDArray[np.bool_]:
    """Tell which pixels around an output pixel of a 9-3-1-5 it depends on; ReLUs and signs cannot hide one."""
    network = SRCNN((9, 3, 1, 5), (2, 2, 2), residual=False, dilations=dilations)
    for parameter in network.parameters():
        torch.nn.init.ones_(parameter)
    side = network.receptive_field
    image = torch.zeros(1, 1, side, side, requires_grad=True)
    network(image, pad=False).sum().backward()
    assert image.grad is not None
    return np.asarray(image.grad[0, 0].numpy() != 0)


@pytest.mark.parametrize(("step", "side", "has_holes"), [(1, 15, False), (8, 29, False), (14, 41, True)])
def test_taps_that_lie_apart_leave_no_holes_while_the_squares_before_them_touch(
    step: int, side: int, has_holes: bool
) -> None:
    seen = _is_seen((1, step, 1, 1))
    assert seen.shape == (side, side)
    assert (not seen.all()) == has_holes


def test_the_wide_preset_is_9315_that_sees_29_px() -> None:
    narrow, wide = (
        yaml.safe_load((conf_dir() / "model" / f"{name}.yaml").read_text()) for name in ("srcnn_9315", "dilated_9315")
    )
    changed = {key for key in narrow if narrow[key] != wide[key]}
    assert changed == {"name", "dilations"}
    assert wide["dilations"] == [1, 8, 1, 1]
