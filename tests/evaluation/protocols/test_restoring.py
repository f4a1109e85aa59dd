"""Baselines that a protocol tunes."""

import numpy as np

from deblur.blur.kernels import Kernel
from deblur.evaluation.protocols.protocol import PROTOCOLS
from deblur.evaluation.protocols.restoring import TUNING_SIDE, _drawn, tuned_baseline
from deblur.synthesis.leaves import draw


def test_a_kernel_larger_than_a_drawn_image_tunes_a_baseline() -> None:
    psf = np.zeros((3, 301))
    psf[1, 140:161] = 1 / 21
    baseline = tuned_baseline("dct_wiener", PROTOCOLS["levin_kernels"], [Kernel(psf)], 2.55)
    assert baseline.settings


def test_tuning_images_are_drawn_as_far_as_they_reach() -> None:
    drawn = draw(0, 3)
    assert np.array_equal(_drawn(3, TUNING_SIDE, 140), drawn[:TUNING_SIDE, :140])
    beyond = _drawn(3, TUNING_SIDE, 300)
    assert np.array_equal(beyond[:, :256], drawn[:TUNING_SIDE])
    assert np.array_equal(beyond[:, 256:], drawn[:TUNING_SIDE, :-45:-1])
