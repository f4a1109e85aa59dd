"""The camera against known answers: the sRGB standard, analytic edges and discs, and regressed noise."""

import math
import pickle
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize

from deblur.blur import (
    Box,
    Camera,
    Degradation,
    Disk,
    Gaussian,
    Mixed,
    Motion,
    NoBlur,
    Sampled,
    Varying,
    degrade,
    exposed,
)
from deblur.blur.camera import ENCODED, Space
from deblur.blur.images import Crop
from deblur.srgb import decoded, encoded

Image = NDArray[np.uint8]

FAMILIES: dict[str, tuple[type[Degradation], dict[str, Any]]] = {
    "none": (NoBlur, {}),
    "box": (Box, {"size": 7}),
    "gaussian": (Gaussian, {"sigma": [0.5, 3]}),
    "motion": (Motion, {"length": 15, "angle": 30}),
    "varying": (Varying, {"extent": [3, 9], "variation": 1, "shake": 0.5}),
    "mixed": (Mixed, {"families": {"disk": {}, "motion": {}}}),
}
every_family = pytest.mark.parametrize("family", FAMILIES)


def sampled_of(degradation: Degradation, seed: int = 0) -> Sampled:
    return degradation.sample(np.random.default_rng(seed))


def taken(degradation: Degradation, image: Image, seed: int = 0) -> Image:
    return degrade(image, degradation, sampled_of(degradation, seed))


def random_image(*shape: int) -> Image:
    return np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8)


# The curve of sRGB


def test_the_curve_has_the_numbers_of_the_standard() -> None:
    # Stated by the colour-science package for its implementation of IEC 61966-2-1
    assert encoded(np.array(0.18)) == pytest.approx(0.46135612950044164, abs=1e-12)
    assert decoded(np.array(0.46135612950044164)) == pytest.approx(0.18, abs=1e-12)
    # Both ends of the straight line and of the power curve, where the standard's constants meet to 4 digits
    assert decoded(np.array(0.04045)) == pytest.approx(0.04045 / 12.92, abs=1e-12)
    assert decoded(np.nextafter(0.04045, 1, dtype=np.float64)[None])[0] == pytest.approx(0.0031308, abs=1e-7)
    np.testing.assert_array_equal(decoded(np.array([0.0, 1.0])), [0, 1])
    np.testing.assert_allclose(encoded(np.array([0.0, 1.0])), [0, 1], atol=1e-15)


def test_the_curve_continues_as_an_odd_function_and_above_white() -> None:
    values = np.linspace(0, 3, 301)
    np.testing.assert_array_equal(decoded(-values), -decoded(values))
    np.testing.assert_array_equal(encoded(-values), -encoded(values))
    np.testing.assert_allclose(encoded(decoded(values)), values, atol=2e-7)
    assert (np.diff(decoded(values)) > 0).all()


def test_all_levels_survive_decoding_and_encoding() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(taken(NoBlur(camera={"linear": True}), levels), levels)
    np.testing.assert_array_equal(np.rint(255 * encoded(Space(True).from_levels(levels) / 255)), levels)


# No camera, and a camera that changes nothing


@every_family
@pytest.mark.parametrize("after", [{}, {"noise_sigma": 3}, {"jpeg_quality": 60}], ids=str)
@pytest.mark.parametrize("shape", [(37, 31), (37, 31, 3), (1, 29)], ids=str)
def test_a_camera_of_which_all_links_are_off_changes_no_bit(
    family: str, after: dict[str, Any], shape: tuple[int, ...]
) -> None:
    make, arguments = FAMILIES[family]
    image = random_image(*shape)
    plain, with_camera = (make(**arguments, **after, **camera) for camera in ({}, {"camera": {}}))
    for seed in range(3):
        np.testing.assert_array_equal(taken(with_camera, image, seed), taken(plain, image, seed))


@every_family
def test_a_camera_changes_nothing_else_that_is_drawn(family: str) -> None:
    make, arguments = FAMILIES[family]
    camera = {"exposure": [0.5, 2], "highlights": [1, 9], "shot_noise": [0, 0.1], "read_noise": [0, 0.1]}
    plain, with_camera = (
        make(**arguments, noise_sigma=[0, 9], jpeg_quality=[50, 90], **given) for given in ({}, {"camera": camera})
    )
    first, second = sampled_of(plain), sampled_of(with_camera)
    np.testing.assert_array_equal(first.psf, second.psf)
    kept = ("parameters", "noise_sigma", "noise_seed", "jpeg_quality")
    assert [getattr(first, name) for name in kept] == [getattr(second, name) for name in kept]


def test_values_are_drawn_from_their_ranges_and_again_from_the_same_seed() -> None:
    camera = Camera(exposure=[0.5, 2], highlights=7, shot_noise=[0, 0.01])
    drawn = [camera.draw(seed) for seed in range(300)]
    exposures, noises = ([getattr(one, name) for one in drawn] for name in ("exposure", "shot_noise"))
    assert 0.5 <= min(exposures) < 0.55
    assert 1.95 < max(exposures) <= 2
    assert abs(np.corrcoef(exposures, noises)[0, 1]) < 0.2
    assert {one.highlights for one in drawn} == {7}
    assert camera.draw(11) == drawn[11]
    assert pickle.loads(pickle.dumps(camera)).draw(11) == drawn[11]


@pytest.mark.parametrize(
    ("camera", "is_fixed"),
    [
        ({}, True),
        ({"linear": True, "exposure": 2, "highlights": 9}, True),
        ({"exposure": [1, 2]}, False),
        ({"shot_noise": 0.01}, False),
        ({"read_noise": [0, 0.01]}, False),
    ],
)
def test_a_degradation_is_fixed_if_its_camera_draws_nothing(camera: dict[str, Any], is_fixed: bool) -> None:
    degradation = Box(5, camera=camera)
    assert degradation.is_fixed is is_fixed
    assert degradation.commutes_with_mirroring == (is_fixed, is_fixed)
    image = random_image(24, 24)
    assert np.array_equal(taken(degradation, image, 1), taken(degradation, image, 2)) is is_fixed
    if is_fixed:
        mirrored = np.ascontiguousarray(image[:, ::-1])
        np.testing.assert_array_equal(taken(degradation, mirrored)[:, ::-1], taken(degradation, image))


@pytest.mark.parametrize(
    ("camera", "sentence"),
    [
        ({"exposure": 0}, r"^camera.exposure is 0; it must be a number from 0.05 to 20"),
        ({"highlights": 0.5}, r"^camera.highlights is 0.5; it must be a number from 1 to 1000"),
        ({"shot_noise": [0, 2]}, r"^camera.shot_noise is \[0, 2\]; it must be a number from 0 to 1, or a pair"),
        ({"read_noise": [0.2, 0.1]}, r"must be in rising order"),
    ],
)
def test_values_out_of_range_are_refused(camera: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Box(5, camera=camera)


# Linear light


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_step_edge_has_the_analytic_values(linear: bool, channels: int) -> None:
    dark, bright, size = 20, 235, 7
    image = np.full((9, 32), dark, np.uint8)
    image[:, 16:] = bright
    share = np.clip((np.arange(32) - 16 + size // 2 + 1) / size, 0, 1)  # of the box that is bright
    levels = np.array([dark, bright]) / 255
    first, second = decoded(levels) if linear else levels
    mixed = (1 - share) * first + share * second
    expected = np.rint(255 * (encoded(mixed) if linear else mixed))
    given = image if channels == 1 else np.stack([image] * channels, 2)
    found = taken(Box(size, camera={"linear": linear}), given)
    assert found.shape == given.shape
    for plane in found.reshape(9, 32, channels).transpose(2, 0, 1):
        np.testing.assert_array_equal(plane, np.tile(expected, (9, 1)))


def test_only_the_linear_link_tells_the_space() -> None:
    assert Box(3).space == Box(3, camera={"exposure": 2}).space == ENCODED
    assert Box(3, camera={"linear": True}).space == Space(linear=True)
    assert ENCODED.settings == {}
    assert Space(linear=True).settings == {"space": "linear light"}


# Lights


def test_a_light_stays_a_clipped_disc_of_the_analytic_radius() -> None:
    radius, blur, highlights = 10, 4, 20
    rows, columns = np.mgrid[-32:33, -32:33]
    lamp = np.where(np.hypot(rows, columns) <= radius, 255, 0).astype(np.uint8)

    def overlap(distance: float) -> float:
        """Return the part of the blur's disk that lies in the lamp's: the area of a lens of two circles."""
        first = (distance**2 + blur**2 - radius**2) / (2 * distance * blur)
        second = (distance**2 + radius**2 - blur**2) / (2 * distance * radius)
        sides = (radius + blur - distance) * (distance + blur - radius) * (distance - blur + radius)
        triangles = 0.5 * math.sqrt(sides * (distance + blur + radius))
        area = blur**2 * math.acos(first) + radius**2 * math.acos(second) - triangles
        return area / (math.pi * blur**2)

    def radius_of(clipped: NDArray[np.bool_]) -> float:
        assert clipped[32, 32]
        return math.sqrt(np.count_nonzero(clipped) / math.pi)

    for brightness in (1.25, highlights):
        edge = optimize.brentq(lambda at, least=1 / brightness: overlap(at) - least, radius - blur + 1e-6, 13.999)
        for linear in (True, False):
            found = taken(Disk(blur, camera={"linear": linear, "highlights": brightness}), lamp)
            assert radius_of(found == 255) == pytest.approx(edge, abs=0.25)
    without = taken(Disk(blur, camera={"linear": True}), lamp)
    assert radius_of(without == 255) == pytest.approx(radius - blur, abs=0.6)
    before = taken(Disk(blur, camera={"linear": True, "highlights": highlights, "saturation": False}), lamp)
    np.testing.assert_array_equal(before, without)


def test_a_lamp_becomes_a_clipped_streak() -> None:
    lamp = np.zeros((21, 61), np.uint8)
    lamp[10, 30] = 255
    streak = taken(Motion(21, 0, camera={"linear": True, "highlights": 40}), lamp)
    expected = np.zeros_like(lamp)
    expected[10, 20:41] = 255
    np.testing.assert_array_equal(streak, expected)
    assert taken(Motion(21, 0, camera={"linear": True}), lamp).max() == round(255 * float(encoded(np.array(1 / 21))))


# Exposure, and the image to restore


def test_the_reference_is_exposed() -> None:
    image = random_image(20, 30, 3)
    twice = NoBlur(camera={"linear": True, "exposure": 2})
    expected = np.rint(255 * encoded(np.minimum(2 * decoded(image / 255), 1)))
    np.testing.assert_array_equal(exposed(image, twice, sampled_of(twice)), expected)
    half = NoBlur(camera={"linear": True, "exposure": 0.5})
    white = np.full((3, 3), 255, np.uint8)
    assert (exposed(white, half, sampled_of(half)) == 188).all()  # encoded(0.5) is 0.7354
    lamp = NoBlur(camera={"linear": True, "exposure": 0.5, "highlights": 4})
    assert (exposed(white, lamp, sampled_of(lamp)) == 255).all()
    encoded_half = NoBlur(camera={"exposure": 0.5})
    assert (exposed(white, encoded_half, sampled_of(encoded_half)) == 128).all()


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("saturation", [True, False])
def test_the_reference_is_what_a_camera_at_rest_takes(linear: bool, saturation: bool) -> None:
    image = random_image(25, 33)
    stages = {"linear": linear, "saturation": saturation, "exposure": [0.3, 3], "highlights": [1, 5]}
    at_rest, moving = NoBlur(camera=stages), Motion(9, 20, noise_sigma=4, camera={**stages, "shot_noise": 0.01})
    for seed in range(4):
        sampled = sampled_of(at_rest, seed)
        reference = exposed(image, moving, sampled)
        np.testing.assert_array_equal(degrade(image, at_rest, sampled), reference)
        crop = Crop(crop=16)
        np.testing.assert_array_equal(exposed(crop.cut(image), moving, sampled), crop.cut(reference))
        np.testing.assert_array_equal(exposed(image[:, ::-1], moving, sampled), reference[:, ::-1])


@pytest.mark.parametrize("camera", [None, {"linear": True, "highlights": 9, "shot_noise": 0.1}])
def test_at_exposure_1_the_reference_is_the_sharp_image_itself(camera: dict[str, Any] | None) -> None:
    image = random_image(8, 8)
    degradation = Box(3, camera=camera)
    assert exposed(image, degradation, sampled_of(degradation)) is image


# Noise


@pytest.mark.parametrize("linear", [True, False])
def test_the_variance_of_noise_is_linear_in_the_signal(linear: bool) -> None:
    a, b = 0.003, 0.01**2
    camera = NoBlur(camera={"linear": linear, "shot_noise": a, "read_noise": math.sqrt(b)})
    signals, variances = [], []
    for seed, level in enumerate(range(110, 226, 10) if linear else range(50, 211, 10)):
        found = taken(camera, np.full((400, 400), level, np.uint8), seed) / 255
        light = decoded(found) if linear else found
        signals.append(light.mean())
        variances.append(light.var())
        truth = decoded(np.array(level / 255)) if linear else level / 255
        assert light.mean() == pytest.approx(float(truth), abs=5 * math.sqrt(variances[-1]) / 400 + 1e-4)
    slope, offset = np.polyfit(signals, variances, 1)
    assert slope == pytest.approx(a, rel=0.05)
    assert offset == pytest.approx(b, abs=0.3 * b)


def test_colors_have_the_same_blur_and_independent_noise() -> None:
    gray = np.full((300, 300, 3), 128, np.uint8)
    noisy = taken(NoBlur(camera={"linear": True, "shot_noise": 0.002}), gray).astype(float)
    correlations = np.corrcoef([noisy[:, :, color].ravel() for color in range(3)])
    assert np.abs(correlations - np.eye(3)).max() < 0.02
    image = random_image(40, 30, 3)
    quiet = Motion(9, 30, camera={"linear": True, "exposure": [0.5, 2]})
    together = taken(quiet, image)
    for color in range(3):
        np.testing.assert_array_equal(together[:, :, color], taken(quiet, np.ascontiguousarray(image[:, :, color])))


def test_noise_on_the_light_and_on_the_encoded_values_are_independent() -> None:
    gray = np.full((300, 300), 128, np.uint8)
    either = [taken(NoBlur(**one), gray) - 128.0 for one in ({"noise_sigma": 5}, {"camera": {"read_noise": 5 / 255}})]
    assert abs(np.corrcoef([one.ravel() for one in either])[0, 1]) < 0.02
    assert [one.std() for one in either] == pytest.approx([5, 5], rel=0.02)
    both = taken(NoBlur(noise_sigma=5, camera={"read_noise": 5 / 255}), gray)
    assert both.std() == pytest.approx(math.sqrt(50), rel=0.02)


def test_each_noise_is_where_it_belongs() -> None:
    black, white = (np.full((50, 50), level, np.uint8) for level in (0, 255))
    shot, read = ({"linear": True, name: 0.01} for name in ("shot_noise", "read_noise"))
    assert taken(NoBlur(camera=shot), black).max() == 0
    assert taken(NoBlur(camera=read), black).max() > 20  # the curve is steep in the dark
    for noise in (shot, read):
        share = np.mean(taken(NoBlur(camera=noise), white) < 255)
        assert 0.25 < share < 0.5  # the upper half is clipped
        assert taken(NoBlur(camera={**noise, "highlights": 50}), white).min() == 255  # clipped after the noise


@pytest.mark.parametrize("linear", [True, False])
def test_light_is_clipped_before_noise_on_the_encoded_values(linear: bool) -> None:
    white = np.full((50, 50), 255, np.uint8)
    found = taken(NoBlur(noise_sigma=5, camera={"linear": linear, "highlights": 9}), white)
    assert 0.4 < np.mean(found < 255) < 0.55


# Each stage alone


@pytest.mark.parametrize(
    ("stage", "changes_target"),
    [
        ({"linear": True}, False),
        ({"exposure": 0.5}, True),
        ({"exposure": 2.0}, True),
        ({"highlights": 3.0}, False),
        ({"shot_noise": 0.01}, False),
        ({"read_noise": 0.01}, False),
    ],
    ids=str,
)
def test_each_stage_alone_changes_the_blurred_image(stage: dict[str, Any], changes_target: bool) -> None:
    image = random_image(40, 40)
    plain, with_stage = Box(5), Box(5, camera=stage)
    assert not np.array_equal(taken(with_stage, image), taken(plain, image))
    assert (exposed(image, with_stage, sampled_of(with_stage)) is not image) is changes_target


def test_saturation_matters_as_soon_as_light_exceeds_white() -> None:
    image = random_image(40, 40)
    for stages, matters in (({}, False), ({"exposure": 2}, True), ({"highlights": 2}, True)):
        after, before = (taken(Box(5, camera={**stages, "saturation": one}), image) for one in (True, False))
        assert np.array_equal(after, before) is not matters
        assert (after >= before).all()
    # Clipped before, the blur is that of the image to restore alone.
    degradation = Box(5, camera={"exposure": 2, "saturation": False})
    target = exposed(image, degradation, sampled_of(degradation))
    assert np.abs(taken(Box(5), target).astype(int) - taken(degradation, image)).max() <= 1


# Color


def test_an_rgb_image_is_one_color_jpeg() -> None:
    image = random_image(48, 40, 3)
    _, stored = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 70])
    expected = cv2.imdecode(stored, cv2.IMREAD_COLOR)[:, :, ::-1]
    np.testing.assert_array_equal(taken(NoBlur(jpeg_quality=70), image), expected)


def test_jpeg_takes_fine_chroma_and_keeps_fine_luma() -> None:
    chroma = np.zeros((32, 32, 3), np.uint8)
    chroma[:, ::2], chroma[:, 1::2] = (178, 74, 100), (56, 137, 100)  # both of luma 108
    luma = np.zeros((32, 32, 3), np.uint8)
    luma[:, ::2], luma[:, 1::2] = 60, 160

    def contrast(image: Image) -> float:
        return float(np.abs(np.diff(image[:, :, 0].astype(float), axis=1)).mean())

    compress = NoBlur(jpeg_quality=90)
    assert contrast(taken(compress, chroma)) < 0.2 * contrast(chroma)
    assert contrast(taken(compress, luma)) > 0.9 * contrast(luma)


class Inverted(Box):
    """A custom degradation, which knows of gray images only."""

    def apply(self, image: Image, sampled: Sampled) -> Image:
        assert image.ndim == 2
        return 255 - super().apply(image, sampled)


def test_a_custom_degradation_is_given_one_plane_at_a_time() -> None:
    image = random_image(20, 20, 3)
    camera = {"linear": True, "exposure": [0.5, 2]}
    inverted, plain = (kind(5, camera=camera) for kind in (Inverted, Box))
    assert not inverted.is_fixed
    np.testing.assert_array_equal(taken(inverted, image), 255 - taken(plain, image))


class Unaware(Box):
    """A custom degradation whose `sample` knows of no camera."""

    def sample(self, rng: np.random.Generator) -> Sampled:
        return Sampled(*self.draw_kernel(rng), 0.0, int(rng.integers(2**63)), None)


def test_a_custom_degradation_that_draws_no_camera_has_the_camera_of_its_seed() -> None:
    image = random_image(20, 20, 3)
    unaware = Unaware(5, camera={"exposure": [0.5, 2], "linear": True})
    sampled = [sampled_of(unaware, seed) for seed in (1, 2)]
    first, second = (degrade(image, unaware, one) for one in sampled)
    assert not np.array_equal(first, second)
    assert not np.array_equal(exposed(image, unaware, sampled[0]), exposed(image, unaware, sampled[1]))
    np.testing.assert_array_equal(degrade(image, unaware, sampled[0]), first)


class UnawareAndInverted(Unaware):
    """A custom degradation that overrides both."""

    def apply(self, image: Image, sampled: Sampled) -> Image:
        return 255 - super().apply(image, sampled)


def test_one_camera_takes_all_colors_of_a_custom_degradation() -> None:
    image = random_image(20, 20, 3)
    camera = {"exposure": [0.5, 2], "linear": True}
    inverted, plain = UnawareAndInverted(5, camera=camera), Unaware(5, camera=camera)
    np.testing.assert_array_equal(taken(inverted, image), 255 - taken(plain, image))


def test_wrong_images_are_refused() -> None:
    degradation = Box(3, camera={"linear": True})
    for image in (np.zeros((4, 4)), np.zeros((0, 4), np.uint8), np.zeros((2, 4, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match="must be uint8"):
            degradation.apply(image, sampled_of(degradation))
