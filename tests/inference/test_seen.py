"""What the command says of the blur of images, and of what would help."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from decoded_files import noise
from PIL import Image

import deblur
from deblur.choices import PRETRAINED
from deblur.estimation import BlurEstimate, trained_widths
from deblur.estimation.estimate import BlurMap
from deblur.inference.advice import scale_for, scale_name, seen_text
from deblur.inference.pretrained import pretrained_settings
from deblur.inference.trained import load_trained
from deblur.synthesis.leaves import draw

Command = Callable[..., Any]
NOWHERE = BlurMap(np.ones((1, 1), np.float32), np.ones((1, 1), np.float32), 0, 1)


def blur(kind: Any, width: float, probability: float = 0.9) -> BlurEstimate:
    return BlurEstimate(kind, probability, {}, width, 30.0 if kind == "motion" else None, 1, NOWHERE)


def settings(family: str, **parameters: Any) -> Mapping[str, Any]:
    return {"blur": {"name": family, "_target_": f"deblur.blur.{family.title()}", **parameters}}


@pytest.mark.parametrize("name", PRETRAINED)
def test_the_settings_of_a_pretrained_network_are_read_without_loading_it(name: str) -> None:
    assert pretrained_settings(name) == load_trained(deblur.inference.pretrained.pretrained_file(name)).config


@pytest.mark.parametrize(
    ("section", "widths"),
    [
        ({"_target_": "deblur.blur.Gaussian", "sigma": 3.0}, {"defocus": (12, 12)}),
        ({"_target_": "deblur.blur.families.Gaussian", "sigma": [0.5, 4.0]}, {"defocus": (2, 16)}),
        ({"_target_": "deblur.blur.Disk", "radius": [1, 5]}, {"defocus": (2, 10)}),
        ({"_target_": "deblur.blur.Motion", "length": [3, 21], "angle": [0, 180]}, {"motion": (3, 21)}),
        ({"_target_": "deblur.blur.Trajectory", "extent": 9}, {"shake": (9, 9), "motion": (9, 9)}),
        ({"_target_": "deblur.blur.NoBlur"}, {}),
        (
            {
                "_target_": "deblur.blur.Mixed",
                "families": {
                    "disk": {"radius": [2, 3]},
                    "gaussian": {"sigma": [0.5, 1], "weight": 2},
                    "motion": {"weight": 0},
                    "box": None,
                    "none": {},
                },
            },
            {"defocus": (2, 6)},
        ),
        ({"_target_": "deblur.blur.Mixed", "families": {"motion": {}}}, {"motion": (5, 25)}),
        ({"_target_": "deblur.blur.Mixed", "families": {"varying": {}}}, None),
        ({"_target_": "deblur.blur.KernelFile", "path": "psf.png"}, None),
        ({"_target_": "my_blurs.Gaussian", "sigma": 3.0}, None),
        ({"_target_": "deblur.blur.Gaussian", "sigma": "wide"}, None),
        ({}, None),
    ],
)
def test_the_widths_of_a_training(section: dict[str, Any], widths: dict[str, tuple[float, float]] | None) -> None:
    found = trained_widths(section)
    assert (found is None) == (widths is None)
    if found is not None and widths is not None:
        assert {kind: pytest.approx(pair) for kind, pair in found.items()} == widths


@pytest.mark.parametrize(
    ("kind", "width", "scale"),
    [("defocus", 12, 1), ("defocus", 16, 1), ("defocus", 17, 1 / 2), ("defocus", 40, 1 / 3), ("motion", 25, 1),
     ("motion", 80, 1 / 3), ("none", 0, 1), ("defocus", 9000, 1 / 16)],
)  # fmt: skip
def test_the_scale_is_the_largest_at_which_the_blur_fits(kind: str, width: float, scale: float) -> None:
    assert scale_for(blur(kind, width), pretrained_settings("default")) == pytest.approx(scale)


def test_the_scale_is_1_if_the_blur_of_the_training_is_not_known() -> None:
    assert scale_for(blur("defocus", 90), {"blur": {"_target_": "my_blurs.Own"}}) == 1
    assert scale_for(blur("defocus", 90), settings("none")) == 1


@pytest.mark.parametrize(
    ("kind", "width", "network", "scale", "expected"),
    [
        ("none", 0, "default", 1, ["no blur (90 % sure)", "It is sharp already"]),
        ("motion", 14, "default", 1, ["motion blur, about 14 px at 30 degrees (90 % sure)."]),
        ("motion", 14, "defocus", 1, ["not trained on motion blur", "default or motion would fit", "non-blind"]),
        ("defocus", 40, "defocus", 1, ["at most 16 px", "a scale of 0.33", "non-blind"]),
        ("defocus", 40, "defocus", 0.25, ["Restored at 1/4 of its size, where it is as wide as", "16 px at most"]),
        ("motion", 5, "defocus", 1, ["not trained on motion blur"]),
    ],
)
def test_what_would_help_is_said(kind: str, width: float, network: str, scale: float, expected: list[str]) -> None:
    text = seen_text(blur(kind, width), network, pretrained_settings(network), scale)
    for part in expected:
        assert part in text
    assert ("will hardly help" in text) == ("non-blind" in expected or "non-blind" in text)


def test_no_advice_is_given_on_an_unsure_kind() -> None:
    assert "hardly" not in seen_text(blur("motion", 14, 0.5), "defocus", pretrained_settings("defocus"), 1)


def test_a_network_of_one_strength_is_advised_against_on_weak_blur() -> None:
    text = seen_text(blur("defocus", 3), "mine", settings("gaussian", sigma=3.0), 1)
    assert "trained on blurs of at least 12 px and may sharpen too much" in text


@pytest.mark.parametrize(("scale", "name"), [(1 / 3, "1/3"), (0.25, "1/4"), (0.3, "0.3"), (0.07, "0.07")])
def test_a_scale_is_named(scale: float, name: str) -> None:
    assert scale_name(scale) == name


def sharp_and_blurred(folder: Path) -> Path:
    sharp = np.block([[draw(9001, 2 * row + column) for column in range(2)] for row in range(2)])
    Image.fromarray(sharp).save(folder / "sharp.png")
    Image.fromarray(deblur.degrade(sharp, "motion", length=40, angle=30)).save(folder / "moved.png")
    Image.fromarray(deblur.degrade(sharp, "gaussian", sigma=2, noise_sigma=1)).save(folder / "soft.png")
    return folder


def test_each_image_has_its_line(command: Command, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    done = command(sharp_and_blurred(tmp_path / "in"), f"--output={tmp_path / 'out'}", "--network=defocus")
    assert done.code == 0, done.err
    said = {line.partition(":")[0]: line for line in " ".join(done.out.split("\n\n")).splitlines()}
    assert "sharp already" in said["sharp.png"]
    assert "defocus, about " in said["soft.png"]
    assert "was not trained on motion blur" in said["moved.png"]
    assert "Restored at 1/" in said["moved.png"]


def test_many_images_have_one_line(command: Command, identity: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(7):
        Image.fromarray(noise(60, 60, seed=number)).save(folder / f"{number}.png")
    done = command(folder, f"--output={tmp_path / 'out'}", f"--network={identity}")
    assert done.out.startswith("Seen: ")
    assert "0.png" not in done.out


def test_nothing_is_said_of_a_known_kernel(command: Command, known_kernel: Path, tmp_path: Path) -> None:
    Image.fromarray(noise(60, 60)).save(tmp_path / "a.png")
    done = command(tmp_path / "a.png", f"--network={known_kernel}", "--known-blur=box size=3")
    assert done.code == 0
    assert "sure)" not in done.out


def test_the_most_blurred_detail_is_compared(command: Command, tmp_path: Path) -> None:
    sharp = np.block([[draw(9001, 2 * row + column) for column in range(2)] for row in range(2)])
    blurred = deblur.degrade(sharp, "disk", radius=5)
    image = sharp.copy()
    image[256:, 256:] = blurred[256:, 256:]
    Image.fromarray(image).save(tmp_path / "a.png")
    done = command(tmp_path / "a.png", "--compare-networks")
    assert done.code == 0, done.err
    row, column = (int(done.out.partition(word)[2].split()[0]) for word in ("from row ", "and column "))
    assert row > 200
    assert column > 200
    done = command(tmp_path / "a.png", "--compare-networks", "--detail=100,120", "--overwrite")
    assert "from row 40 and column 20 " in done.out
    shown = np.asarray(Image.open(tmp_path / "a-networks.png"))
    np.testing.assert_array_equal(shown[:320:2, :320:2, 0], image[40:200, 20:180])


@pytest.mark.slow
def test_a_network_restores_the_detail_of_a_sheet_as_it_does_the_whole_image(command: Command, tmp_path: Path) -> None:
    scene = np.block([[draw(9001, 5 * row + column) for column in range(5)] for row in range(5)])
    image = deblur.degrade(scene, "disk", radius=3)
    image[:620] = scene[:620]  # so much that a part of the correction is applied at the detail
    Image.fromarray(image).save(tmp_path / "a.png")
    assert command(tmp_path / "a.png", "--compare-networks", "--detail=815,820").code == 0
    shown = np.asarray(Image.open(tmp_path / "a-networks.png"))[:, 328 : 328 + 320]  # the second panel
    whole = deblur.load("default", accelerator="cpu")(image)[740:900, 735:895]
    assert np.abs(whole.astype(int) - image[740:900, 735:895]).max() > 5
    difference = np.abs(shown[:320:2, ::2, 0].astype(int) - whole)
    assert difference.mean() < 0.2  # other tiles round differently in bf16
    assert difference.max() <= 4


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--detail=5,5",), "--detail is of --compare-networks"),
        (("--compare-networks", "--detail=5"), "--detail 5 is not allowed: give a column and a row [px]"),
        (("--compare-networks", "--detail=-1,5"), "--detail -1,5 is not allowed"),
        (("--compare-networks", "--detail=9,4"), "--detail 9,4 is outside the image: give X from 0 to 8"),
        (("--compare-networks", "--scale=0.5"), "--compare-networks and --scale do not go together"),
        (("--scale=0.5", "--known-blur=box size=3"), "--scale and --known-blur do not go together"),
    ],
)
def test_wrong_options_are_refused(command: Command, tmp_path: Path, options: tuple[str, ...], expected: str) -> None:
    Image.fromarray(noise(9, 9)).save(tmp_path / "a.png")
    done = command(tmp_path / "a.png", *options)
    assert done.code == 2
    assert expected in " ".join(done.err.split())
    assert not list(tmp_path.glob("a-*"))
