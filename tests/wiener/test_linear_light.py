"""Wiener filters and baselines on images that were blurred in linear light."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deblur.baselines import make
from deblur.blur import Box, Degradation, Gaussian, Motion, degrade
from deblur.blur.camera import ENCODED, Space
from deblur.blur.images import WHOLE, Crop, as_float
from deblur.blur.kernels import Psf
from deblur.wiener.filters import WienerFilter
from deblur.wiener.images import mean_psnr

Images = list[NDArray[np.uint8]]
Triples = tuple[Images, Images, list[Psf]]

LINEAR = Space(linear=True)


def scenes(count: int, side: int = 64) -> Images:
    """Overlapping rectangles of all brightnesses, which light mixes quite differently from encoded values."""
    rng = np.random.default_rng(8)
    images = np.full((count, side, side), 20, np.uint8)
    for image in images:
        for _ in range(25):
            (top, left), (height, width) = rng.integers(0, side, 2), rng.integers(3, side // 2, 2)
            image[top : top + height, left : left + width] = rng.integers(0, 256)
    return list(images)


def triples(degradation: Degradation, images: Images, crop: Crop = WHOLE) -> Triples:
    sampled = [degradation.sample(np.random.default_rng(index)) for index in range(len(images))]
    blurred = [degrade(image, degradation, one, crop) for image, one in zip(images, sampled, strict=True)]
    return images, blurred, [one.kernel.psf for one in sampled]


def halves(given: Triples) -> tuple[Triples, Triples]:
    first, second = (tuple(part[half::2] for part in given) for half in (0, 1))
    return first, second  # type: ignore[return-value] # of the same three kinds


@pytest.mark.parametrize("kind", [Box, Gaussian])
def test_a_filter_in_the_space_of_the_blur_wins(kind: Any) -> None:
    for camera, better, worse in (({"linear": True}, LINEAR, ENCODED), (None, ENCODED, LINEAR)):
        to_fit, to_test = halves(triples(kind(3, camera=camera), scenes(12)))
        scores = {}
        for space in (better, worse):
            found = WienerFilter.measured(*to_fit, space=space)
            scores[space] = mean_psnr(found, *to_test)
        assert scores[better] > scores[worse] + 0.5
        assert scores[better] > mean_psnr(lambda image, _: image, *to_test) + 2


def test_with_a_circular_boundary_a_slanting_motion_is_undone_in_linear_light() -> None:
    given = triples(Motion(5, 30, camera={"linear": True}), scenes(8), Crop("circular"))
    to_fit, to_test = halves(given)
    scores = {}
    for space in (LINEAR, ENCODED):
        found = WienerFilter.measured(*to_fit, boundary="circular", space=space)
        scores[space] = mean_psnr(found, *to_test)
    assert scores[LINEAR] > scores[ENCODED] + 0.5


@pytest.mark.parametrize("name", ["dct_wiener", "wiener", pytest.param("richardson_lucy", marks=pytest.mark.slow)])
def test_a_baseline_in_the_space_of_the_blur_wins_and_says_so(name: str) -> None:
    if name != "dct_wiener":
        pytest.importorskip("skimage")
    to_fit, to_test = halves(triples(Box(3, camera={"linear": True}), scenes(4, 48)))
    scores = {}
    for space in (LINEAR, ENCODED):
        baseline = make(name, space=space)
        baseline.fit(*to_fit)
        scores[space] = mean_psnr(baseline.restore, *to_test)
        assert baseline.settings.get("space") == ("linear light" if space.linear else None)
    assert scores[LINEAR] > scores[ENCODED] + 0.3


def test_no_restoration_has_no_space() -> None:
    assert make("none", space=LINEAR).settings == {}


def test_a_constant_image_stays_as_it_is() -> None:
    to_fit = triples(Box(3, camera={"linear": True}), scenes(3))
    found = WienerFilter.measured(*to_fit, space=LINEAR)
    for level in (0, 5, 100, 255):
        flat = np.full((31, 40), level, np.uint8)
        np.testing.assert_allclose(found(as_float(flat), to_fit[2][0]), as_float(flat), atol=2e-3)


def test_the_contrast_of_an_image_is_the_slope_of_the_curve() -> None:
    flat = np.full((16, 16), 128, np.uint8)
    assert ENCODED.contrast(flat) == 1
    slope = 2.4 / 1.055 * ((128 / 255 + 0.055) / 1.055) ** 1.4
    assert LINEAR.contrast(flat) == pytest.approx(slope)
    assert LINEAR.contrast(np.zeros((4, 4), np.uint8)) == pytest.approx(1 / 12.92)
    weak = np.random.default_rng(0).integers(126, 131, (64, 64), dtype=np.uint8)
    light = LINEAR.from_levels(weak)
    assert light.std() / LINEAR.contrast(weak) == pytest.approx(weak.std(), rel=0.01)
