"""The config group of the camera: chosen, changed, checked, named, and absent from runs without a camera."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from sampling import exhaustive

import deblur
from deblur.blur import Box
from deblur.blur.camera import Camera
from deblur.config import check
from deblur.config.blur_text import read_blur
from deblur.config.command_line import run
from deblur.config.degradations import named_camera, section_of
from deblur.config.identity import config_hash
from deblur.config.keys import known_keys, options, preset
from deblur.config.schema import TrainConfig
from deblur.errors import UserError
from deblur.runs.paths import run_id

Accepted = Callable[..., list[TrainConfig]]
Explained = Callable[..., str]
Change = Callable[..., dict[str, Any]]

PHOTO = preset("blur/camera", "photo")
LINEAR = preset("blur/camera", "linear")
STAGES = ["linear", "exposure", "highlights", "saturation", "shot_noise", "read_noise"]
GIVE = "give a camera: blur/camera=linear, blur/camera=none, blur/camera=photo."


def cameras(accepted: Accepted, *overrides: str) -> list[Any]:
    return [config.blur.plain().get("camera") for config in accepted(*overrides)]


def test_every_camera_sets_every_stage() -> None:
    assert options("blur/camera") == ["linear", "none", "photo"]
    assert list(PHOTO) == list(LINEAR) == STAGES
    assert [PHOTO["linear"], LINEAR["linear"]] == [True, True]


@pytest.mark.parametrize("blur", [name for name in options("blur") if name != "kernel"])
@pytest.mark.parametrize("words", ["blur/camera=photo", exhaustive("blur.camera=photo")])
def test_every_blur_takes_a_camera(accepted: Accepted, blur: str, words: str) -> None:
    assert cameras(accepted, f"blur={blur}", words) == [PHOTO]


def test_a_kernel_in_a_file_takes_a_camera(accepted: Accepted, workplace: Path) -> None:
    (workplace / "k.pgm").write_bytes(b"P5 3 1 255\n" + bytes([1, 2, 3]))
    assert cameras(accepted, "blur=kernel", "blur.path=k.pgm", "blur/camera=linear") == [LINEAR]


@pytest.mark.parametrize("words", [(), ("blur/camera=none",), ("blur.camera=none",), ("blur.camera=null",)])
def test_no_camera_is_no_key(accepted: Accepted, words: tuple[str, ...]) -> None:
    (config,) = accepted(*words)
    assert "camera" not in config.blur.plain()
    (usual,) = accepted()
    assert config_hash(config.plain()) == config_hash(usual.plain())


def test_a_configuration_of_before_is_that_of_the_same_run(changed: Change) -> None:
    composed = changed("")
    before = {**composed, "blur": {key: value for key, value in composed["blur"].items() if key != "camera"}}
    assert composed["blur"]["camera"] is None
    assert check(before) == check(composed)
    assert config_hash(before) == config_hash(composed) == config_hash(check(composed).plain())
    assert run_id(check(before), []) == "srcnn_915-box-lr_0.001-seed_0"
    assert config_hash(changed("blur/camera=linear")) != config_hash(composed)


def test_the_last_camera_of_a_command_counts(accepted: Accepted) -> None:
    assert cameras(accepted, "blur.camera=null", "blur/camera=photo") == [PHOTO]
    assert cameras(accepted, "blur/camera=photo", "blur.camera=null") == [None]
    assert cameras(accepted, "-m", "blur.camera=null,photo", "sweep=cameras") == [None, PHOTO]


def test_stages_that_are_left_out_are_those_of_the_class() -> None:
    fields = section_of(Box, is_complete=True).model_fields["camera"]
    section = next(kind for kind in get_args(fields.annotation) if kind is not type(None))
    camera = Camera()
    assert {name: field.default for name, field in section.model_fields.items()} == {
        "linear": camera.linear,
        "saturation": camera.saturation,
        **{name: interval.low for name, interval in camera.intervals.items()},
    }


def test_stages_are_changed_one_by_one(accepted: Accepted) -> None:
    words = ("blur.camera=linear", "blur.camera.shot_noise=[0,0.01]", "blur.camera.saturation=false")
    assert cameras(accepted, *words) == [{**LINEAR, "shot_noise": [0, 0.01], "saturation": False}]


@pytest.mark.slow
def test_a_sweep_goes_over_cameras_and_names_them(accepted: Accepted) -> None:
    for words in ("blur/camera=none,linear,photo", "blur.camera=none,linear,photo"):
        assert cameras(accepted, "-m", words, "sweep=cameras") == [None, LINEAR, PHOTO]
    (config,) = accepted("blur/camera=photo", "blur.camera.exposure=2")
    named = run_id(config, ["blur/camera=photo", "blur.camera.exposure=2"])
    assert named == "srcnn_915-box-lr_0.001-exposure_2-camera_photo-seed_0"


def test_a_preset_chooses_a_camera(accepted: Accepted, workplace: Path) -> None:
    folder = workplace / "conf" / "experiment"
    folder.mkdir(parents=True)
    (folder / "night.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /blur: motion\n  - override /blur/camera: photo\n"
        "blur:\n  camera:\n    highlights: 30.0\n"
    )
    assert cameras(accepted, "--config-dir", "conf", "experiment=night") == [{**PHOTO, "highlights": 30.0}]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("blur.camera=fhoto", f"blur.camera=fhoto is not allowed: {GIVE}"),
        ("blur.camera=3", f"blur.camera=3 is not allowed: {GIVE}"),
        ("blur/camera=fhoto", "blur/camera=fhoto is not allowed: choose linear, none, photo. Did you mean photo?"),
        (
            "blur.camera.shot_noise=0.1",
            "blur.camera.shot_noise is unknown: blur.camera has no keys without blur/camera=linear or "
            "blur/camera=photo.",
        ),
        (
            "blur/camera=photo blur.camera.shot_noise=2",
            "blur.camera.shot_noise=2 is not allowed: give a number from 0 to 1, or a pair [lo,hi] of them (lo <= hi).",
        ),
        (
            "blur/camera=photo blur.camera.exposure=[2,1]",
            "blur.camera.exposure=[2,1] is not allowed: give a number from 0.05 to 20, "
            "or a pair [lo,hi] of them (lo <= hi).",
        ),
        (
            "blur/camera=photo blur.camera.highlights=bright",
            "blur.camera.highlights=bright is not allowed: give a number from 1 to 1000, "
            "or a pair [lo,hi] of them (lo <= hi).",
        ),
        (
            "blur/camera=photo blur.camera.read_noise=null",
            "blur.camera.read_noise=null is not allowed: give a number from 0 to 1, "
            "or a pair [lo,hi] of them (lo <= hi).",
        ),
        (
            "blur/camera=photo blur.camera.linear=1",
            "blur.camera.linear=1 is not allowed: give true to blur linear light, false to blur the encoded values.",
        ),
        (
            "blur/camera=photo blur.camera.shotnoise=0",
            "blur.camera.shotnoise is unknown: blur.camera has the keys exposure, highlights, linear, read_noise, "
            "saturation, shot_noise. Did you mean blur.camera.shot_noise=0?",
        ),
        ("~blur", "blur is missing: give a group: blur=NAME. blur=none is for none."),
        ("~blur blur/camera=photo", "blur is missing: give a group: blur=NAME. blur=none is for none."),
        (
            "blur/camera=photo blur.camera.exposure=2 blur.camera=null",
            "blur.camera.exposure is unknown: blur.camera has no keys without blur/camera=linear or blur/camera=photo.",
        ),
        (
            "blur/camera=photo blur.camera.exposure={a:1}",
            "blur.camera.exposure={a:1} is not allowed: blur.camera.exposure is a value and has no keys.",
        ),
        (
            "blur=varying blur.extent={a:1}",
            "blur.extent={a:1} is not allowed: blur.extent is a value and has no keys.",
        ),
        (
            "blur=varying blur.kind=defocus blur.shake=0.3",
            "blur.shake=0.3 is of a camera that rolls, and has no effect with blur.kind=defocus: leave out blur.shake",
        ),
        (
            "blur=mixed blur.families.varying.kind=defocus blur.families.varying.shake=0.3",
            "blur.families.varying.shake=0.3 is of a camera that rolls, and has no effect with "
            "blur.families.varying.kind=defocus: leave out blur.families.varying.shake",
        ),
        ("model.channels=true", "model.channels=true is not allowed: give 1 with data.color=gray, 3 with"),
        ("model.channels=1.0", "model.channels=1.0 is not allowed: give 1 with data.color=gray, 3 with"),
        (
            "blur=mixed +blur.families.box.camera=null",
            "blur.families.box.camera is unknown: blur.families.box has the keys size, weight.",
        ),
    ],
)
def test_what_is_wrong_is_a_sentence(explained: Explained, words: str, sentence: str) -> None:
    assert explained(*words.split()).startswith(sentence)


@pytest.fixture
def plain_class(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Return the words that choose a custom class whose constructor knows of no camera."""
    (workplace / "my_plain_blur.py").write_text(
        "from deblur.blur import Box\n\n\nclass Plain(Box):\n    def __init__(self, size):\n"
        "        super().__init__(size)\n"
    )
    (workplace / "conf" / "blur").mkdir(parents=True)
    (workplace / "conf" / "blur" / "plain.yaml").write_text("_target_: my_plain_blur.Plain\nsize: 3\n")
    monkeypatch.syspath_prepend(workplace)
    return "--config-dir", "conf", "blur=plain", "trusted=[my_plain_blur]"


def test_a_custom_class_without_a_camera_is_given_none(accepted: Accepted, plain_class: tuple[str, ...]) -> None:
    assert cameras(accepted, *plain_class) == [None]


def test_a_custom_class_without_a_camera_refuses_one_in_a_sentence(
    plain_class: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("train", check, [*plain_class, "blur/camera=photo"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert said == "error: my_plain_blur.Plain: got an unexpected keyword argument 'camera'. It takes: size."


# Texts, notebooks, help


def test_an_option_of_a_plain_command_takes_a_camera() -> None:
    asked = read_blur("motion length=9 camera=photo camera.exposure=1", "--simulate")
    assert asked.settings()["camera"] == {**PHOTO, "exposure": 1}
    assert "camera" not in read_blur("motion camera=none", "--simulate").settings()
    alone = read_blur("training camera.shot_noise=0.01", "--simulate", allows_training=True)
    assert alone.settings(preset("blur", "box"))["camera"] == {"shot_noise": 0.01}
    with pytest.raises(UserError, match=r"^--simulate: camera.shot_noise=9 is not allowed: give a number from 0 to 1"):
        read_blur("box camera=photo camera.shot_noise=9", "--simulate")
    with pytest.raises(UserError, match=r"^--simulate: camera=fhoto is not allowed: give a camera"):
        read_blur("box camera=fhoto", "--simulate")


def test_notebooks_take_a_camera_by_its_name_or_as_a_dictionary() -> None:
    assert deblur.degradation("box").camera is None
    named, given = (deblur.degradation("box", camera=camera).camera for camera in ("photo", PHOTO))
    assert named is not None
    assert given is not None
    assert named.draw(3) == given.draw(3)
    with pytest.raises(UserError, match=r"^blur.camera.exposure=0 is not allowed"):
        deblur.degradation("box", camera={"exposure": 0})
    assert named_camera("fhoto") == "fhoto"


def test_help_lists_cameras_and_explains_their_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", lambda _: None, ["--help", "blur/camera=photo"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "blur/camera: linear, none, photo" in text
    assert "shot_noise: [0.0001,0.001] variance of white light, 1 over its photons" in text
    assert "Allowed: a number from 0 to 1, or a pair [lo,hi] of them (lo <= hi)" in text
    assert {f"blur.camera.{stage}" for stage in STAGES} <= known_keys("train").keys()
    assert {f"blur.camera.{stage}" for stage in STAGES} <= known_keys("evaluate").keys()
