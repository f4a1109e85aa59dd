import math
from typing import Any

import pytest

from deblur.demonstration.wording import UNKNOWN_GAIN, result_in_words, training_in_words
from deblur.restoring.simulation import Gain


@pytest.mark.parametrize(
    ("gain", "sentence"),
    [
        (None, UNKNOWN_GAIN),
        (Gain(24.104, 27.311), "PSNR before: 24.10 dB, after: 27.31 dB, gain: +3.21 dB."),
        (Gain(24.1, 21.1), "PSNR before: 24.10 dB, after: 21.10 dB, gain: -3.00 dB."),
        (Gain(24.1, math.inf), "PSNR before: 24.10 dB. After, the picture equals the sharp one."),
        (
            Gain(math.inf, 30.0),
            "The picture before equals the sharp one, and the network took it to a PSNR of 30.00 dB: a stronger blur "
            "shows what it is for.",
        ),
        (
            Gain(math.inf, math.inf),
            "The picture before equals the sharp one, and the network left it as it is: a stronger blur shows what it "
            "is for.",
        ),
    ],
)
def test_a_result_is_told_in_a_sentence(gain: Gain | None, sentence: str) -> None:
    assert result_in_words(gain) == sentence


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
        ({"name": "box", "noise_sigma": 2, "size": 7}, "box (size 7 px, noise 2 grey levels)"),
        ({"_target_": "my.Fog", "density": 0.25, "jpeg_quality": None}, "Fog (density 0.25)"),
        ({"name": "trajectory", "extent": [5.0, 25.0], "shake": 1}, "trajectory (extent 5 to 25 px, shake 1)"),
        ({"name": "none", "_target_": "deblur.blur.NoBlur", "noise_sigma": 0.0}, "no blur"),
        ({"name": "kernel", "path": "/home/me/shake.npy", "sha256": "0" * 64}, "kernel (path shake.npy)"),
        (
            MIXED,
            "gaussian (sigma 1 to 3 px), motion (length 5 to 25 px, angle 0 to 180°), "
            "all with noise 0 to 2.5 grey levels, JPEG quality 80",
        ),
    ],
)
def test_the_blur_of_the_training_is_told(blur: dict[str, Any], told: str) -> None:
    sentence = f"The network was trained on this blur: {told}. Others it removes worse, or not at all."
    assert training_in_words({"blur": blur}) == sentence
