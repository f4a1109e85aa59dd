"""Textures of dead leaves: colored noise and waves."""

import numpy as np
import pytest

from deblur.synthesis import CANVAS_SIZE
from deblur.synthesis.leaves import ALL, Ingredients
from deblur.synthesis.leaves.textures import (
    MICRO_TEXTURES,
    TEXTURE_ROWS,
    TILE_SIZE,
    WAVES,
    Plane,
    textures,
    white_noise,
)

EVERY = range(MICRO_TEXTURES + WAVES)


def drawn(parts: Ingredients = ALL, used: range = EVERY, seed: int = 0) -> Plane:
    return textures(np.random.RandomState(seed), np.random.RandomState(seed + 1), used, parts)


def test_textures_are_standardized() -> None:
    planes = drawn()
    assert planes.shape == (MICRO_TEXTURES + WAVES, TEXTURE_ROWS, CANVAS_SIZE)
    for plane in planes[:, :CANVAS_SIZE]:
        assert plane.mean() == pytest.approx(0, abs=0.05)
        assert plane.std() == pytest.approx(1, abs=0.1)
        assert np.abs(plane).max() <= 4


def test_noise_is_periodic() -> None:
    noise = drawn()[:MICRO_TEXTURES]
    np.testing.assert_array_equal(noise[:, TILE_SIZE:], noise[:, :-TILE_SIZE])
    np.testing.assert_array_equal(noise[..., TILE_SIZE:], noise[..., :-TILE_SIZE])


def test_spectra_differ() -> None:
    """Correlations of neighbors, from rough to smooth textures."""
    found = []
    for seed in range(6):
        for plane in drawn(seed=seed)[:MICRO_TEXTURES, :TILE_SIZE, :TILE_SIZE]:
            found.append(float(np.mean(plane * np.roll(plane, 1, axis=1))))
    assert min(found) < 0.5
    assert max(found) > 0.9


def test_a_texture_does_not_depend_on_which_others_are_used() -> None:
    planes = drawn()
    for number in EVERY:
        alone = drawn(used=range(number, number + 1))
        np.testing.assert_array_equal(alone[number], planes[number])
        assert not np.delete(alone, number, axis=0).any()


def test_parts_are_switched_off_one_by_one() -> None:
    planes = drawn()
    without_noise, without_waves = drawn(Ingredients(micro_textures=False)), drawn(Ingredients(waves=False))
    assert not without_noise[:MICRO_TEXTURES].any()
    np.testing.assert_array_equal(without_noise[MICRO_TEXTURES:], planes[MICRO_TEXTURES:])
    assert not without_waves[MICRO_TEXTURES:].any()
    np.testing.assert_array_equal(without_waves[:MICRO_TEXTURES], planes[:MICRO_TEXTURES])


def test_white_noise_is_white_and_nearly_normal() -> None:
    noise = white_noise(np.random.RandomState(0), 400).astype(np.float64)
    assert noise.mean() == pytest.approx(0, abs=0.01)
    assert noise.std() == pytest.approx(1, abs=0.01)
    assert np.mean(noise**4) == pytest.approx(3 - 1.2 / 4, abs=0.05)  # the excess of a uniform number, over four
    assert abs(np.mean(noise * np.roll(noise, 1, axis=1))) < 0.01
    assert abs(np.mean(noise * np.roll(noise, 1, axis=0))) < 0.01
