"""The networks that come with the package."""

import numpy as np
import pytest

import deblur
from deblur.blur import Degradation, Disk, Motion, Trajectory
from deblur.choices import BLIND, PRETRAINED
from deblur.errors import UserError
from deblur.inference.pretrained import FOLDER, pretrained_file
from deblur.inference.simulation import degraded, drawn, gain, reference
from deblur.inference.weights import read_weights
from deblur.synthesis import leaves
from deblur.synthesis.faces import draw
from scripts.pretrained import TRAININGS

LARGEST = 1_500_000  # bytes
USUAL: dict[str, Degradation] = {
    "default": deblur.degradation("gaussian", sigma=2, camera="photo"),
    "defocus": deblur.degradation("disk", radius=3, camera="photo"),
    "motion": deblur.degradation("motion", length=9, angle=30, camera="photo"),
}


@pytest.mark.parametrize("name", BLIND)
def test_it_restores_images_that_it_has_not_seen(name: str) -> None:
    restorer = deblur.load(name, precision="32-true", accelerator="cpu")
    assert restorer.name == name
    assert restorer.channels == 3
    gains = []
    for index in range(4):
        image = leaves.draw(987, index, "rgb")
        blurred, sharp = (made(image, USUAL[name], str(index)) for made in (degraded, reference))
        gains.append(gain(blurred, restorer(blurred, strength=1), sharp, of_luma=False).difference)
    assert np.mean(gains) > 0.5


@pytest.mark.parametrize(
    "blur", [Motion(15, 30, noise_sigma=2.0), Disk(4.0, noise_sigma=8.0), Trajectory(20, 0.5, noise_sigma=2.0)]
)
def test_the_non_blind_one_restores_by_the_kernel_of_each_image(blur: Degradation) -> None:
    restorer = deblur.load("unrolled", precision="32-true", accelerator="cpu")
    assert (restorer.name, restorer.needs_kernel, restorer.channels) == ("unrolled", True, 1)
    sharp = draw(987, 1)
    blurred = degraded(sharp, blur, "a")
    kernel = drawn(blur, "a").psf
    right = gain(blurred, restorer(blurred, kernel=kernel), sharp).difference
    assert right > 3
    mirrored = kernel[::-1]
    if not np.allclose(mirrored, kernel):
        assert right > gain(blurred, restorer(blurred, kernel=mirrored), sharp).difference + 3


@pytest.mark.parametrize("name", PRETRAINED)
def test_it_is_small_and_says_what_it_is(name: str) -> None:
    path = pretrained_file(name)
    assert path.stat().st_size < LARGEST
    _, description = read_weights(path)
    assert description["settings"]["data"]["name"] == "synthetic"  # no image that is not ours
    assert "root" not in description["settings"]["data"]
    card = path.with_suffix(".md").read_text()
    test = description["metrics"]["test"]
    assert f"{test['psnr']:.2f}" in card
    for images in ("drawn images", "real faces", "photographs", "CBSD68"):
        assert f"| {images} |" in card


def test_all_that_is_named_is_there_and_nothing_else() -> None:
    assert sorted(PRETRAINED) == sorted(TRAININGS)
    assert sorted(path.stem for path in FOLDER.glob("*.safetensors")) == sorted([*PRETRAINED, "gate"])
    assert {path.suffix for path in FOLDER.iterdir()} == {".safetensors", ".md"}


def test_another_name_is_a_sentence() -> None:
    with pytest.raises(UserError, match="There is no pretrained network sharp: give default, defocus, m"):
        pretrained_file("sharp")
