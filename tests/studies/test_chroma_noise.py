"""Noise of a color filter array: what bilinear interpolation leaves of it."""

import numpy as np
import pytest

from studies.chroma_noise import SITES, interpolated


@pytest.mark.parametrize("shape", [(6, 8), (5, 7), (33, 18)])
def test_recorded_sites_are_kept_and_the_others_are_means_of_their_neighbors(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).standard_normal((*shape, 3))
    found = interpolated(noise)
    for channel, sites in enumerate(SITES):
        for row, column in sites:
            np.testing.assert_allclose(found[row::2, column::2, channel], noise[row::2, column::2, channel])
    red, green = noise[..., 0], noise[..., 1]
    assert found[2, 3, 0] == pytest.approx((red[2, 2] + red[2, 4]) / 2)
    assert found[3, 3, 0] == pytest.approx((red[2, 2] + red[2, 4] + red[4, 2] + red[4, 4]) / 4)
    assert found[2, 2, 1] == pytest.approx((green[1, 2] + green[3, 2] + green[2, 1] + green[2, 3]) / 4)


def test_a_constant_stays_constant_and_other_channels_do_not_matter() -> None:
    noise = np.random.default_rng(0).standard_normal((8, 8, 3))
    noise[..., 2] = 0.5
    np.testing.assert_allclose(interpolated(noise)[..., 2], 0.5)


def test_each_site_of_a_sensor_pixel_is_recorded_once() -> None:
    assert sorted(site for sites in SITES for site in sites) == [(0, 0), (0, 1), (1, 0), (1, 1)]
