"""What runs were tested on, in words."""

from typing import Any

import pytest

from deblur.runs.conditions import (
    blur_text,
    camera_text,
    common_conditions,
    condition_sentences,
    conditions_of,
    network_text,
    value_text,
)

BOX = {"name": "box", "_target_": "deblur.blur.Box", "size": 7, "noise_sigma": 0.0, "jpeg_quality": None}
DATA = {"name": "folder", "root": "/home/me/faces", "seed": 3, "boundary": "valid", "eval_crop": None}


@pytest.mark.parametrize(
    ("blur", "overrides"),
    [
        (BOX, "box (size 7 px)"),
        ({"name": "gaussian", "sigma": [0.5, 4.0]}, "gaussian (sigma 0.5 to 4 px)"),
        ({"name": "motion", "length": 15.0, "angle": 0.0}, "motion (length 15 px, angle 0 degrees)"),
        ({"name": "none", "noise_sigma": 2.0}, "none"),
        ({"_target_": "my_blurs.Ring", "width": 3}, "Ring (width 3)"),
        ({"name": "kernel", "path": "/home/me/k.npy", "sha256": "ab" * 32}, "kernel (path k.npy, sha256 abababab)"),
        (
            {
                "name": "mixed",
                "families": {
                    "box": {"weight": 1.0, "size": [3, 9]},
                    "disk": None,
                    "motion": {"weight": 0.0, "length": 5.0},
                    "gaussian": {"weight": 2.0, "sigma": 1.0},
                    "none": {"weight": 1.0},
                },
            },
            "mixed (box size 3 to 9 px; gaussian sigma 1 px, weight 2; none)",
        ),
        ({}, ""),
    ],
)
def test_a_blur_has_its_strength(blur: dict[str, Any], overrides: str) -> None:
    assert blur_text(blur) == overrides


def test_all_conditions_are_described() -> None:
    config = {"data": DATA, "blur": BOX | {"noise_sigma": [0, 3.5], "jpeg_quality": 50}}
    assert conditions_of(config, {"train": 12, "val": 2, "test": 1}, "0123456789abcdef") == {
        "data": "folder faces",
        "seed": "seed 3",
        "images": "12 images to train, 2 to validate, 1 to test",
        "boundary": "valid boundary",
        "crop": "whole images",
        "fingerprint": "fingerprint 01234567",
        "blur": "box (size 7 px)",
        "noise": "noise of 0 to 3.5 gray levels",
        "JPEG": "JPEG quality 50",
    }


def test_unknown_conditions_are_left_out() -> None:
    assert conditions_of({"blur": {"_target_": "my_blurs.Ring"}}) == {"blur": "Ring"}
    assert conditions_of({}) == {}
    assert conditions_of({"data": {"name": "synthetic"}}, {"test": 1}) == {
        "data": "synthetic",
        "images": "1 image to test",
        "boundary": "symmetric boundary",  # which older versions knew alone
    }


def test_pairs_are_blurred_already() -> None:
    data = {"name": "pairs", "sharp": "/a/sharp", "blurred": "/a/soft"}
    found = conditions_of({"data": data, "blur": {"name": "none", "noise_sigma": 0.0}})
    assert (found["data"], found["blur"]) == ("pairs sharp and soft", "as the pairs are")


def test_drawn_leaves_are_described() -> None:
    assert conditions_of({"data": {"name": "synthetic", "leaves": 0.5}})["data"] == "synthetic with 50% dead leaves"


def test_rgb_images_are_told_from_gray_ones() -> None:
    gray, rgb = (conditions_of({"data": DATA | {"color": color}}) for color in ("gray", "rgb"))
    assert gray == conditions_of({"data": DATA})
    assert rgb["data"] == "folder faces in RGB"
    assert common_conditions([gray, rgb])[1] == ["data"]


def test_what_tests_share_and_what_not() -> None:
    one, other = (conditions_of({"data": DATA, "blur": BOX | {"size": size}}) for size in (7, 9))
    common, differing = common_conditions([one, other, {}])
    assert differing == ["blur"]
    assert common == {key: value for key, value in one.items() if key != "blur"}
    assert condition_sentences([one, other]) == [
        "Data: folder faces; seed 3; valid boundary; whole images.",
        "Blur: box (size 7 px) or box (size 9 px); no noise; no JPEG.",
    ]
    assert condition_sentences([]) == []


def test_one_gray_level_is_one() -> None:
    noise = [conditions_of({"blur": BOX | {"noise_sigma": sigma}})["noise"] for sigma in (1.0, 1.5, [0, 1])]
    assert noise == ["noise of 1 gray level", "noise of 1.5 gray levels", "noise of 0 to 1 gray levels"]


def test_many_blurs_are_counted() -> None:
    many = [conditions_of({"blur": BOX | {"size": size}}) for size in range(3, 21, 2)]
    assert condition_sentences(many) == ["Blur: 9 kinds of blur; no noise; no JPEG."]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        (True, "true"),
        (1e-3, "0.001"),
        (0.1 + 0.2, "0.30000000000000004"),
        ([9, 1], "9-1"),
        ("a\n b", "a b"),
    ],
)
def test_values_are_short(value: Any, text: str) -> None:
    assert value_text(value) == text


CAMERA = {"linear": True, "exposure": [0.5, 2.0], "highlights": 1.0, "saturation": False, "shot_noise": 0.01}


@pytest.mark.parametrize(
    ("camera", "text"),
    [
        (None, ""),
        (CAMERA, "camera in linear light, exposure 0.5 to 2, shot noise 0.01, clipped before the blur"),
        ({**CAMERA, "exposure": 1.0}, "camera in linear light, shot noise 0.01"),
        ({"read_noise": [0.0, 0.1]}, "camera in encoded values, read noise 0 to 0.1"),
    ],
)
def test_a_camera_is_described_by_the_links_that_change_something(camera: Any, text: str) -> None:
    blur = BOX if camera is None else {**BOX, "camera": camera}
    assert camera_text(blur) == text
    assert conditions_of({"data": DATA, "blur": blur}).get("camera", "") == text
    assert blur_text(blur) == blur_text(BOX)


def test_a_camera_differs_from_none_and_none_is_not_mentioned_alone() -> None:
    without, with_camera = (conditions_of({"data": DATA, "blur": blur}) for blur in (BOX, {**BOX, "camera": CAMERA}))
    assert common_conditions([without, without])[1] == []
    assert [one["noise"] for one in (without, with_camera)] == ["no noise", "no noise on encoded values"]
    assert "camera" not in " ".join(condition_sentences([without]))
    common, differing = common_conditions([without, with_camera])
    assert differing == ["camera", "noise"]
    assert "camera" not in common
    said = " ".join(condition_sentences([without, with_camera]))
    assert "no camera or camera in linear light, exposure 0.5 to 2" in said


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        ("mixed", "mixed"),
        ("/o/runs/srcnn_915-box-lr_0.001-seed_0/2026-01-02_03-04-05", "srcnn_915-box-lr_0.001-seed_0"),
        ("/o/sweeps/grid/srcnn_915-box-lr_0.001-seed_0", "srcnn_915-box-lr_0.001-seed_0"),
        ("/o/runs/a-seed_0/2026-01-02_03-04-05/checkpoints/best.ckpt", "a-seed_0"),
        ("/o/sweeps/grid/a-seed_0/checkpoints/last.ckpt", "a-seed_0 (last)"),
        ("/elsewhere/mine.ckpt", "mine"),
        ("/elsewhere/net-lr_0.001.safetensors", "net-lr_0.001"),
    ],
)
def test_a_trained_network_is_called_by_its_run_or_file(weights: str, text: str) -> None:
    assert network_text(weights) == text
