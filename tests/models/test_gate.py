import pytest
import torch

from deblur.models.gate import CELL, CONTRASTS, FEATURES, LAGS, MEANS, PEAKS, Gate, features


def gate() -> Gate:
    """Return a gate whose weights vary, which those of an untrained one do not."""
    torch.manual_seed(0)
    made = Gate()
    torch.nn.init.normal_(made.layers[-1].weight, std=0.3)  # type: ignore[arg-type] # a tensor
    return made.eval()


def images(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(1, 1, height, width, generator=generator)
    return image, 0.1 * torch.randn(1, 1, height, width, generator=generator)


def test_an_untrained_gate_applies_half_everywhere() -> None:
    assert Gate()(*images(2 * CELL, 3 * CELL)).eq(0.5).all()


def test_there_is_one_weight_from_0_to_1_for_each_cell() -> None:
    with torch.inference_mode():
        weights = gate()(*images(2 * CELL, 5 * CELL))
    assert weights.shape == (1, 1, 2, 5)
    assert weights.min() >= 0
    assert weights.max() <= 1
    assert weights.std() > 1e-4


@pytest.mark.parametrize("axis", [2, 3])
def test_a_part_with_its_halo_has_the_weights_of_the_whole(axis: int) -> None:
    pair = images(*((20 * CELL, 2 * CELL) if axis == 2 else (2 * CELL, 20 * CELL)))
    cells = Gate.halo // CELL
    with torch.inference_mode():
        whole = gate()(*pair)
        part = gate()(*(one.narrow(axis, CELL, (2 * cells + 1) * CELL) for one in pair))
        less = gate()(*(one.narrow(axis, 2 * CELL, (2 * cells - 1) * CELL) for one in pair))
    expected = whole.narrow(axis, cells + 1, 1)
    torch.testing.assert_close(part.narrow(axis, cells, 1), expected)
    assert (less.narrow(axis, cells - 1, 1) - expected).abs().max() > 1e-5  # the halo is no larger than needed


def test_a_flat_image_without_correction_has_no_detail() -> None:
    image = torch.full((1, 1, CELL, CELL), 0.25)
    described = features(image, torch.zeros_like(image))
    assert described.shape == (1, FEATURES, 1, 1)
    *detail, level, correction = described.flatten().tolist()[:MEANS]
    energies = detail[: 2 * len(detail) // 3]
    assert len(set(energies)) == 1
    assert detail[2 * len(detail) // 3 :] == [0.0] * (len(detail) // 3)
    assert (level, correction) == (0.25, 0.0)


def test_a_correction_along_the_detail_correlates_and_one_against_it_the_other_way() -> None:
    image, _ = images(4 * CELL, 4 * CELL)
    sharpening, smoothing = (features(image, factor * (image - 0.5)) for factor in (0.5, -0.5))
    places = slice(2 * (MEANS - 2) // 3, MEANS - 3)  # of the differences
    assert sharpening[:, places].min() > 0.9
    torch.testing.assert_close(smoothing[:, places], -sharpening[:, places])


def test_ratios_of_energies_are_those_of_any_contrast() -> None:
    image, correction = images(4 * CELL, 4 * CELL)
    plain, weaker = features(image, correction), features(image / 4, correction / 4)
    energies = slice(0, 2 * (MEANS - 2) // 3)
    ratios = [(one[:, energies][:, ::2] - one[:, energies][:, 1::2]) for one in (plain, weaker)]
    torch.testing.assert_close(*ratios, atol=0.01, rtol=0)


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("contrast", [0.1, 0.5])
def test_a_blurred_edge_is_less_steep_before_its_correction(contrast: float, axis: int) -> None:
    place = torch.arange(3 * CELL, dtype=torch.float32).sub(1.5 * CELL - 0.5)
    step, blurred = (0.5 + contrast * torch.sigmoid(place / width).sub(0.5) for width in (0.01, 3.0))
    sharp, soft = (one.expand(1, 1, 3 * CELL, -1).transpose(axis, 3).contiguous() for one in (step, blurred))
    steepness = slice(MEANS + len(LAGS), MEANS + PEAKS // 2), slice(MEANS + PEAKS // 2 + len(LAGS), MEANS + PEAKS)
    before, after = (features(soft, sharp - soft)[0, places, 1, 1] for places in steepness)
    assert (before < 0.5 * after).all()
    assert after[-2 * len(CONTRASTS) :].min() > 0.7
    torch.testing.assert_close(features(sharp, torch.zeros_like(sharp))[0, steepness[0], 1, 1], after)


def test_the_steepest_edge_is_known_in_the_neighborhood() -> None:
    image = torch.full((1, 1, 9 * CELL, CELL), 0.5)
    image[..., CELL // 2 :, :] = 0.7  # an edge in the first cell
    steepest = features(image, torch.zeros_like(image))[0, -PEAKS:, :, 0]  # of the largest neighborhood
    torch.testing.assert_close(steepest[:, 1:7], steepest[:, :1].expand(-1, 6))
    assert (steepest[:, 7:] < steepest[:, :1]).all()
