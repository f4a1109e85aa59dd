"""The estimate of blur, on drawn images that the estimator was not trained on, and on odd ones."""

from typing import Any

import numpy as np
import pytest

import deblur
from deblur.estimation import BlurEstimate, blur_text, estimate, most_blurred
from deblur.estimation.estimate import BlurMap
from deblur.estimation.network import KINDS
from deblur.synthesis.leaves import draw

SEED = 9001  # of dead leaves


def scene(side: int = 2) -> np.ndarray:
    """Drawings side by side: (256 side, 256 side)."""
    return np.block([[draw(SEED, side * row + column) for column in range(side)] for row in range(side)])


@pytest.fixture(scope="module")
def sharp() -> np.ndarray:
    return scene()


def seen(sharp: np.ndarray, blur: str, **parameters: Any) -> BlurEstimate:
    return estimate(deblur.degrade(sharp, blur, noise_sigma=1, **parameters))


def test_a_sharp_image_has_no_blur(sharp: np.ndarray) -> None:
    found = seen(sharp, "none")
    assert (found.kind, found.width, found.length, found.angle) == ("none", 0, None, None)


@pytest.mark.parametrize("radius", [3, 6, 12])
def test_defocus_has_the_diameter_of_its_disk(sharp: np.ndarray, radius: float) -> None:
    found = seen(sharp, "disk", radius=radius)
    assert found.kind == "defocus"
    assert found.width == pytest.approx(2 * radius, rel=0.3)


@pytest.mark.parametrize("length", [9, 18, 36])
@pytest.mark.parametrize("angle", [0, 30, 135])
def test_motion_has_its_length_and_angle(sharp: np.ndarray, length: float, angle: float) -> None:
    found = seen(sharp, "motion", length=length, angle=angle)
    assert found.kind == "motion"
    assert found.length == pytest.approx(length, rel=0.55)  # docs/estimation.md: lengths are the least exact
    assert found.angle is not None
    assert abs((found.angle - angle + 90) % 180 - 90) < 8


def test_a_mirrored_image_has_the_mirrored_angle(sharp: np.ndarray) -> None:
    blurred = deblur.degrade(sharp, "motion", length=15, angle=25)
    found, mirrored = estimate(blurred), estimate(blurred[:, ::-1])
    assert found.angle is not None
    assert mirrored.angle is not None
    assert abs((found.angle + mirrored.angle + 90) % 180 - 90) < 10


def test_the_probabilities_are_those_of_all_kinds(sharp: np.ndarray) -> None:
    found = seen(sharp, "gaussian", sigma=2)
    assert tuple(found.probabilities) == KINDS
    assert sum(found.probabilities.values()) == pytest.approx(1)
    assert found.probability == max(found.probabilities.values()) == found.probabilities[found.kind]


@pytest.mark.parametrize("kind", ["uint16", "float32", "float64"])
def test_another_type_of_the_same_image_is_estimated_alike(sharp: np.ndarray, kind: str) -> None:
    blurred = deblur.degrade(sharp[:200, :300], "disk", radius=4)
    given = (blurred.astype(kind) * 257) if kind == "uint16" else (blurred / 255).astype(kind)
    first, other = deblur.estimate_blur(blurred), deblur.estimate_blur(given)
    assert other.kind == first.kind
    assert other.width == pytest.approx(first.width, rel=1e-3)


def test_gray_as_color_and_behind_alpha_is_estimated_alike(sharp: np.ndarray) -> None:
    blurred = deblur.degrade(sharp[:200, :300], "disk", radius=4)
    opaque = np.full_like(blurred, 255)
    widths = [
        deblur.estimate_blur(image).width
        for image in (
            blurred,
            blurred[..., None],
            np.dstack([blurred] * 3),
            np.dstack([blurred, opaque]),
            np.dstack([*[blurred] * 3, opaque]),
        )
    ]
    np.testing.assert_allclose(widths, widths[0], rtol=1e-3)


def test_hidden_colors_are_not_read(sharp: np.ndarray) -> None:
    blurred = deblur.degrade(sharp[:200, :300], "disk", radius=4)
    alpha = np.full_like(blurred, 255)
    alpha[:, 200:] = 0
    noisy = blurred.copy()
    noisy[:, 200:] = np.random.default_rng(0).integers(0, 256, (200, 100))
    found = [deblur.estimate_blur(np.dstack([image, alpha])) for image in (blurred, noisy)]
    assert found[0] == found[1]


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (51, 53), (52, 52), (97, 230, 3)])
@pytest.mark.parametrize("level", [0, 255])
def test_any_size_is_estimated(shape: tuple[int, ...], level: int) -> None:
    found = estimate(np.full(shape, level, np.uint8))
    assert 0 <= found.probability <= 1
    assert np.isfinite(found.width)
    assert np.isfinite(found.map.widths).all()


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match="an image has the shape"):
        deblur.estimate_blur(np.zeros(7))


def test_the_most_blurred_detail_is_found(sharp: np.ndarray) -> None:
    image = deblur.degrade(sharp, "disk", radius=1, noise_sigma=1)
    image[300:500, 40:240] = deblur.degrade(sharp, "disk", radius=6, noise_sigma=1)[300:500, 40:240]
    row, column = most_blurred(estimate(image).map, 160)
    assert 300 < row < 500
    assert 40 < column < 240


def test_a_detail_that_shows_nothing_is_not_the_most_blurred() -> None:
    widths, weights = np.ones((20, 30), np.float32), np.ones((20, 30), np.float32)
    widths[2:6, 3:7], weights[2:6, 3:7] = 50, 1e-6
    widths[12:16, 20:24] = 9
    row, column = most_blurred(BlurMap(widths, weights, 26, 8), 32)
    assert (row, column) == (26 + 8 * 13.5, 26 + 8 * 21.5)


@pytest.mark.parametrize(
    ("kind", "width", "angle", "text"),
    [
        ("none", 0, None, "no blur (87 % sure)"),
        ("defocus", 3.14159, None, "defocus, about 3.1 px wide (87 % sure)"),
        ("motion", 14.4, 29.7, "motion blur, about 14 px at 30 degrees (87 % sure)"),
        ("motion", 14.4, 179.9, "motion blur, about 14 px at 0 degrees (87 % sure)"),
        ("shake", 120, None, "camera shake, about 120 px wide (87 % sure)"),
    ],
)
def test_a_blur_is_named(kind: Any, width: float, angle: float | None, text: str) -> None:
    nowhere = BlurMap(np.ones((1, 1), np.float32), np.ones((1, 1), np.float32), 0, 1)
    assert blur_text(BlurEstimate(kind, 0.87, {}, width, angle, 1, nowhere)) == text
