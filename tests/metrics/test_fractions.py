"""One definition of degraded images, and of being better."""

import math

import pytest
import torch

from deblur.metrics import PSNR
from deblur.metrics.measuring import degraded_fraction, mean_results, measure, share_above


@pytest.mark.parametrize(
    ("given", "restored", "is_degraded"),
    [
        (20.0, 21.0, False),
        (20.0, 20.0, False),
        (20.0, 19.91, False),
        (20.0, 19.89, True),
        (math.inf, 40.0, True),
        (math.inf, 48.13, True),  # a change of 1.0001 gray levels
        (math.inf, 48.14, False),
        (math.inf, math.inf, False),
        (40.0, math.inf, False),
        (40.0, math.nan, False),
        (math.inf, math.nan, False),
        (20.0, -math.inf, True),
    ],
)
def test_an_image_is_degraded_by_more_than_a_tenth_of_a_db(given: float, restored: float, is_degraded: bool) -> None:
    assert degraded_fraction([restored - given], [restored]) == float(is_degraded)
    assert degraded_fraction([restored - given, 1.0], [restored, 30.0]) == is_degraded / 2


def test_without_images_there_is_no_fraction() -> None:
    assert degraded_fraction([], []) is None
    assert share_above([], []) is None


def test_a_tie_is_not_above() -> None:
    ones = [21.0, 20.0, 19.0, math.inf, math.inf, 20.0, math.nan]
    others = [20.0, 20.0, 20.0, 20.0, math.inf, math.inf, 20.0]
    assert share_above(ones, others) == 2 / 7
    assert share_above(others, ones) == 2 / 7


def test_what_is_measured_of_exact_inputs_is_degradation() -> None:
    sharp = torch.full((3, 1, 16, 16), 0.5)
    restored = sharp.clone()
    restored[0] += 0.1
    measured = measure(restored, {"blurred": sharp, "sharp": sharp}, [PSNR], of_input=True)
    rows = [{name: values[image].item() for name, values in measured.items()} for image in range(3)]
    means = mean_results(rows, [PSNR.info])
    assert means["degraded"] == 1 / 3
    assert (means["exactly_restored"], means["gain"], means["input_psnr"]) == (2, None, None)
    assert means["psnr"] == pytest.approx(20.0, abs=1e-4)
