"""The settings of the unrolled network, and the trainings that it is refused for."""

from pathlib import Path

import pytest
from checking import Change, refusal

from deblur.config import check
from deblur.config.identity import config_hash
from deblur.errors import UserError

UNROLLED = "model=unrolled blur=mixed"


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("model.stages=0", "model.stages=0 is not allowed: give a whole number from 1 up"),
        ("model.stages=1.5", "model.stages=1.5 is not allowed: give a whole number from 1 up"),
        ("model.width=0", "model.width=0 is not allowed: give a whole number from 1 up"),
        ("model.inner_width=null", "model.inner_width=null is not allowed: give a whole number from 1 up"),
        ("model.boundary=valid", "model.boundary=valid is not allowed: give unknown, circular"),
        ("model.blocks=3", "model.blocks is unknown: model has the keys"),
        ("model.channels=3", "model.channels=3 does not fit data.color=gray"),
        ("model.linear_light=2", "model.linear_light=2 is not allowed: give true, false"),
        ("model.linear_light=true", "model.linear_light=true does not fit blur.camera.linear=false: leave out"),
        ("model.boundary=circular", "model.boundary=circular does not fit data.boundary=symmetric: leave out"),
    ],
)
def test_wrong_settings_are_refused_by_their_names(changed: Change, override: str, sentence: str) -> None:
    assert sentence in refusal(changed(UNROLLED, override))


@pytest.mark.parametrize(
    ("groups", "override", "sentence"),
    [
        ("blur=varying", "seed=0", "An unrolled network needs one kernel for the whole image, and with blur=varying"),
        ("blur=mixed", "blur.families.varying.weight=1", "An unrolled network needs one kernel for the whole image"),
    ],
    ids=["varying", "mixture"],
)
def test_images_without_one_known_kernel_are_refused(
    changed: Change, groups: str, override: str, sentence: str
) -> None:
    assert sentence in refusal(changed(f"model=unrolled {groups}", override))


def test_images_that_somebody_else_blurred_are_refused(changed: Change, tmp_path: Path) -> None:
    sentence = refusal(changed("model=unrolled blur=none data=pairs", f"data.root={tmp_path}"))
    assert sentence.startswith("An unrolled network needs the kernel of each image, and data=pairs has no kernels:")


@pytest.mark.parametrize(
    ("boundary", "followed"), [("symmetric", "unknown"), ("valid", "unknown"), ("circular", "circular")]
)
def test_its_boundary_follows_that_of_the_images(changed: Change, boundary: str, followed: str) -> None:
    checked = check(changed(UNROLLED, f"data.boundary={boundary}", "data.patch_size=null"))
    assert checked.model.plain()["boundary"] == followed
    assert checked.model.plain()["channels"] in (None, 1)


def test_the_scene_beyond_a_circular_frame_may_be_taken_for_unknown(changed: Change) -> None:
    checked = check(changed(UNROLLED, "data.boundary=circular", "model.boundary=unknown"))
    assert checked.model.plain()["boundary"] == "unknown"


def test_a_trained_network_may_be_measured_on_what_it_was_not_trained_on(changed: Change) -> None:
    check(changed("model=unrolled blur=box blur/camera=photo"), for_training=False)
    with pytest.raises(UserError, match="needs one kernel"):
        check(changed("model=unrolled blur=varying"), for_training=False)


def test_patches_of_a_circular_image_are_refused(changed: Change) -> None:
    sentence = refusal(changed(UNROLLED, "data.boundary=circular", "data.patch_size=64"))
    assert sentence.startswith("data.patch_size=64 does not fit data.boundary=circular: an unrolled network takes each")
    check(changed(UNROLLED, "data.boundary=circular", "data.patch_size=64", "model.boundary=unknown"))


@pytest.mark.parametrize(("camera", "linear"), [("none", False), ("linear", True), ("photo", True)])
def test_it_deconvolves_in_the_space_of_the_blur(changed: Change, camera: str, linear: bool) -> None:
    assert check(changed(f"model=unrolled blur=box blur/camera={camera}")).model.plain()["linear_light"] is linear


def test_runs_before_linear_light_and_fresh_images_are_the_same_runs(changed: Change) -> None:
    config = check(changed(UNROLLED)).plain()
    earlier = {key: dict(section) if isinstance(section, dict) else section for key, section in config.items()}
    del earlier["model"]["linear_light"], earlier["data"]["fresh"]
    assert config_hash(config) == config_hash(earlier)
    assert config_hash(config) != config_hash(check(changed(UNROLLED, "data.fresh=true")).plain())
