"""A blur is visible where all detail around a place is blurred."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import deblur
from deblur.estimation import visibility, visible_spread
from deblur.estimation.estimate import luma_of
from deblur.estimation.visibility import VISIBLE
from deblur.inference.pretrained import pretrained_settings
from deblur.synthesis import leaves

CELL = 16
FIRST = 3_000_000  # number of the first drawn image, on which no estimate was trained
BOX = {"_target_": "deblur.blur.Box", "size": 3}
GAUSSIAN = {"_target_": "deblur.blur.Gaussian", "sigma": 1.0}


def seen_in(image: NDArray[np.uint8], spread: float = VISIBLE) -> NDArray[np.float32]:
    return visibility(luma_of(image), spread, CELL)


@pytest.fixture(scope="module")
def drawn() -> list[NDArray[np.uint8]]:
    return [leaves.draw(30, FIRST + index) for index in range(8)]


@pytest.mark.parametrize("settings", [{}, {"sigma": 0.5}, {"sigma": 0.5, "jpeg_quality": 75}], ids=str)
def test_no_blur_is_visible_in_sharp_images(drawn: list[NDArray[np.uint8]], settings: dict[str, Any]) -> None:
    family = "gaussian" if settings else "none"
    shares = [float(seen_in(deblur.degrade(image, family, **settings)).mean()) for image in drawn]
    assert np.mean(shares) < 0.1


@pytest.mark.parametrize(
    ("family", "settings"),
    [("gaussian", {"sigma": 2.5}), ("box", {"size": 7}), ("motion", {"length": 15}), ("disk", {"radius": 5})],
)
def test_a_blur_is_visible_in_all_of_an_image(
    drawn: list[NDArray[np.uint8]], family: str, settings: dict[str, Any]
) -> None:
    shares = [float(seen_in(deblur.degrade(image, family, noise_sigma=1, **settings)).mean()) for image in drawn]
    assert np.mean(shares) > 0.9


def test_sharp_and_blurred_places_are_distinguished(drawn: list[NDArray[np.uint8]]) -> None:
    sharp = np.tile(np.concatenate(drawn[:2], axis=1), (1, 2))
    blurred = deblur.degrade(sharp, "gaussian", sigma=3)
    seen = seen_in(np.concatenate([sharp, blurred], axis=1))
    assert seen.shape == (16, 128)
    assert seen[:, :48].max() < 0.1
    assert seen[:, 96:].min() > 0.9


def test_a_spread_is_visible_from_two_thirds_of_it_on(drawn: list[NDArray[np.uint8]]) -> None:
    blurred = deblur.degrade(drawn[0], "gaussian", sigma=2)
    shares = [float(seen_in(blurred, spread).mean()) for spread in (1.0, 2.2, 2.5, 4.0)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1
    assert shares[-1] == 0


@pytest.mark.parametrize("sides", [(1, 1), (5, 70), (31, 33), (100, 17)])
def test_an_image_of_any_size_has_all_cells(sides: tuple[int, int]) -> None:
    plane = np.random.default_rng(0).random(sides, np.float32)
    seen = visibility(plane, VISIBLE, CELL)
    assert seen.shape == tuple(-(-side // CELL) for side in sides)
    assert np.isfinite(seen).all()


def test_what_is_visible_follows_the_training() -> None:
    assert visible_spread(pretrained_settings("default")["blur"]) == VISIBLE
    assert visible_spread(GAUSSIAN) == pytest.approx(0.75)
    assert visible_spread(BOX) == pytest.approx(0.75 * 3 / np.sqrt(12))
    assert visible_spread({"_target_": "deblur.blur.FromFile", "path": "psf.png"}) is None
    assert visible_spread({}) is None
