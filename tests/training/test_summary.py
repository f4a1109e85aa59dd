"""What a run says about itself in words."""

import pytest
from wiener_networks import calibrated

from deblur.blur import Box, Motion
from deblur.metrics import METRICS
from deblur.models import SRCNN
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


def test_a_wiener_estimate_has_no_field_that_a_blur_could_leave() -> None:
    network = calibrated(kernel_sizes=(5, 3))
    assert network.receptive_field == 7
    assert receptive_field_warning(network, Motion(15, 0)) is None


@pytest.mark.parametrize("is_wiener_guided", [False, True])
def test_the_wiener_filter_stands_between_blurred_and_restored(is_wiener_guided: bool) -> None:
    found = result_table(TEST | ({"wiener_psnr": 24.25} if is_wiener_guided else {}), INFOS)
    assert ("Wiener filter" in found) == ("24.25" in found) == is_wiener_guided
    assert "+3.00" in found
