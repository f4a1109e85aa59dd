import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deblur.blur import Box
from deblur.blur.images import Crop, image_of, most_blurred
from deblur.data.datasets import EvaluationDataset
from deblur.training.images import (
    GAP,
    Restoration,
    comparison_grid,
    detailed_grid,
    error_map,
    restore_sample,
)
from deblur.training.module import DeblurModule


class Colors:
    """Images of noise, each channel for itself."""

    names = ("a", "b")
    shapes = ((14, 17), (14, 17))

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        return np.random.default_rng(index).integers(0, 256, (14, 17, 3), dtype=np.uint8)


class Swapped(nn.Module):
    """A network that exchanges red and blue."""

    channels = 3

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, blurred: Tensor) -> Tensor:
        return blurred.flip(1)


def swapping() -> DeblurModule:
    return DeblurModule({}, {"_target_": "torch.optim.Adam", "lr": 1e-3}, network=Swapped())


def test_the_error_is_shown_four_times_brighter() -> None:
    restored, sharp = np.array([[10, 200, 0]], np.uint8), np.array([[13, 100, 0]], np.uint8)
    np.testing.assert_array_equal(error_map(restored, sharp), [[12, 255, 0]])


def test_a_grid_has_a_row_an_image_and_room_for_the_largest() -> None:
    small, large = np.full((2, 3), 7, np.uint8), np.full((4, 5), 9, np.uint8)
    page = comparison_grid([Restoration(small, small + 1, small + 2), Restoration(large, large, large)])
    assert page.shape == (8, 15)
    assert [page[0, 0], page[0, 5], page[0, 10]] == [7, 8, 9]
    assert page[2, 0] == page[0, 3] == 255
    assert (page[4:] == 9).all()


def test_a_color_grid_holds_the_pixels_of_the_samples() -> None:
    dataset = EvaluationDataset(Colors(), [0, 1], Box(3), seed=0, crop=Crop(crop=12))
    samples = [dataset[position] for position in range(2)]
    restorations = [restore_sample(swapping(), sample) for sample in samples]
    page = comparison_grid(restorations)
    assert page.shape == (24, 36, 3)
    for row, sample in enumerate(samples):
        places = [page[row * 12 : row * 12 + 12, column * 12 : column * 12 + 12] for column in range(3)]
        blurred, sharp = image_of(sample["blurred"]), image_of(sample["sharp"])
        np.testing.assert_array_equal(places[0], blurred)
        np.testing.assert_array_equal(places[1], blurred[..., ::-1])
        np.testing.assert_array_equal(places[2], sharp)


def test_a_color_grid_is_white_around_smaller_images() -> None:
    small, large = np.full((2, 3, 3), 7, np.uint8), np.full((4, 5, 3), 9, np.uint8)
    page = comparison_grid([Restoration(small, small, small), Restoration(large, large, large)])
    assert page.shape == (8, 15, 3)
    assert (page[2:4, :5] == 255).all()
    assert (page[:4, 3:5] == 255).all()


def restoration(side: int, *channels: int) -> Restoration:
    """Three images of noise, of which the blurred one differs from the sharp one in one place only."""
    sharp, restored = np.random.default_rng(0).integers(0, 256, (2, side, side, *channels), dtype=np.uint8)
    blurred = sharp.copy()
    blurred[40:44, 50:54] ^= 255
    return Restoration(blurred, restored, sharp)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_a_detail_is_enlarged_where_the_blurred_image_differs_most(channels: tuple[int, ...]) -> None:
    one = restoration(64, *channels)
    top, left, side = most_blurred(one.blurred, one.sharp)
    assert side == 16
    assert top <= 40
    assert left <= 50
    assert top + side >= 44
    assert left + side >= 54
    page = detailed_grid([one, one])
    cell = 128 + GAP  # 64 px, enlarged twice
    label, line = 19, 2  # px
    assert page.shape == (label + 2 * (2 * cell + label) - GAP, 4 * cell - GAP, *channels)
    shown = (*one, error_map(one.restored, one.sharp))
    for row in range(2):
        start = label + row * (2 * cell + label)
        for column, image in enumerate(shown):
            whole = page[start:, column * cell :][:128:2, :128:2]
            detail = page[start + 128 + label :, column * cell :][: 8 * side, : 8 * side]
            np.testing.assert_array_equal(whole[: top - line], image[: top - line])
            inner = image[top : top + side, left : left + side]
            np.testing.assert_array_equal(whole[top : top + side, left : left + side], inner)
            np.testing.assert_array_equal(detail, inner.repeat(8, axis=0).repeat(8, axis=1))
            assert (
                page[start + 2 * top - 1, column * cell + 2 * left : column * cell + 2 * (left + side)] == 255
            ).all()
    for letters in (page[:label], page[label + 128 : label + 128 + label]):
        assert (letters < 128).any()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 200), (17, 9), (300, 200)])
def test_a_grid_of_any_size_can_be_drawn(height: int, width: int) -> None:
    image = np.arange(height * width, dtype=np.uint8).reshape(height, width)
    page = detailed_grid([Restoration(image, image, image), Restoration(image.T, image.T, image.T)])
    assert page.dtype == np.uint8
