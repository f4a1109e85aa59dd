import numpy as np

from deblur.training.images import Restoration, comparison_grid, error_map


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
