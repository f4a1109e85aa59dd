import math
import random
from collections import Counter
from typing import Any

import albumentations as A
import numpy as np
import pytest

from deblur.blur import FAMILIES, Mixed, Sampled
from deblur.blur.transforms import Degrade

EVERY_FAMILY: dict[str, dict[str, Any]] = {
    "gaussian": {"sigma": [1, 3]},
    "box": {"size": [3, 9]},
    "motion": {"length": [5, 25], "angle": [0, 180]},
    "disk": {"radius": [1, 5]},
    "trajectory": {"extent": [5, 25], "shake": [0, 1]},
    "none": {},
}
VARYING = {"extent": [5, 20], "variation": [0.5, 1], "shake": [0, 1], "kind": "any"}  # it has no single kernel
ENOUGH_FOR_EACH = 80  # draws; one of six families is missing with a chance of 3e-6


def drawn(mixture: Mixed, count: int, seed: int = 0) -> list[Sampled]:
    rng = np.random.default_rng(seed)
    return [mixture.sample(rng) for _ in range(count)]


def same(first: list[Sampled], second: list[Sampled]) -> bool:
    return [(one.family, one.parameters) for one in first] == [(one.family, one.parameters) for one in second]


def test_a_mixture_knows_every_family_of_a_few_numbers() -> None:
    assert FAMILIES.keys() == {*EVERY_FAMILY, "varying"}


def test_a_mixture_with_a_varying_blur_varies_and_fills_in_what_is_left_out() -> None:
    mixture = Mixed({"box": {}, "varying": {}})
    assert mixture.varies_over_image
    assert not Mixed({"box": {}, "varying": {"weight": 0}}).varies_over_image
    assert mixture.max_kernel_size == (41, 41)
    draws, full = drawn(mixture, 40), drawn(Mixed({"box": EVERY_FAMILY["box"], "varying": VARYING}), 40)
    assert same(draws, full)
    assert {each.family for each in draws} == {"box", "varying"}
    assert all((each.psf is None) == (each.family == "varying") for each in draws)
    flat = np.full((37, 31), 131, np.uint8)
    for each in draws:
        np.testing.assert_array_equal(mixture.apply(flat, each), flat)


def test_a_parameter_that_is_left_out_has_its_usual_range_in_mixtures() -> None:
    short = Mixed({"box": {}, "motion": {"length": 9}, "trajectory": {"weight": 2}})
    full = {
        "box": {"size": [3, 9]},
        "motion": {"length": 9, "angle": [0.0, 180.0]},
        "trajectory": {"weight": 2, "extent": [5.0, 25.0], "shake": [0.0, 1.0]},
    }
    assert same(drawn(short, ENOUGH_FOR_EACH), drawn(Mixed(full), ENOUGH_FOR_EACH))


def test_what_is_drawn_is_a_blur_of_the_family_that_is_named() -> None:
    draws = drawn(Mixed(EVERY_FAMILY), ENOUGH_FOR_EACH)
    assert {each.family for each in draws} == EVERY_FAMILY.keys()
    for each in draws:
        assert each.parameters.keys() == EVERY_FAMILY[each.family].keys()
        own = FAMILIES[each.family](**each.parameters)
        if own.fixed_kernel is not None:  # a path is drawn for the same parameters too
            np.testing.assert_array_equal(each.kernel.psf, own.fixed_kernel.psf)
        else:
            assert each.family == "trajectory"
            assert max(each.kernel.psf.shape) <= max(own.max_kernel_size)
        assert each.kernel.psf.sum() == pytest.approx(1, abs=1e-9)


def test_a_bright_pixel_becomes_the_kernel_and_a_constant_image_stays() -> None:
    mixture = Mixed(EVERY_FAMILY)
    impulse = np.zeros((61, 59), np.uint8)
    impulse[30, 29] = 255
    flat = np.full((37, 31), 131, np.uint8)
    for each in drawn(mixture, ENOUGH_FOR_EACH):
        height, width = (size // 2 for size in each.kernel.psf.shape)
        blurred = mixture.apply(impulse, each)
        around = blurred[30 - height : 31 + height, 29 - width : 30 + width]
        np.testing.assert_allclose(around, 255 * each.kernel.psf, atol=0.51)
        assert int(blurred.sum()) == int(around.sum())
        np.testing.assert_array_equal(mixture.apply(flat, each), flat)


@pytest.mark.parametrize(
    "weights",
    [
        {"gaussian": 1, "box": 1, "motion": 1, "disk": 1, "trajectory": 1, "none": 1},
        {"gaussian": 0.5, "box": 3, "motion": 0, "disk": 1.5, "trajectory": 2, "none": 0},
    ],
)
def test_families_are_drawn_as_often_as_their_weights_say(weights: dict[str, float]) -> None:
    families = {name: {**arguments, "weight": weights[name]} for name, arguments in EVERY_FAMILY.items()}
    counts = Counter(each.family for each in drawn(Mixed(families), 1000))
    for name, weight in weights.items():
        share = weight / sum(weights.values())
        assert counts[name] == pytest.approx(1000 * share, abs=4 * math.sqrt(1000 * share * (1 - share)))


def test_a_family_without_a_weight_has_the_weight_1() -> None:
    written = {"box": {"size": 3, "weight": 1.0}, "none": {}, "disk": {"radius": 2}}
    assert set(Mixed(written).probabilities.values()) == {1 / 3}


def test_the_order_in_which_families_are_written_does_not_matter() -> None:
    turned = dict(reversed(EVERY_FAMILY.items()))
    assert same(drawn(Mixed(EVERY_FAMILY), 50), drawn(Mixed(turned), 50))


@pytest.mark.parametrize("left_out", [None, {"radius": 99, "weight": 0}])
def test_a_family_that_is_null_or_weightless_is_as_good_as_absent(left_out: dict[str, Any] | None) -> None:
    without = Mixed({name: arguments for name, arguments in EVERY_FAMILY.items() if name != "disk"})
    mixture = Mixed({**EVERY_FAMILY, "disk": left_out})
    assert same(drawn(mixture, 50), drawn(without, 50))
    assert mixture.max_kernel_size == without.max_kernel_size


def test_parameters_are_drawn_evenly_within_a_family() -> None:
    draws = drawn(Mixed(EVERY_FAMILY), 1500)
    lengths = np.array([each.parameters["length"] for each in draws if each.family == "motion"])
    assert lengths.mean() == pytest.approx(15, abs=4 * 20 / math.sqrt(12 * len(lengths)))
    assert {each.parameters["size"] for each in draws if each.family == "box"} == {3, 5, 7, 9}


def test_noise_and_jpeg_are_the_mixture_s_and_change_nothing_else() -> None:
    plain = Mixed(EVERY_FAMILY)
    full = Mixed(EVERY_FAMILY, noise_sigma=[1, 5], jpeg_quality=[50, 90])
    for seed in range(20):
        bare, each = (mixture.sample(np.random.default_rng(seed)) for mixture in (plain, full))
        assert same([bare], [each])
        assert bare.noise_seed == each.noise_seed
        assert (bare.noise_sigma, bare.jpeg_quality) == (0, None)
        assert 1 <= each.noise_sigma <= 5
        assert each.jpeg_quality in range(50, 91)


def test_the_largest_kernel_is_that_of_the_largest_family() -> None:
    assert Mixed({"box": {"size": 7}, "motion": {"length": 15, "angle": 0}}).max_kernel_size == (7, 15)
    mixture = Mixed(EVERY_FAMILY)
    largest = np.array(mixture.max_kernel_size)
    assert all((each.kernel.psf.shape <= largest).all() for each in drawn(mixture, 200))


def test_in_the_pipeline_no_image_stays_sharp_and_flips_come_first() -> None:
    families = {name: arguments for name, arguments in EVERY_FAMILY.items() if name != "none"}
    mixture = Mixed(families)
    compose = A.Compose([A.HorizontalFlip(), A.VerticalFlip(), Degrade(mixture)], additional_targets={"sharp": "mask"})
    image = np.random.default_rng(0).integers(0, 256, (37, 31), dtype=np.uint8)
    flips = [image, image[::-1], image[:, ::-1], image[::-1, ::-1]]
    seen: set[tuple[int, str]] = set()
    for index in range(200):
        sequence = np.random.SeedSequence([0, 0, index])
        compose.set_random_state(np.random.default_rng(sequence), random.Random(int(sequence.generate_state(1)[0])))
        result = compose(image=image, sharp=image)
        sampled = compose.transforms[-1].params["sampled"]
        assert not np.array_equal(result["image"], result["sharp"])
        np.testing.assert_array_equal(result["image"], mixture.apply(result["sharp"], sampled))
        flip = next(number for number, each in enumerate(flips) if np.array_equal(result["sharp"], each))
        seen.add((flip, sampled.family))
    assert seen == {(flip, name) for flip in range(4) for name in families}


@pytest.mark.parametrize(
    ("families", "sentence"),
    [
        ({}, "nothing to draw from"),
        ({"box": None}, "nothing to draw from"),
        ({"box": {"size": 3, "weight": 0}}, "nothing to draw from"),
        ({"blob": {"size": 3}}, "families.blob is unknown; there are gaussian, box"),
        ({"kernel": {"path": "k.npy"}}, "families.kernel is unknown"),
        ({"box": {"size": 4}}, "families.box: 4 holds no odd number"),
        ({"box": {"size": 3}, "disk": {"radius": [5, 1]}}, "families.disk: .*rising order"),
        ({"disk": {"radius": 0, "weight": 0}, "none": {}}, "families.disk: radius"),
        ({"box": {"size": 3, "radius": 2}}, "families.box: .*radius"),
        ({"box": {"size": 3, "noise_sigma": 2}}, "families.box: noise_sigma must be set for the mixture"),
        ({"box": {"size": 3, "jpeg_quality": None}}, "families.box: jpeg_quality must be set for the mixture"),
        ({"box": {"size": 3, "weight": -1}}, "families.box: weight is -1"),
        ({"box": {"size": 3, "weight": math.nan}}, "families.box: weight is nan"),
        ({"box": {"size": 3, "weight": math.inf}}, "families.box: weight is inf"),
        ({"box": {"size": 3, "weight": "often"}}, "families.box: weight is 'often'"),
        ({"box": {"size": 3, "weight": None}}, "families.box: weight is None"),
    ],
)
def test_mixtures_that_are_not_allowed_are_refused_at_once(families: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Mixed(families)


def test_what_follows_the_blur_is_checked_as_everywhere() -> None:
    with pytest.raises(ValueError, match="noise_sigma"):
        Mixed(EVERY_FAMILY, noise_sigma=-1)
