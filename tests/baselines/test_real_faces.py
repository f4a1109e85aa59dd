from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from deblur.baselines import make, optimal_linear
from deblur.blur import kernels
from deblur.data.folders import find_images
from deblur.image_io.decoding import read_gray
from deblur.wiener.images import mean_psnr

pytestmark = [pytest.mark.slow, pytest.mark.faces]

Images = list[NDArray[np.uint8]]
Degrade = Callable[..., NDArray[np.uint8]]

BLURS = {"gaussian": kernels.gaussian(3), "box": kernels.box(7), "motion": kernels.motion(15, 0)}

# What is known of the same faces: mean of the per-image PSNR [dB], 8-bit blurred images, symmetric boundary
BLURRED = {"gaussian": 20.3, "box": 21.0, "motion": 19.5}
DCT_WIENER = {"gaussian": 23.6, "box": 29.0, "motion": 32.1}
LINEAR_FILTERS = {  # by their width [px]
    "gaussian": {13: 23.0, 15: 23.2, 27: 23.4},
    "box": {13: 24.4, 15: 24.5, 27: 25.9},
    "motion": {13: 20.0, 15: 21.3, 27: 23.8},
}
EVERY = 4
"""One face in so many is kept from fitting."""


@pytest.fixture(scope="module")
def real_faces(faces_root: Path) -> Images:
    """All 800 faces."""
    return [read_gray(faces_root / name) for name in find_images(faces_root)]


@pytest.mark.parametrize("blur", BLURS)
def test_the_dct_wiener_reaches_what_is_known(blur: str, real_faces: Images, degrade: Degrade) -> None:
    blurred = [degrade(face, BLURS[blur]) for face in real_faces]
    own = [BLURS[blur]] * len(real_faces)
    baseline = make("dct_wiener")
    baseline.fit(real_faces, blurred, own)
    assert mean_psnr(lambda image, _: image, real_faces, blurred, own) == pytest.approx(BLURRED[blur], abs=0.1)
    assert mean_psnr(baseline.restore, real_faces, blurred, own) == pytest.approx(DCT_WIENER[blur], abs=0.3)
    # Flat areas that are as white after the blur as before are not rounded.
    assert baseline.settings == {"method": "dct", "noise_sigma": pytest.approx(12**-0.5, rel=0.05)}


@pytest.mark.parametrize("blur", BLURS)
def test_linear_filters_reach_what_is_known(blur: str, real_faces: Images, degrade: Degrade) -> None:
    blurred = [degrade(face, BLURS[blur]) for face in real_faces]
    training = [
        [each for index, each in enumerate(images) if index % EVERY != EVERY - 1] for images in (real_faces, blurred)
    ]
    filters = optimal_linear.fit_filters(*training, list(LINEAR_FILTERS[blur]))
    others = (
        real_faces[EVERY - 1 :: EVERY],
        blurred[EVERY - 1 :: EVERY],
        [BLURS[blur]] * len(real_faces[EVERY - 1 :: EVERY]),
    )
    for size, expected in LINEAR_FILTERS[blur].items():
        restored = mean_psnr(lambda image, _, size=size: optimal_linear.apply(filters[size], image), *others)
        assert restored == pytest.approx(expected, abs=0.4)  # other splits scatter by 0.15
