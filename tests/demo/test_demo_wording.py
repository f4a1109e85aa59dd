import html
import math
import re
from typing import Any

import pytest

from deblur.demo.wording import (
    blur_text,
    color_text,
    paragraphs,
    plain,
    restored_text,
    result_text,
    shortened,
    simulated_text,
    training_text,
)
from deblur.inference.simulation import Gain


@pytest.mark.parametrize(
    ("gain", "sentence"),
    [
        (Gain(24.104, 27.311), "PSNR before: 24.10 dB, after: 27.31 dB, gain: +3.21 dB."),
        (Gain(24.1, 21.1), "PSNR before: 24.10 dB, after: 21.10 dB, gain: -3.00 dB."),
        (Gain(24.1, math.inf), "PSNR before: 24.10 dB. After, the image equals the sharp one."),
        (
            Gain(math.inf, 30.0),
            "The image before equals the sharp one, and the network took it to a PSNR of 30.00 dB: a stronger blur "
            "shows what it is for.",
        ),
        (
            Gain(math.inf, math.inf),
            "The image before equals the sharp one, and the network left it as it is: a stronger blur shows what it "
            "is for.",
        ),
    ],
)
def test_a_result_is_told_in_a_sentence(gain: Gain, sentence: str) -> None:
    assert result_text(gain) == sentence


def test_the_psnr_of_a_color_image_is_that_of_the_brightness() -> None:
    said = "PSNR of the luma before: 24.10 dB, after: 27.31 dB, gain: +3.21 dB."
    assert result_text(Gain(24.104, 27.311), of_luma=True) == said


@pytest.mark.parametrize(
    ("channels", "is_color", "told"),
    [
        (1, False, ""),
        (1, True, "The network is for gray images: the luma was restored, the colors were kept."),
        (3, True, "Red, green and blue were restored at once."),
        (
            3,
            False,
            "The image is gray and the network is for color images: the luma of its result was taken.",
        ),
    ],
)
def test_what_becomes_of_colors_is_told(channels: int, is_color: bool, told: str) -> None:
    assert color_text(channels, is_color=is_color) == told


def test_colors_that_are_restored_one_by_one_are_not_kept() -> None:
    assert color_text(1, is_color=True, color="channels").endswith("red, green and blue were restored one by one.")
    assert color_text(1, is_color=False, color="channels") == ""


MIXED = {
    "name": "mixed",
    "_target_": "deblur.blur.Mixed",
    "families": {
        "gaussian": {"weight": 1.0, "sigma": [1.0, 3.0]},
        "motion": {"length": [5.0, 25.0], "angle": [0.0, 180.0]},
        "disk": None,
        "none": {"weight": 0.0},
    },
    "noise_sigma": [0.0, 2.5],
    "jpeg_quality": 80,
}


@pytest.mark.parametrize(
    ("blur", "told"),
    [
        ({"name": "box", "_target_": "deblur.blur.Box", "size": 7, "noise_sigma": 0.0}, "box (size 7 px)"),
        ({"name": "box", "noise_sigma": 2, "size": 7}, "box (size 7 px, noise 2 gray levels)"),
        ({"_target_": "my.Fog", "density": 0.25, "jpeg_quality": None}, "Fog (density 0.25)"),
        ({"name": "trajectory", "extent": [5.0, 25.0], "shake": 1}, "trajectory (extent 5 to 25 px, shake 1)"),
        ({"name": "none", "_target_": "deblur.blur.NoBlur", "noise_sigma": 0.0}, "no blur"),
        ({"name": "kernel", "path": "/home/me/shake.npy", "sha256": "0" * 64}, "kernel (path shake.npy)"),
        (
            MIXED,
            "gaussian (sigma 1 to 3 px), motion (length 5 to 25 px, angle 0 to 180°), "
            "all with noise 0 to 2.5 gray levels, JPEG quality 80",
        ),
    ],
)
def test_the_blur_of_the_training_is_told(blur: dict[str, Any], told: str) -> None:
    sentence = f"The network was trained on this blur: {told}. Others it removes worse, or not at all."
    assert training_text({"blur": blur}) == sentence


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[here](javascript:alert(1)) ![i](http://evil.example/i.png)",
    "http://evil.example www.evil.example a@evil.example",
    "**bold** _it_ `code` ~~no~~ # big | a | b",
    "$$\\alpha$$ {{7*7}} ${7*7} :smile: &lt;b&gt;",
    "a\x1b[2Jb\x00c\u202ed\n\n# big\n- one",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_of_any_origin_is_nothing_but_text(text: str) -> None:
    shown = plain(text)
    assert re.fullmatch(r"(?:[^\W_]|[ ]|&#\d+;|\ufffd)*", shown)
    assert html.unescape(shown) == "".join(one if one.isprintable() else "\ufffd" for one in " ".join(text.split()))


def test_what_is_said_first_is_bold_and_mistakes_are_marked() -> None:
    assert paragraphs(["one*", "", "two"]) == "**one&#42;**\n\ntwo"
    assert paragraphs(["one"], is_usage_error=True) == '<div class="usage_error">\n\n**one**\n\n</div>'


def test_a_name_is_one_line_of_some_length() -> None:
    assert shortened("photo of mine.jpg") == "photo of mine.jpg"
    assert shortened("a\nb\x1b") == "a\ufffdb\ufffd"
    assert shortened("x" * 61) == "x" * 59 + "\u2026"


def test_what_was_done_is_told() -> None:
    assert restored_text("a.png", "mixed") == "a.png was restored by the network mixed."
    assert simulated_text("a.png", None, "mixed") == "a.png was not blurred, then restored by the network mixed."
    blur = blur_text("Motion", {"length": 9, "angle": 45, "noise_sigma": 2})
    assert simulated_text("Face 3", blur, "box") == (
        "Face 3 was blurred by Motion (length 9 px, angle 45\u00b0, noise 2 gray levels), then restored by the "
        "network box."
    )
    assert blur_text("Disk", {"radius": 2.5, "noise_sigma": 0}) == "Disk (radius 2.5 px)"


def test_a_training_with_a_camera_is_described_with_it() -> None:
    blur = {"name": "box", "size": 7, "camera": {"linear": True, "exposure": 2.0, "highlights": 1.0}}
    text = training_text({"blur": blur})
    assert text.startswith(
        "The network was trained on this blur: box (size 7 px); camera in linear light, exposure 2. Others"
    )
