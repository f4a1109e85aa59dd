"""Samples of a camera: exposed targets, the columns of what was drawn, and nothing new without a camera."""

import numpy as np
import pytest
from noise_images import Noise

from deblur.blur import Box, Motion, degrade, exposed
from deblur.blur.images import Crop
from deblur.data.datasets import EvaluationDataset
from deblur.data.patches import TrainingDataset

LINKS = {"linear": True, "exposure": [0.5, 2], "highlights": 3, "shot_noise": [0, 0.001], "read_noise": 0.001}
DRAWN = {"exposure", "highlights", "shot_noise", "read_noise"}
CROP = Crop("symmetric", crop=24)


def training(blur: Box | Motion, memory_limit: int = 0) -> TrainingDataset:
    images = Noise()
    return TrainingDataset(
        images,
        images,
        list(range(len(images.names))),
        blur,
        seed=3,
        crop=CROP,
        context=2,
        patch_size=None,
        patches_per_image=1,
        flips=True,
        memory_limit=memory_limit,
    )


def test_validation_and_test_targets_are_exposed() -> None:
    images, blur = Noise(), Motion(5, 30, camera=LINKS)
    dataset = EvaluationDataset(images, [0, 1, 2], blur, seed=0, crop=CROP)
    again = EvaluationDataset(images, [1], Motion(5, 30, camera={**LINKS, "exposure": 1}), seed=0, crop=CROP)
    np.testing.assert_array_equal(again[0]["sharp"][0], CROP.cut(images[1]))
    drawn = [dataset[position]["degradation"] for position in range(3)]
    assert len({one["exposure"] for one in drawn}) == 3
    for position, one in enumerate(drawn):
        fixed = Box(1, camera={"linear": True, "exposure": one["exposure"], "highlights": 3})
        expected = exposed(images[position], fixed, fixed.sample(np.random.default_rng(0)))
        np.testing.assert_array_equal(dataset[position]["sharp"][0], CROP.cut(expected))


def test_training_targets_are_exposed_and_mirrored_with_their_inputs() -> None:
    blur = Box(1, camera={**LINKS, "shot_noise": 0, "read_noise": 0})
    dataset = training(blur)
    exposures = set()
    for epoch in range(3):
        patches = dataset[epoch, 1]
        inner = patches["blurred"][:, :, 2:-2, 2:-2]
        np.testing.assert_array_equal(inner, patches["sharp"])  # a kernel of one pixel blurs nothing
        exposures.add(float(patches["sharp"].mean()))
    assert len(exposures) == 3


def test_what_a_fixed_camera_takes_is_kept_within_the_limit() -> None:
    blur = Box(3, camera={"exposure": 2})
    needed = training(blur)._size()
    assert needed > training(Box(3))._size()
    kept, again = training(blur, needed), training(blur)
    for position in [(0, 0), (1, 0), (5, 2)] * 2:
        for name, planes in kept[position].items():
            np.testing.assert_array_equal(planes, again[position][name])
    assert kept._kept
    assert not again._kept


@pytest.mark.parametrize(("camera", "columns"), [(None, set()), (LINKS, DRAWN)])
def test_only_a_camera_has_columns(camera: dict[str, object] | None, columns: set[str]) -> None:
    sample = EvaluationDataset(Noise(), [0], Box(3, camera=camera), seed=0, crop=CROP)[0]
    assert set(sample["degradation"]) == {"blur", "size", "noise_sigma", "jpeg_quality"} | columns


def test_the_columns_reproduce_the_camera() -> None:
    images = Noise()
    blur = Box(3, camera={**LINKS, "shot_noise": 0, "read_noise": 0})
    sample = EvaluationDataset(images, [2], blur, seed=0, crop=CROP)[0]
    drawn = {name: sample["degradation"][name] for name in DRAWN}
    again = Box(3, camera={"linear": True, **drawn})
    found = degrade(images[2], again, again.sample(np.random.default_rng(9)), CROP)
    np.testing.assert_array_equal(found, sample["blurred"][0])
