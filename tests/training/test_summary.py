"""What a run says about itself in words."""

from deblur.blur import Box, Motion
from deblur.metrics import METRICS
from deblur.models import SRCNN, Unrolled
from deblur.training.summary import receptive_field_warning, result_table

INFOS = [METRICS[name].info for name in ("psnr", "ssim")]
TEST = {"psnr": 25.0, "ssim": 0.8, "gain": 3.0, "input_psnr": 22.0, "input_ssim": 0.6, "images": 15}


def test_a_blur_beyond_the_field_is_warned_of() -> None:
    warning = receptive_field_warning(SRCNN((5, 3), (4,)), Motion(15, 0))
    assert warning is not None
    assert warning.startswith(
        "The receptive field of the network is 7 px, but the blur spreads a pixel over up to 15 px"
    )
    assert " dB" not in warning  # what was measured on other images does not hold for these
    assert receptive_field_warning(SRCNN((5, 3), (4,)), Box(7)) is None


def test_a_network_without_a_receptive_field_has_none_that_a_blur_could_leave() -> None:
    assert receptive_field_warning(Unrolled(1, 4, 4), Motion(15, 0)) is None


def test_the_gain_stands_beside_blurred_and_restored() -> None:
    assert "+3.00" in result_table(TEST, INFOS)
