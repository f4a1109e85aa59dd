from typing import Any

import numpy as np
import pytest
from noise_images import Noise
from torch.utils.data import DataLoader

from deblur.blur import Box, Disk, DrawnKernel, Gaussian, Mixed, Motion, NoBlur, Sampled, kernels
from deblur.blur.images import Crop
from deblur.blur.kernels import Kernel
from deblur.data.patches import EpochSampler, TrainingDataset, collate_patches

WHOLE = Crop("symmetric")


def training(images: Noise, **changes: Any) -> TrainingDataset:
    settings: dict[str, Any] = {
        "degradation": Box(5),
        "seed": 3,
        "patch_size": 16,
        "patches_per_image": 5,
        "context": 6,
        "flips": True,
        "crop": WHOLE,
        "memory_limit": 2**20,
    } | changes
    return TrainingDataset(images, images, range(len(images.names)), **settings)


def places(part: np.ndarray, whole: np.ndarray) -> list[tuple[int, int]]:
    windows = np.lib.stride_tricks.sliding_window_view(whole, part.shape)
    return [(int(y), int(x)) for y, x in np.argwhere((windows == part).all(axis=(2, 3)))]


def test_a_sample_is_a_function_of_seed_epoch_and_index() -> None:
    dataset, again = training(Noise()), training(Noise())
    first = dataset[2, 1]
    dataset[0, 0]
    for key in first:
        np.testing.assert_array_equal(first[key], again[2, 1][key])
    for other in (dataset[3, 1], dataset[2, 0], training(Noise(), seed=4)[2, 1]):
        assert not np.array_equal(first["sharp"], other["sharp"])


@pytest.mark.parametrize("context", [0, 6, 60])
def test_patches_are_cut_from_the_whole_blurred_image(context: int) -> None:
    images = Noise()
    blur = Box(5)
    whole_sharp = images[1]
    whole_blurred = blur.apply(whole_sharp, blur.sample(np.random.default_rng(0)))
    sample = training(images, flips=False, context=context)[0, 1]
    assert sample["sharp"].shape == (5, 1, 16, 16)
    assert sample["blurred"].shape == (5, 1, 16 + 2 * context, 16 + 2 * context)
    around = np.pad(whole_blurred, context, mode="symmetric")
    for sharp, blurred in zip(sample["sharp"][:, 0], sample["blurred"][:, 0], strict=True):
        assert places(sharp, whole_sharp)[0] in places(blurred, around)


def test_patches_reach_every_edge() -> None:
    sample = training(Noise(1, (18, 17)), flips=False, patches_per_image=200)[0, 0]
    assert {places(patch, Noise(1, (18, 17))[0])[0] for patch in sample["sharp"][:, 0]} == {
        (y, x) for y in range(3) for x in range(2)
    }


def test_flips_mirror_in_both_directions_independently() -> None:
    images = Noise(1)
    mirrored = {
        name: np.ascontiguousarray(images[0][rows, columns])
        for name, rows, columns in (
            ("none", slice(None), slice(None)),
            ("rows", slice(None, None, -1), slice(None)),
            ("columns", slice(None), slice(None, None, -1)),
            ("both", slice(None, None, -1), slice(None, None, -1)),
        )
    }
    dataset = training(images, patch_size=None, degradation=NoBlur(), context=0)
    seen = [
        next(name for name, image in mirrored.items() if np.array_equal(image, dataset[epoch, 0]["sharp"][0, 0]))
        for epoch in range(80)
    ]
    assert {name: 8 < seen.count(name) < 32 for name in mirrored} == dict.fromkeys(mirrored, True)


def test_whole_images_are_one_patch_each() -> None:
    sample = training(Noise(), patch_size=None, context=4)[0, 0]
    assert sample["sharp"].shape == (1, 1, 50, 43)
    assert sample["blurred"].shape == (1, 1, 58, 51)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_batches_are_the_same_for_any_number_of_workers(workers: int) -> None:
    dataset, sampler = (
        training(Noise(), degradation=Motion([3, 15], [0, 180], noise_sigma=2)),
        EpochSampler(range(6), 1),
    )
    loader = DataLoader(
        dataset, 2, sampler=sampler, collate_fn=collate_patches, num_workers=workers, persistent_workers=workers > 0
    )
    seen = []
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        seen += [batch["blurred"].sum(dim=(1, 2, 3)).tolist() for batch in loader]
    reference = []
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        order = list(sampler)
        for start in range(0, 6, 2):
            patches = np.concatenate([dataset[position]["blurred"] for position in order[start : start + 2]])
            reference.append(patches.sum(axis=(1, 2, 3)).tolist())
    assert seen == reference


ALWAYS_THE_SAME = {
    "box": Box(5),
    "gaussian": Gaussian(1.7),
    "motion": Motion(7, 0),
    "upright motion": Motion(6.5, 90),
    "tilted motion": Motion(9, 30),
    "disk": Disk(2.3),
    "large disk": Disk(9.4),
    "none": NoBlur(),
    "compressed": Box(3, jpeg_quality=60),
}


@pytest.mark.parametrize("name", ALWAYS_THE_SAME)
@pytest.mark.parametrize("crop", [WHOLE, Crop("valid", (4, 3))])
def test_what_is_kept_equals_what_is_made_again(name: str, crop: Crop) -> None:
    images, degradation = Noise(3, (64, 43), growth=3), ALWAYS_THE_SAME[name]
    fresh = training(images, degradation=degradation, crop=crop, memory_limit=0)
    kept = training(images, degradation=degradation, crop=crop)
    for epoch in range(12):
        for index in range(3):
            ours, theirs = kept[epoch, index], fresh[epoch, index]
            for key in ("blurred", "sharp"):
                np.testing.assert_array_equal(ours[key], theirs[key])


@pytest.mark.parametrize("name", ["box", "gaussian", "motion", "upright motion", "disk", "large disk", "none"])
def test_a_mirrored_image_is_blurred_to_the_mirrored_result(name: str) -> None:
    image, degradation = Noise(1, (90, 71))[0], ALWAYS_THE_SAME[name]
    assert degradation.commutes_with_mirroring == (True, True)
    sampled = degradation.sample(np.random.default_rng(0))
    for turn in (np.s_[:, ::-1], np.s_[::-1]):
        turned = degradation.apply(np.ascontiguousarray(image[turn]), sampled)
        difference = np.abs(turned.astype(int) - degradation.apply(image, sampled)[turn])
        assert difference.max() <= 1  # another order of the same sum may round a half the other way
        assert np.mean(difference > 0) < 5e-3


def test_only_what_draws_nothing_is_kept() -> None:
    for degradation in (
        Box([3, 7]),
        Box(5, noise_sigma=1),
        Box(5, jpeg_quality=[50, 90]),
        Motion(7, [0, 180]),
        Mixed({"box": {"size": 5}}),
    ):
        assert not degradation.is_fixed
        dataset = training(Noise(), degradation=degradation, flips=False, patch_size=None)
        assert len({dataset[epoch, 0]["blurred"].tobytes() for epoch in range(8)}) > 1 or degradation.family == "mixed"
    assert Box(5, jpeg_quality=60).is_fixed
    assert Box(5, jpeg_quality=60).commutes_with_mirroring == (False, False)
    assert Motion(9, 30).commutes_with_mirroring == (False, False)


def test_a_family_of_somebody_elses_is_not_taken_for_fixed() -> None:
    class Wobbling(Box):
        def draw_kernel(self, rng: np.random.Generator) -> DrawnKernel:
            return DrawnKernel(Kernel(kernels.box(int(rng.choice([3, 5])))), "wobbling", {})

    class Speckled(Box):
        def apply(self, image: np.ndarray, sampled: Sampled) -> np.ndarray:
            return super().apply(image, sampled) ^ 1

    assert not Wobbling(5).is_fixed
    assert not Speckled(5).is_fixed


@pytest.mark.parametrize(("limit", "is_kept"), [(4 * 52 * 52, True), (4 * 52 * 52 - 1, False)])
def test_results_are_kept_where_they_all_fit_into_memory(limit: int, is_kept: bool) -> None:
    images = Noise(4, (40, 40))
    dataset = training(images, memory_limit=limit, patch_size=None, flips=False)  # a frame and 6 px around it
    before = dataset[0, 0]["blurred"]
    images[0][:] = 0
    assert np.array_equal(dataset[1, 0]["blurred"], before) is is_kept
