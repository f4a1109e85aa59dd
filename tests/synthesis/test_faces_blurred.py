import numpy as np
import pytest

from deblur.blur import Box, Degradation, Gaussian, Motion
from deblur.synthesis.faces import draw

# The figures that the drawing was made for: those of real anime faces, within a few tenths of a dB.
EXPECTED = [(Gaussian(3), 20.2), (Box(7), 21.0), (Motion(15, 0), 19.4)]


@pytest.fixture(scope="module")
def faces() -> list[np.ndarray]:
    return [draw(0, index) for index in range(120)]


@pytest.mark.slow
@pytest.mark.parametrize(("blur", "expected"), EXPECTED, ids=lambda value: getattr(value, "family", None))
def test_blurred_faces_are_as_far_from_sharp_as_they_should_be(
    faces: list[np.ndarray], blur: Degradation, expected: float
) -> None:
    sampled = blur.sample(np.random.default_rng(0))
    errors = [np.mean((blur.apply(face, sampled) / 255 - face / 255) ** 2) for face in faces]
    assert np.mean(-10 * np.log10(errors)) == pytest.approx(expected, abs=0.4)
