"""Blurs as one text."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deblur.config.blur_text import read_blur
from deblur.config.keys import options, preset
from deblur.errors import UserError


def read(text: str) -> dict[str, Any]:
    return read_blur(text, "--simulate", allows_training=True).settings()


@pytest.mark.parametrize("family", sorted(set(options("blur")) - {"kernel"}))
def test_a_family_alone_is_its_preset(family: str) -> None:
    assert read(family) == preset("blur", family)


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("gaussian sigma=2 noise_sigma=1e0", {"sigma": 2, "noise_sigma": 1.0}),
        ("  gaussian   sigma=[1,3.5] ", {"sigma": [1, 3.5]}),
        ("gaussian 'sigma=[1, 3]'", {"sigma": [1, 3]}),
        ("box size=9 jpeg_quality=[70,90]", {"size": 9, "jpeg_quality": [70, 90]}),
        ("motion length=9 angle=-30 jpeg_quality=null", {"length": 9, "angle": -30}),
    ],
)
def test_values_are_read_as_on_hydras_command_line(text: str, changed: dict[str, Any]) -> None:
    assert read(text) == preset("blur", text.split()[0]) | changed


def test_keys_within_a_mixture_can_be_set() -> None:
    families = read("mixed families.box.size=[3,15] families.disk=null")["families"]
    assert families["box"] == {"weight": 1.0, "size": [3, 15]}
    assert families["disk"] is None
    assert families["motion"] == preset("blur", "mixed")["families"]["motion"]


def test_a_training_is_changed_key_by_key() -> None:
    own = preset("blur", "motion")
    asked = read_blur("training length=9", "--simulate", allows_training=True)
    assert asked.settings(own) == own | {"length": 9}
    assert own["length"] == 15
    with pytest.raises(
        UserError, match=r"^--simulate: size is unknown: training has the keys angle, camera, jpeg_quality, l"
    ):
        read_blur("training size=9", "--simulate", allows_training=True).settings(own)


def test_a_kernel_file_is_a_path(tmp_path: Path) -> None:
    np.save(tmp_path / "a b.npy", np.ones((3, 3)))
    assert read(f"kernel 'path={tmp_path}/a b.npy'")["path"] == f"{tmp_path}/a b.npy"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", '--simulate "" cannot be read: give a family and its parameters, such as "motion length=9 angle=30".'),
        (
            "gausian",
            "--simulate: gausian is no blur: give box, disk, gaussian, kernel, mixed, motion, motion_random",
        ),
        ("sigma=2", "--simulate: sigma=2 is no blur"),
        ("box 9", "--simulate: 9 is no parameter: write KEY=VALUE, such as noise_sigma=1."),
        ("box _target_=os.system", "--simulate: _target_=os.system is no parameter"),
        ("box size=[3", "--simulate: size=[3 is not allowed: give an odd whole number from 1 to 501"),
        ("box sigma=3", "--simulate: sigma is unknown: box has the keys camera, jpeg_quality, noise_sigma, size."),
        ("mixed families.box.size=4", "--simulate: families.box.size=4 is not allowed: give an odd whole number"),
        ("kernel", "--simulate: path is missing: give a file with a kernel"),
    ],
)
def test_what_cannot_be_is_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        read(text)
    assert str(caught.value).startswith(sentence)
    assert "blur." not in str(caught.value).replace("blur.path=FILE", "")
