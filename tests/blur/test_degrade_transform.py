import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import albumentations as A
import numpy as np
import pytest
from numpy.typing import NDArray

from deblur.blur import Degradation, Gaussian, KernelFile, Motion
from deblur.blur.transforms import Degrade

FLIPS = {
    (flips_columns, flips_rows): (
        slice(None, None, -1 if flips_rows else 1),
        slice(None, None, -1 if flips_columns else 1),
    )
    for flips_columns in (False, True)
    for flips_rows in (False, True)
}


@pytest.fixture
def image() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (37, 31), dtype=np.uint8)


def pipeline(degradation: Degradation) -> Any:
    steps = [A.HorizontalFlip(), A.VerticalFlip(), Degrade(degradation)]
    return A.Compose(steps, additional_targets={"sharp": "mask"})


def item(compose: Any, image: NDArray[np.uint8], seed: int, epoch: int, index: int) -> dict[str, NDArray[np.uint8]]:
    """One training item, seeded as the data set does it."""
    sequence = np.random.SeedSequence([seed, epoch, index])
    compose.set_random_state(np.random.default_rng(sequence), random.Random(int(sequence.generate_state(1)[0])))
    result: dict[str, NDArray[np.uint8]] = compose(image=image, sharp=image)
    return result


def flip_of(sharp: NDArray[np.uint8], image: NDArray[np.uint8]) -> tuple[bool, bool]:
    return next(names for names, slices in FLIPS.items() if np.array_equal(sharp, image[slices]))


@pytest.mark.parametrize("shape", [(37, 31), (1, 29), (23, 1)])
def test_both_images_come_back_gray_in_two_dimensions(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    result = item(pipeline(Gaussian(2)), image, 0, 0, 0)
    for key in ("image", "sharp"):
        assert result[key].shape == shape
        assert result[key].dtype == np.uint8


@pytest.mark.parametrize("name", ["motion", "kernel"])
def test_the_sharp_image_is_flipped_alone_and_the_image_is_that_one_blurred(
    image: NDArray[np.uint8], kernel_path: Path, name: str
) -> None:
    # kernels that a flip before the blur must not turn
    degradation = Motion(9, 30) if name == "motion" else KernelFile(str(kernel_path))
    compose = pipeline(degradation)
    seen = set()
    for index in range(200):
        result = item(compose, image, 0, 0, index)
        seen.add(flip_of(result["sharp"], image))
        sampled = degradation.sample(np.random.default_rng(0))
        np.testing.assert_array_equal(result["image"], degradation.apply(result["sharp"], sampled))
    assert seen == FLIPS.keys()


def test_the_flips_are_independent(image: NDArray[np.uint8]) -> None:
    compose = pipeline(Gaussian(1))
    flips = np.array([flip_of(item(compose, image, 0, 0, index)["sharp"], image) for index in range(400)])
    np.testing.assert_allclose(flips.mean(axis=0), 0.5, atol=0.1)
    assert abs(np.corrcoef(flips.T)[0, 1]) < 0.2  # 4 standard deviations


def test_no_image_stays_sharp(image: NDArray[np.uint8]) -> None:
    compose = pipeline(Gaussian([1, 3]))
    assert compose.transforms[-1].p == 1
    for index in range(200):
        result = item(compose, image, 0, 0, index)
        assert not np.array_equal(result["image"], result["sharp"])


def test_an_item_depends_on_seed_epoch_and_index_alone(image: NDArray[np.uint8]) -> None:
    degradation = Motion([3, 15], [0, 180], noise_sigma=[1, 5], jpeg_quality=[50, 90])
    first, second = pipeline(degradation), pipeline(degradation)
    for index in range(10):
        item(second, image, 9, 9, index)  # what was drawn before must not matter
    keys = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]
    items = [item(first, image, *key)["image"] for key in keys]
    for key, shown in reversed(list(zip(keys, items, strict=True))):
        np.testing.assert_array_equal(item(second, image, *key)["image"], shown)
    for number, shown in enumerate(items):
        assert not any(np.array_equal(shown, other) for other in items[number + 1 :])


def test_what_was_drawn_can_be_read_afterwards(image: NDArray[np.uint8]) -> None:
    degradation = Motion([3, 15], [0, 180], noise_sigma=2)
    compose = pipeline(degradation)
    result = item(compose, image, 0, 0, 0)
    sampled = compose.transforms[-1].params["sampled"]
    assert sampled.parameters.keys() == {"length", "angle"}
    np.testing.assert_array_equal(degradation.apply(result["sharp"], sampled), result["image"])


def test_the_kernels_are_imported_without_the_pipeline_library() -> None:
    heavy = "{'albumentations', 'torch', 'lightning'} & set(sys.modules)"
    code = f"import sys, deblur.blur.kernels, deblur.blur.degradation; sys.exit(bool({heavy}))"
    subprocess.run([sys.executable, "-c", code], check=True)
