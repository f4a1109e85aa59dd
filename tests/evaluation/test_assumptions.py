"""What an evaluation says of a network that was trained for other images."""

from collections.abc import Sequence

import pytest

from deblur.blur.camera import ENCODED, Space
from deblur.blur.images import Boundary, Crop
from deblur.evaluation.assumptions import differing_assumptions, dropped_camera
from deblur.evaluation.restorers import GrayRestorer, NetworkRestorer, Restorer
from deblur.models import SRCNN, Unrolled

LINEAR = Space(linear=True)
CAMERA = {"camera": {"linear": True, "exposure": [0.7, 1.4]}}


def test_a_blind_network_assumes_nothing() -> None:
    restorer = NetworkRestorer("own", SRCNN([5, 3], [4]))
    assert differing_assumptions(restorer, [Crop("circular")], LINEAR) == []


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize(
    ("assumed", "boundaries", "expected"),
    [
        ("unknown", ["symmetric", "valid"], ""),
        ("circular", ["circular"], ""),
        ("circular", ["symmetric", "valid"], "assumes a circular boundary, as in its training, and here the boundary"),
        ("unknown", ["circular"], "that the scene continues beyond the image, as in its training, and here the bound"),
    ],
)
def test_another_boundary_of_a_network_that_takes_the_kernel_is_said(
    assumed: str, boundaries: Sequence[Boundary], expected: str, *, color: bool
) -> None:
    restorer: Restorer = NetworkRestorer("own", Unrolled(1, 4, 4, boundary=assumed))
    if color:
        restorer = GrayRestorer(restorer, "luma")
    found = differing_assumptions(restorer, [Crop(boundary) for boundary in boundaries], ENCODED)
    assert (len(found) == 1 and expected in found[0]) if expected else found == []


@pytest.mark.parametrize(
    ("is_linear", "expected"),
    [
        (False, "own deconvolves the encoded values of an image, as in its training, and here the blur is in linear"),
        (True, "own deconvolves the light of an image, as in its training, and here the blur is in encoded values"),
    ],
)
def test_another_space_of_a_network_that_takes_the_kernel_is_said(is_linear: bool, expected: str) -> None:
    restorer = NetworkRestorer("own", Unrolled(1, 4, 4, linear_light=is_linear))
    assert differing_assumptions(restorer, [Crop("valid")], Space(is_linear)) == []
    (found,) = differing_assumptions(restorer, [Crop("valid")], Space(not is_linear))
    assert expected in found


def test_a_camera_that_the_evaluation_leaves_out_is_said() -> None:
    (sentence,) = dropped_camera(CAMERA, {"camera": None})
    assert sentence.startswith(
        "The network was trained with a camera in linear light, exposure 0.7 to 1.4, and these images"
    )
    for trained, measured in ((CAMERA, CAMERA), ({"camera": None}, {}), ({}, CAMERA)):
        assert dropped_camera(trained, measured) == []
