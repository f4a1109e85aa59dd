import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deblur.blur import Box
from deblur.blur.images import Crop, image_of
from deblur.data.datasets import EvaluationDataset
from deblur.training.images import Restoration, comparison_grid, error_map, restore_sample
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
    assert comparison_grid([Restoration(small, small, small)], with_error=True).shape == (2, 12)


def test_a_color_grid_holds_the_pixels_of_the_samples() -> None:
    dataset = EvaluationDataset(Colors(), [0, 1], Box(3), seed=0, crop=Crop(crop=12))
    samples = [dataset[position] for position in range(2)]
    restorations = [restore_sample(swapping(), sample) for sample in samples]
    page = comparison_grid(restorations, with_error=True)
    assert page.shape == (24, 48, 3)
    for row, sample in enumerate(samples):
        places = [page[row * 12 : row * 12 + 12, column * 12 : column * 12 + 12] for column in range(4)]
        blurred, sharp = image_of(sample["blurred"]), image_of(sample["sharp"])
        np.testing.assert_array_equal(places[0], blurred)
        np.testing.assert_array_equal(places[1], blurred[..., ::-1])
        np.testing.assert_array_equal(places[2], sharp)
        error = 4 * np.abs(blurred[..., ::-1].astype(int) - sharp)
        np.testing.assert_array_equal(places[3], error.clip(0, 255))


def test_a_color_grid_is_white_around_smaller_images() -> None:
    small, large = np.full((2, 3, 3), 7, np.uint8), np.full((4, 5, 3), 9, np.uint8)
    page = comparison_grid([Restoration(small, small, small), Restoration(large, large, large)])
    assert page.shape == (8, 15, 3)
    assert (page[2:4, :5] == 255).all()
    assert (page[:4, 3:5] == 255).all()
