"""Parts of the drawing: each changes the image that it should, and only that."""

from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from deblur.image_io.decoding import luma
from deblur.synthesis.leaves import ALL, Ingredients, draw

NAMES = [field.name for field in fields(Ingredients)]
NONE = Ingredients(**dict.fromkeys(NAMES, False))
IMAGES = 12


def drawn(parts: Ingredients) -> list[NDArray[np.float64]]:
    return [draw(4, index, ingredients=parts).astype(np.float64) for index in range(IMAGES)]


def only(name: str) -> Ingredients:
    return replace(NONE, **{name: True})


def gradients(image: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.abs(np.diff(image, axis=1))


def flat(images: list[NDArray[np.float64]]) -> float:
    """Share of neighbors with the same gray level."""
    return float(np.mean([np.mean(gradients(image) == 0) for image in images]))


@pytest.fixture(scope="module")
def bare() -> list[NDArray[np.float64]]:
    return drawn(NONE)


@pytest.fixture(scope="module")
def complete() -> list[NDArray[np.float64]]:
    return drawn(ALL)


@pytest.mark.parametrize("name", NAMES)
def test_each_part_changes_images(
    name: str, bare: list[NDArray[np.float64]], complete: list[NDArray[np.float64]]
) -> None:
    changed = [np.any(image != other) for image, other in zip(drawn(only(name)), bare, strict=True)]
    assert sum(changed) >= 2
    without = drawn(replace(ALL, **{name: False}))
    assert any(np.any(image != other) for image, other in zip(without, complete, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_the_luma_is_the_gray_image_without_any_part(name: str) -> None:
    parts = replace(ALL, **{name: False})
    image = draw(4, 1, "rgb", parts)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(luma(image), draw(4, 1, ingredients=parts))


def test_without_any_part_shapes_are_flat(bare: list[NDArray[np.float64]]) -> None:
    assert flat(bare) > 0.75


@pytest.mark.parametrize("name", ["micro_textures", "waves", "shading"])
def test_textures_and_light_leave_less_of_one_level(name: str, bare: list[NDArray[np.float64]]) -> None:
    assert flat(drawn(only(name))) < flat(bare) - 0.02


def test_the_back_is_out_of_focus(bare: list[NDArray[np.float64]]) -> None:
    steep = [np.mean(gradients(image) > 25) for image in bare]
    defocused = [np.mean(gradients(image) > 25) for image in drawn(only("depth_of_field"))]
    assert np.mean(defocused) < 0.95 * np.mean(steep)
    unchanged = np.isclose(steep, defocused)
    assert 0 < unchanged.sum() < IMAGES  # some images are in focus everywhere


def test_a_camera_exposes_to_a_medium_gray(bare: list[NDArray[np.float64]]) -> None:
    """Without it, images may be black or white; the exposure is not complete."""
    means = np.array([image.mean() for image in drawn(only("lens"))])
    assert means.std() < np.std([image.mean() for image in bare])
    assert np.all((means > 30) & (means < 215))


@pytest.mark.parametrize("name", ["thin_structures", "marks"])
def test_strokes_lie_on_an_image_that_is_otherwise_the_same(name: str) -> None:
    """Compared with no strokes, most of an image stays as it is unless they belong to it."""
    without = replace(NONE, lens=False)
    shares = [
        np.mean(draw(4, index, ingredients=replace(without, **{name: True})) != draw(4, index, ingredients=without))
        for index in range(IMAGES)
    ]
    assert min(shares) == 0  # some images have none
    assert max(shares) > 0
